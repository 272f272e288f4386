"""The configuration as typed values: every key that this version acts on, with its default.

Key names and values are Codex's (0.169: `config.toml`). A field's docstring is the key's
documentation: `reference.py` renders `docs/config.md` from them. Paths are absolute after
loading. `None` means "not set": the part that uses the key then decides.
"""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct

from quire.protocol.policy import (
    ApprovalPolicy,
    ApprovalsReviewer,
    ReasoningEffort,
    ReasoningSummary,
    SandboxMode,
    Verbosity,
)

Count = Annotated[int, Meta(ge=0)]
Positive = Annotated[int, Meta(ge=1)]
Seconds = Annotated[float, Meta(ge=0)]
Name = Annotated[str, Meta(min_length=1)]
Inherit = Literal["all", "core", "none"]
Access = Literal["read", "write", "none", "deny"]
TrustLevel = Literal["trusted", "untrusted"]


class ModelProvider(Struct, frozen=True, kw_only=True):
    """`[model_providers.ID]`: an endpoint that speaks the Responses API."""

    name: Name | None = None
    """What people are shown; the ID when missing."""
    base_url: Name | None = None
    """Address up to, and without, `/responses`."""
    env_key: Name | None = None
    """Environment variable that holds the API key."""
    env_key_instructions: str | None = None
    """How to get a key; shown when the variable is empty."""
    wire_api: Literal["responses"] = "responses"
    """Protocol of the endpoint."""
    query_params: dict[str, str] = {}
    """Added to the address of each request."""
    http_headers: dict[str, str] = {}
    """Added to each request."""
    env_http_headers: dict[str, str] = {}
    """Header name to the environment variable that holds its value; empty ones are left out."""
    request_max_retries: Count | None = None
    """How often a request that failed is sent again."""
    stream_max_retries: Count | None = None
    """How often a broken stream is asked for again."""
    stream_idle_timeout_ms: Positive | None = None
    """A stream that is silent for so long is broken."""
    connect_timeout_s: Seconds | None = None
    """How long a refused connection is waited out; 0 fails at once."""
    ca_certificate: Name | None = None
    """PEM file of certificate authorities to trust for this provider."""
    requires_openai_auth: bool = False
    """Use the key of `quire login` instead of `env_key`."""
    experimental_bearer_token: str | None = None
    """The key itself. Prefer `env_key`: a file is read by more than you think."""


class SandboxWorkspaceWrite(Struct, frozen=True, kw_only=True):
    """`[sandbox_workspace_write]`: what `sandbox_mode = "workspace-write"` allows."""

    writable_roots: tuple[str, ...] = ()
    """Further folders that commands may write to."""
    network_access: bool = False
    """Whether commands may use the network."""
    exclude_tmpdir_env_var: bool = False
    """Leave `$TMPDIR` read-only."""
    exclude_slash_tmp: bool = False
    """Leave `/tmp` read-only."""


class ShellEnvironmentPolicy(Struct, frozen=True, kw_only=True):
    """`[shell_environment_policy]`: which variables commands see. Patterns know `*` and `?` and
    ignore case."""

    inherit: Inherit = "all"
    """What to start from: everything, a short list of basic variables, or nothing."""
    ignore_default_excludes: bool = False
    """Keep variables whose names match `*KEY*`, `*SECRET*` or `*TOKEN*`."""
    exclude: tuple[str, ...] = ()
    """Patterns of names to remove."""
    set: dict[str, str] = {}
    """Variables to set, after the removals."""
    include_only: tuple[str, ...] = ()
    """When not empty: only names that match one of these patterns are kept, `set` included."""


class Project(Struct, frozen=True, kw_only=True):
    """`[projects."/absolute/path"]`: your decision about a project."""

    trust_level: TrustLevel | None = None
    """Whether its `.quire/config.toml` has an effect. `quire exec --trust` writes it."""


class UpdatePlan(Struct, frozen=True, kw_only=True):
    """`[tools.update_plan]`: the tool by which the model keeps a to-do list."""

    enabled: bool = False
    """Offer it."""


class Tools(Struct, frozen=True, kw_only=True):
    """`[tools]`: which tools the model is offered."""

    update_plan: UpdatePlan = UpdatePlan()
    view_image: bool = True
    """Offer the tool that shows an image file to the model."""


class Offline(Struct, frozen=True, kw_only=True):
    """`[offline]`: the embedded offline model."""

    max_seconds: Positive | None = None
    """The longest that it takes for one turn. `quire exec --max-seconds` overrides it."""


class PermissionProfile(Struct, frozen=True, kw_only=True):
    """`[permissions.NAME]`: sandbox settings under a name; choose it with `default_permissions`."""

    description: str | None = None
    """What it is for, shown where it can be chosen."""
    extends: Name | None = None
    """`:read-only`, `:workspace`, or another profile: what it does not say holds here too."""
    workspace_roots: dict[str, bool] = {}
    """Folders that count as part of the workspace."""
    filesystem: dict[str, Access | dict[str, Access]] = {}
    """`:root`, `:workspace_roots`, `:slash_tmp`, `:tmpdir` or an absolute path, and what commands
    may do there."""
    network: dict[str, object] = {}
    """`enabled`: whether commands may use the network."""


class Config(Struct, frozen=True, kw_only=True):
    """The keys at the top of `config.toml`."""

    model: Name | None = None
    """Model to use; `offline` is the embedded one."""
    model_provider: Name | None = None
    """ID of the entry in `model_providers` to use."""
    model_providers: dict[str, ModelProvider] = {}
    openai_base_url: Name | None = None
    """Address of the built-in `openai` provider, up to and without `/responses`."""
    model_context_window: Positive | None = None
    """Size of the model's context in tokens; overrides the catalog."""
    model_reasoning_effort: ReasoningEffort | None = None
    """How much the model thinks."""
    model_reasoning_summary: ReasoningSummary | None = None
    """How its thinking is summarised."""
    model_verbosity: Verbosity | None = None
    """How long its answers are."""
    service_tier: str | None = None
    """Service tier asked of the provider."""
    model_catalog_json: Name | None = None
    """JSON file with models that replaces the embedded catalog."""
    model_instructions_file: Name | None = None
    """File whose text replaces the base instructions."""
    developer_instructions: str | None = None
    """Text added to the instructions of every thread."""
    tool_output_token_limit: Positive | None = None
    """Budget for the output of one tool call, in tokens; the middle of the rest is cut out."""
    sandbox_mode: SandboxMode | None = None
    """What commands may touch."""
    sandbox_workspace_write: SandboxWorkspaceWrite = SandboxWorkspaceWrite()
    approval_policy: ApprovalPolicy | None = None
    """When the model may ask you. Under `never` what would ask is refused; `{ granular = {...} }`
    decides for each kind of question: `sandbox_approval`, `rules`, `mcp_elicitations`,
    `request_permissions`, `skill_approval`."""
    approvals_reviewer: ApprovalsReviewer | None = None
    """Who answers what is asked: you, or an automatic reviewer (`auto_review`)."""
    review_model: str | None = None
    """Model for code reviews, if not that of the thread."""
    default_permissions: Name | None = None
    """Permission profile to use instead of `sandbox_mode`: `:read-only`, `:workspace`,
    `:danger-full-access`, or one of `permissions`."""
    permissions: dict[str, PermissionProfile] = {}
    shell_environment_policy: ShellEnvironmentPolicy = ShellEnvironmentPolicy()
    allow_login_shell: bool = True
    """Run commands as your login shell would; otherwise your profile files have no effect."""
    background_terminal_max_timeout: Positive = 300_000
    """Longest wait for output of a running command, in milliseconds."""
    tools: Tools = Tools()
    offline: Offline = Offline()
    project_doc_max_bytes: Count = 32_768
    """How many bytes of a project's `AGENTS.md` files are read, together; 0 reads none."""
    project_doc_fallback_filenames: tuple[Name, ...] = ()
    """Names to look for in a folder that has no `AGENTS.md`."""
    project_root_markers: tuple[Name, ...] = (".git",)
    """A folder that holds one of these is a project's root."""
    projects: dict[str, Project] = {}
    include_permissions_instructions: bool = True
    """Tell the model what the sandbox allows."""
    include_environment_context: bool = True
    """Tell the model about folder, shell and date."""
    include_environment_context_time: bool = True
    """Include date and time zone in that."""
    hide_agent_reasoning: bool = False
    """Do not show the model's thinking."""
    show_raw_agent_reasoning: bool = False
    """Show the model's thinking unabridged where the provider sends it."""
    thread_unload_delay_secs: Seconds | None = None
    """How long the app-server keeps a thread loaded that nobody watches; 1800 unless set."""
    features: dict[str, bool] = {}
    """Switches by name, also set by `--enable NAME` and `--disable NAME`."""


TABLES: dict[type[Struct], dict[str, type[Struct]]] = {
    Config: {
        "sandbox_workspace_write": SandboxWorkspaceWrite,
        "shell_environment_policy": ShellEnvironmentPolicy,
        "tools": Tools,
        "offline": Offline,
    },
    Tools: {"update_plan": UpdatePlan},
}
"""Fields that are tables, so that looking for unknown keys needs no introspection at start."""

MAPS: dict[str, type[Struct]] = {
    "model_providers": ModelProvider,
    "permissions": PermissionProfile,
    "projects": Project,
}
"""Top-level fields that map names to tables."""
