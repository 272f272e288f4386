"""The context a model is told besides the conversation: rendered fragments, sent as differences.

Order of a first turn (Codex 0.169): developer message with the base instructions; developer
message with developer instructions and permissions; user message with AGENTS.md and the
environment. Later turns append only what changed; the prefix is never edited.
"""

from __future__ import annotations

from zlib import crc32

from quire.core.ports import IdSource
from quire.protocol.items import InputText, Message, encode_item
from quire.protocol.ops import ContextSources, UserTurn
from quire.protocol.policy import (
    PROTECTED_NAMES,
    ApprovalPolicy,
    SandboxPolicy,
    TurnContext,
)
from quire.protocol.records import FragmentsChanged, ItemAdded, Record

BASE = "base"
DEVELOPER = "developer_instructions"
PERMISSIONS = "permissions"
AGENTS_MD = "agents_md"
_ENVIRONMENT = "environment."
_INSTRUCTIONS = "<INSTRUCTIONS>\n"
_GONE = "The AGENTS.md instructions given before no longer apply."
_REPLACED = "These instructions take the place of all AGENTS.md instructions given before."
MAX_FRAGMENT_CHARS = 400_000
"""No fragment grows beyond this, whatever its source does (about 100,000 tokens)."""


def context_records(
    op: UserTurn, known: tuple[tuple[str, str], ...], ids: IdSource
) -> list[Record]:
    """The messages that tell the model what changed since `known`, and the record of it. Empty
    when nothing changed."""
    told = dict(known)
    wanted = _fragments(op.context, op.sources)
    changed = {key: text for key, text in wanted.items() if told.get(key, "") != text}
    if not changed:
        return []
    records: list[Record] = []
    if changed.get(BASE):
        base = Message("developer", (InputText(changed[BASE]),), id=_stable_id(changed[BASE]))
        records.append(ItemAdded(encode_item(base), "fragment", op.turn_id))
    developer = [changed[key] for key in (DEVELOPER, PERMISSIONS) if changed.get(key)]
    user: list[str] = []
    if AGENTS_MD in changed:
        user.append(_instructions(told.get(AGENTS_MD, ""), changed[AGENTS_MD]))
    if any(key.startswith(_ENVIRONMENT) for key in changed):
        user.append(_environment(changed, wanted))
    for role, texts in (("developer", developer), ("user", user)):
        if texts:
            parts = tuple(InputText(text) for text in texts)
            message = Message(
                "developer" if role == "developer" else "user", parts, id=f"msg_{ids.new()}"
            )
            records.append(ItemAdded(encode_item(message), "fragment", op.turn_id))
    records.append(FragmentsChanged(changed, full=not known))
    return records


def _fragments(turn: TurnContext, sources: ContextSources) -> dict[str, str]:
    fragments = {
        BASE: sources.base_instructions,
        DEVELOPER: sources.developer_instructions or "",
        PERMISSIONS: permissions_text(turn),
        AGENTS_MD: sources.agents_md or "",
        f"{_ENVIRONMENT}cwd": turn.cwd,
        f"{_ENVIRONMENT}shell": turn.shell.rpartition("/")[2],
        f"{_ENVIRONMENT}current_date": sources.current_date,
        f"{_ENVIRONMENT}timezone": sources.timezone,
        f"{_ENVIRONMENT}filesystem": _filesystem(turn, sources.tmpdir),
    }
    return {key: text[:MAX_FRAGMENT_CHARS] for key, text in fragments.items()}


def permissions_text(turn: TurnContext) -> str:
    """The `<permissions instructions>` block: what the sandbox allows and what can be asked."""
    network = "enabled" if turn.sandbox.full_network else "restricted"
    mode = turn.sandbox.mode
    lines = [
        f"`sandbox_mode` is `{mode}`: {_MODE_TEXT[mode]} Network access is {network}.",
        _approval_text(turn.approval_policy),
    ]
    if turn.approvals_reviewer == "auto_review" and turn.approval_policy != "never":
        lines.append(_REVIEWED)
    roots = writable_roots(turn.sandbox, turn.workspace_roots)
    if roots:
        quoted = ", ".join(f"`{root}`" for root in roots)
        lines.append(
            f"The writable roots are {quoted}. Inside them `.git`, `.quire`, `.codex`, `.agents` "
            "and `.aws` are read-only."
        )
    body = "\n".join(lines)
    return f"<permissions instructions>\n{body}\n</permissions instructions>"


_MODE_TEXT = {
    "read-only": "commands and patches can read files and cannot write any.",
    "workspace-write": (
        "everything can be read; only files in the writable roots and temporary folders can "
        "be written."
    ),
    "danger-full-access": "there is no sandbox; every file can be written.",
}
_ESCALATE = (
    "when a command needs to leave the sandbox, set `sandbox_permissions` to `require_escalated` "
    "and give a one-sentence `justification`."
)
_NO_ESCALATION = (
    "Do not provide `sandbox_permissions`; such commands are rejected. When something is refused, "
    "find another way or say what is missing."
)
_REVIEWED = (
    "Questions are answered by an automatic reviewer, which judges the risk and what the user "
    "asked for: a precise `justification` helps. Do not work around a refusal."
)


def _approval_text(policy: ApprovalPolicy) -> str:
    """What can be asked, and how. Of a granular policy, what concerns commands and patches."""
    if policy == "never":
        return f"Approval policy is currently never: nobody can answer a question. {_NO_ESCALATION}"
    if policy == "on-request":
        return f"Approval policy is currently on-request: {_ESCALATE}"
    sandbox = _ESCALATE if policy.sandbox_approval else f"nothing can leave it. {_NO_ESCALATION}"
    rules = "asked about" if policy.rules else "refused"
    return (
        f"Approval policy is currently granular. The sandbox: {sandbox} Commands that a rule "
        f"marks for approval are {rules}."
    )


def writable_roots(policy: SandboxPolicy, workspace_roots: tuple[str, ...]) -> tuple[str, ...]:
    """The workspace and configured roots that may be written, without temporary folders."""
    if policy.mode != "workspace-write":
        return ()
    return tuple(dict.fromkeys((*workspace_roots, *policy.writable_roots)))


def _instructions(before: str, now: str) -> str:
    """The fragment of AGENTS.md, which says what becomes of an earlier one."""
    if not now:
        return f"# AGENTS.md instructions\n\n{_INSTRUCTIONS}{_GONE}\n</INSTRUCTIONS>"
    if before:
        return now.replace(_INSTRUCTIONS, f"{_INSTRUCTIONS}{_REPLACED}\n\n", 1)
    return now


def _environment(changed: dict[str, str], wanted: dict[str, str]) -> str:
    """What changed, and always the time. The folder and the shell are told together."""
    keys = {key.removeprefix(_ENVIRONMENT) for key in changed if key.startswith(_ENVIRONMENT)}
    shown = {"current_date", "timezone", *(("cwd", "shell") if keys & {"cwd", "shell"} else ())}
    names = [name for name in ("cwd", "shell", "current_date", "timezone") if name in shown]
    values = [(name, wanted[_ENVIRONMENT + name]) for name in names]
    lines = ["<environment_context>"]
    lines += [f"  <{name}>{_escape(text)}</{name}>" for name, text in values if text]
    if filesystem := changed.get(f"{_ENVIRONMENT}filesystem"):
        lines.append(f"  {filesystem}")
    return "\n".join([*lines, "</environment_context>"])


def _filesystem(turn: TurnContext, tmpdir: str | None) -> str:
    named = dict.fromkeys((*turn.workspace_roots, *turn.sandbox.writable_roots))
    shown = "".join(f"<root>{_escape(root)}</root>" for root in named)
    head = f"<filesystem><workspace_roots>{shown}</workspace_roots>"
    if turn.sandbox.mode == "danger-full-access":
        profile = (
            '<permission_profile type="disabled"><file_system type="unrestricted" />'
            "</permission_profile>"
        )
        return f"{head}{profile}</filesystem>"
    entries = [_entry("read", "<special>:root</special>")]
    hidden = turn.sandbox.denied_reads
    entries += [_entry("none", f"<path>{_escape(path)}</path>") for path in hidden]
    if turn.sandbox.mode == "workspace-write":
        entries += _written(turn, tmpdir)
    return (
        f'{head}<permission_profile type="managed"><file_system type="restricted">'
        f"{''.join(entries)}</file_system></permission_profile></filesystem>"
    )


def _written(turn: TurnContext, tmpdir: str | None) -> list[str]:
    """What `workspace-write` adds: places to write, and what stays read-only in them."""
    roots = writable_roots(turn.sandbox, turn.workspace_roots)
    entries = [_entry("write", f"<path>{_escape(root)}</path>") for root in roots]
    if not turn.sandbox.exclude_slash_tmp:
        entries.append(_entry("write", "<special>:slash_tmp</special>"))
    if tmpdir and not turn.sandbox.exclude_tmpdir_env_var:
        entries.append(_entry("write", "<special>:tmpdir</special>"))
    for name in PROTECTED_NAMES:
        for root in roots:
            path = _escape(root.rstrip("/") + "/" + name)
            entries.append(_entry("read", f"<path>{path}</path>"))
    return entries


def _entry(access: str, target: str) -> str:
    return f'<entry access="{access}">{target}</entry>'


def _escape(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _stable_id(text: str) -> str:
    """A message id that depends on the text alone, so that the first item of a prompt is the same
    bytes in every thread and stays cached. UUID version 8 (RFC 9562); not a security matter."""
    data = text.encode()
    words = [crc32(data, seed) for seed in (0, 1, 2, 3)]
    digits = "".join(f"{word:08x}" for word in words)
    return f"msg_{digits[:8]}-{digits[8:12]}-8{digits[13:16]}-8{digits[17:20]}-{digits[20:32]}"
