"""What a turn may do: sandbox policy, approval policy, and the settings frozen for one turn.

Words and values are Codex's (0.169: `config.toml`, `turn_context` rollout lines).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from msgspec import Struct

ApprovalsReviewer = Literal["user", "auto_review"]
SandboxMode = Literal["read-only", "workspace-write", "danger-full-access"]
ReasoningEffort = Literal[
    "none", "minimal", "low", "medium", "high", "xhigh", "max", "ultra", "persistent"
]
ReasoningSummary = Literal["auto", "concise", "detailed", "none"]
Verbosity = Literal["low", "medium", "high"]
PatchTool = Literal["freeform", "function"]

CollaborationMode = Literal["default", "plan"]
"""`plan`: the model explores and asks; it proposes before it changes anything."""

PROTECTED_NAMES = (".git", ".quire", ".codex", ".agents", ".aws")
"""Names that stay read-only in every writable root, also when they do not exist."""


class GranularApproval(Struct, frozen=True, kw_only=True):
    """Which questions may be asked; where one is false, what would ask is refused.

    `sandbox_approval`: leaving the sandbox, and patches outside the writable roots; `rules`: what
    a rule says to ask about; `mcp_elicitations`: questions of MCP servers; `request_permissions`:
    the tool that asks for more; `skill_approval`: scripts of skills."""

    sandbox_approval: bool
    rules: bool
    mcp_elicitations: bool
    request_permissions: bool = False
    skill_approval: bool = False


class Granular(Struct, frozen=True):
    """`GranularApproval` as it is written: `{"granular": {...}}`."""

    granular: GranularApproval


ApprovalPolicy = Literal["on-request", "never"] | GranularApproval
ApprovalWords = Literal["on-request", "never"] | Granular
"""An `ApprovalPolicy` in files and messages (Codex 0.169: `AskForApproval`)."""


def approval_words(policy: ApprovalPolicy) -> ApprovalWords:
    """The policy as it is written."""
    return Granular(policy) if isinstance(policy, GranularApproval) else policy


def approval_policy(words: ApprovalWords) -> ApprovalPolicy:
    """The policy that was written."""
    return words.granular if isinstance(words, Granular) else words


class SandboxPolicy(Struct, frozen=True, kw_only=True):
    """What a command may touch. Everything is readable but `denied_reads` (files, and folders with
    all below them), which hold in every mode with a sandbox; writing and the network are limited.

    `writable_roots`, `network_access` and the two `exclude_*` switches count only in
    `workspace-write`. Paths are absolute. `danger-full-access` means no sandbox at all.
    """

    mode: SandboxMode = "read-only"
    writable_roots: tuple[str, ...] = ()
    network_access: bool = False
    exclude_tmpdir_env_var: bool = False
    exclude_slash_tmp: bool = False
    denied_reads: tuple[str, ...] = ()

    @property
    def full_network(self) -> bool:
        """True when commands may use the network."""
        return self.mode == "danger-full-access" or (
            self.mode == "workspace-write" and self.network_access
        )

    def hides(self, path: str, real: Callable[[str], str]) -> bool:
        """True when commands cannot see the absolute `path`; tools of ours must not read it then.
        `real` resolves every symlink of a path."""
        if not self.denied_reads or self.mode == "danger-full-access":
            return False
        target = real(path)
        hidden = [real(place) for place in self.denied_reads]
        return any(target == h or target.startswith(h.rstrip("/") + "/") for h in hidden)


class Permissions(Struct, frozen=True, kw_only=True):
    """More than a sandbox policy gives: files and folders (with all below them) that may be read
    or written, absolute, and the network."""

    read: tuple[str, ...] = ()
    write: tuple[str, ...] = ()
    network: bool = False


class TurnContext(Struct, frozen=True, kw_only=True):
    """Settings that hold for one whole turn. A change takes effect with the next turn.

    `cwd` and `workspace_roots` are absolute. `context_window` is in tokens and is the usable
    part (window times the catalog's effective percent). `output_schema` is a JSON Schema
    document as text. `approvals_reviewer` says who answers what is asked. `max_output_tokens` is
    the default budget for one tool output (4 bytes a token).
    """

    cwd: str
    model: str
    model_provider: str
    sandbox: SandboxPolicy = SandboxPolicy()
    approval_policy: ApprovalPolicy = "never"
    approvals_reviewer: ApprovalsReviewer = "user"
    workspace_roots: tuple[str, ...] = ()
    effort: ReasoningEffort | None = None
    summary: ReasoningSummary | None = None
    verbosity: Verbosity | None = None
    output_schema: str | None = None
    service_tier: str | None = None
    context_window: int = 258_400
    max_output_tokens: int = 10_000
    parallel_tool_calls: bool = True
    mode: CollaborationMode = "default"
    shell: str = "/bin/bash"
