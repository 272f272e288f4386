"""Lines of a rollout file to records: the way back from `lines.py`.

Tolerant on purpose: a file may come from Codex 0.169 or from a newer version of either program.
What is valid JSON and not known here is passed over (it stays in the file); only what is no JSON,
or history that no model could be sent, is an error. A part of a known line that has an unknown
shape falls back to the value that permits least.
"""

from __future__ import annotations

from typing import Literal

import msgspec
from msgspec import Raw, Struct

from quire.protocol.items import CALL_KINDS, OUTPUT_KINDS, HistoryItem, ItemHead
from quire.protocol.policy import (
    ApprovalsReviewer,
    ApprovalWords,
    ReasoningEffort,
    ReasoningSummary,
    SandboxMode,
    SandboxPolicy,
    TurnContext,
    Verbosity,
    approval_policy,
)
from quire.protocol.records import (
    FragmentsChanged,
    GitInfo,
    ItemAdded,
    ItemCompleted,
    ItemOrigin,
    Record,
    ResponseCompleted,
    SessionMeta,
    TurnCompleted,
    TurnSettings,
    TurnsReverted,
    TurnStarted,
)
from quire.protocol.thread import ErrorInfo, Usage

FOREIGN_MEMBER = "internal_chat_message_metadata_passthrough"
"""What Codex adds to stored items and leaves out when it sends them."""


class LineMetadata(Struct, frozen=True, gc=False):
    """Ours; what Codex has there has other names. Without an `origin` the line is not ours."""

    origin: ItemOrigin | None = None
    turn_id: str | None = None


class Line(Struct, frozen=True, gc=False):
    """One line: `payload` is a view of the bytes it was decoded from. `head` is there when it was
    read on the way."""

    type: str
    payload: Raw
    ordinal: int | None = None
    metadata: LineMetadata | None = None
    head: ItemHead | None = None


class _Envelope(Struct, frozen=True, gc=False):
    """A line as it is written; the `payload` is not looked at."""

    type: str
    payload: Raw
    ordinal: int | None = None
    metadata: LineMetadata | None = None


class _AnyLine(Struct, frozen=True):
    type: str
    payload: Raw


class HistoryBase(Struct, frozen=True):
    """Where the history before this file's is: the lines of another thread below an ordinal."""

    thread_id: str
    end_ordinal_exclusive: int


class _Text(Struct, frozen=True):
    text: str = ""


class MetaPayload(Struct, frozen=True):
    """`session_meta`. `base_in_history` is false in files of Codex, which sends the base
    instructions without storing them as an item."""

    id: str
    timestamp: str = ""
    cwd: str = ""
    originator: str = ""
    cli_version: str = ""
    source: object = None
    model_provider: str | None = None
    base_instructions: _Text | None = None
    base_in_history: bool = False
    runtime_workspace_roots: tuple[str, ...] | None = None
    forked_from_id: str | None = None
    git: GitInfo | None = None
    model_context_window: int | None = None
    history_base: HistoryBase | None = None

    def record(self) -> SessionMeta:
        return SessionMeta(
            thread_id=self.id,
            timestamp=self.timestamp,
            cwd=self.cwd,
            originator=self.originator,
            cli_version=self.cli_version,
            source=self.source if isinstance(self.source, str) else "",
            model_provider=self.model_provider or "",
            base_instructions=self.base_instructions.text if self.base_instructions else "",
            workspace_roots=self.runtime_workspace_roots or (),
            forked_from=self.forked_from_id,
            git=self.git,
            context_window=self.model_context_window,
        )


class _Passthrough(Struct, frozen=True):
    turn_id: str | None = None
    content_item_kinds: tuple[str, ...] = ()


class _ForeignItem(ItemHead, frozen=True):
    internal_chat_message_metadata_passthrough: Raw = Raw()


class _WorldState(Struct, frozen=True):
    state: dict[str, str]
    full: bool = False


class _Sandbox(Struct, frozen=True):
    type: SandboxMode
    writable_roots: tuple[str, ...] = ()
    network_access: bool = False
    exclude_tmpdir_env_var: bool = False
    exclude_slash_tmp: bool = False
    denied_reads: tuple[str, ...] = ()


class _TurnWords(Struct, frozen=True):
    """The part of `turn_context` that every version has."""

    turn_id: str
    cwd: str
    model: str
    model_provider: str = ""


_DEFAULTS = TurnContext(cwd="", model="", model_provider="")


class _TurnContext(_TurnWords, frozen=True, kw_only=True):
    sandbox_policy: _Sandbox
    approval_policy: ApprovalWords
    approvals_reviewer: ApprovalsReviewer | Literal["guardian_subagent"] = "user"
    workspace_roots: tuple[str, ...] = ()
    effort: ReasoningEffort | None = None
    summary: ReasoningSummary | None = None
    verbosity: Verbosity | None = None
    output_schema: str | None = None
    service_tier: str | None = None
    context_window: int = _DEFAULTS.context_window
    max_output_tokens: int = _DEFAULTS.max_output_tokens
    parallel_tool_calls: bool = True
    shell: str = _DEFAULTS.shell


class _TokenUsage(Struct, frozen=True):
    turn_id: str
    response_id: str
    usage: Usage
    thread_token_usage: Usage


class _TaskStarted(Struct, frozen=True, tag="task_started"):
    turn_id: str
    started_at: int = 0
    model_context_window: int | None = None


class _HttpStatus(Struct, frozen=True):
    http_status_code: int | None = None


class _Error(Struct, frozen=True):
    message: str = ""
    codex_error_info: str | dict[str, _HttpStatus | None] | None = None
    http_status_code: int | None = None

    def info(self) -> ErrorInfo:
        code, status = self.codex_error_info, self.http_status_code
        if isinstance(code, dict):
            code, detail = next(iter(code.items()), ("other", None))
            status = detail.http_status_code if detail else status
        return ErrorInfo(self.message, camel(code or "other"), status)


class _TurnEnd(Struct, frozen=True, kw_only=True):
    turn_id: str
    last_agent_message: str | None = None
    error: _Error | None = None
    status: Literal["failed"] | None = None
    started_at: int | None = None
    completed_at: int | None = None
    duration_ms: int | None = None


class _TaskComplete(_TurnEnd, frozen=True, tag="task_complete"):
    pass


class _TurnAborted(_TurnEnd, frozen=True, tag="turn_aborted"):
    pass


class _RolledBack(Struct, frozen=True, tag="thread_rolled_back"):
    num_turns: int = 0
    before_turn_id: str | None = None


_envelope_decoder = msgspec.json.Decoder(_Envelope)
_head_decoder = msgspec.json.Decoder(ItemHead)
_event_decoder = msgspec.json.Decoder(_TaskStarted | _TaskComplete | _TurnAborted | _RolledBack)


_ITEM = b'"type":"response_item","payload":{'
_METADATA = b',"metadata":{"origin":"'
_HEAD_BYTES = 120
_TAIL_BYTES = 160


def parse(line: bytes) -> Line:
    """The envelope of one line (without its newline). Raises `msgspec.DecodeError` for what is
    no rollout line."""
    start = line.find(_ITEM, 0, _HEAD_BYTES)
    if start > 0:
        item = _own_item(line, start + len(_ITEM) - 1)
        if item is not None:
            return item
    try:
        known = _envelope_decoder.decode(line)
        return Line(known.type, known.payload, known.ordinal, known.metadata)
    except msgspec.ValidationError:  # A newer version's ordinal or metadata.
        rest = msgspec.json.decode(line, type=_AnyLine)
        return Line(rest.type, rest.payload)


def _own_item(line: bytes, start: int) -> Line | None:
    """An item whose line is written as `lines.py` writes it, or None. Items are most of a file,
    so its bytes are walked once: what stands around the payload is decoded without it, and the
    payload with its head. The line is right when both parts are."""
    end = line.rfind(_METADATA, max(start, len(line) - _TAIL_BYTES))
    if end < 0:
        return None
    payload = memoryview(line)[start:end]
    try:
        known = _envelope_decoder.decode(b"%bnull%b" % (line[:start], line[end:]))
        head = _head_decoder.decode(payload)
    except msgspec.DecodeError:
        return None
    return Line(known.type, Raw(payload), known.ordinal, known.metadata, head)


def record_of(line: Line, *, items: bool = True) -> Record | None:
    """The record of a line, or None for what this version does not know (and for items for
    people unless `items`). Raises `msgspec.DecodeError` when history in it cannot be read."""
    if line.type == "response_item":
        return _item_added(line)
    try:
        return _other(line, items)
    except msgspec.ValidationError:
        return None


def _other(line: Line, items: bool) -> Record | None:
    match line.type:
        case "event_msg":
            return _event(line.payload, items)
        case "token_usage_record":
            usage = msgspec.json.decode(line.payload, type=_TokenUsage)
            return ResponseCompleted(
                usage.turn_id, usage.response_id, usage.usage, usage.thread_token_usage
            )
        case "turn_context":
            return _turn_settings(line.payload)
        case "world_state":
            return _fragments(line.payload)
        case "session_meta":
            return meta_of(line).record()
        case _:
            return None


def meta_of(line: Line) -> MetaPayload:
    """The payload of a `session_meta` line. Raises `msgspec.ValidationError`."""
    return msgspec.json.decode(line.payload, type=MetaPayload)


def camel(word: str) -> str:
    """`in_progress` becomes `inProgress`."""
    first, *rest = word.split("_")
    return first + "".join(part.capitalize() for part in rest)


# --- history -------------------------------------------------------------------------------


def _item_added(line: Line) -> ItemAdded:
    metadata = line.metadata
    if metadata is None or metadata.origin is None:
        return _foreign_item(line.payload)
    head = line.head or _head_decoder.decode(line.payload)
    return ItemAdded(HistoryItem(memoryview(line.payload), head), metadata.origin, metadata.turn_id)


def _foreign_item(payload: Raw) -> ItemAdded:
    """An item that Codex stored, as Codex sends it: without its own notes and without nulls."""
    stored = msgspec.json.decode(payload, type=_ForeignItem)
    head = ItemHead(stored.type, stored.call_id, stored.role)
    try:
        added = stored.internal_chat_message_metadata_passthrough
        note = msgspec.json.decode(added, type=_Passthrough)
    except msgspec.DecodeError:  # None, or a newer one.
        note = _Passthrough()
    members = msgspec.json.decode(payload, type=dict[str, Raw])
    members.pop(FOREIGN_MEMBER, None)
    sent = {name: value for name, value in members.items() if bytes(value) != b"null"}
    origin = _origin(head, note.content_item_kinds)
    return ItemAdded(HistoryItem(msgspec.json.encode(sent), head), origin, note.turn_id)


def _origin(head: ItemHead, kinds: tuple[str, ...]) -> ItemOrigin:
    if head.type in OUTPUT_KINDS:
        return "tool"
    if head.type in CALL_KINDS or head.type == "reasoning" or head.role == "assistant":
        return "model"
    if kinds and all(kind.startswith("user.") for kind in kinds):
        return "user"
    return "fragment" if head.role == "developer" else "note"


def _fragments(payload: Raw) -> FragmentsChanged:
    """A state that holds anything but texts is Codex's: what it told the model in its words is
    not what we would have, so nothing counts as told."""
    try:
        world = msgspec.json.decode(payload, type=_WorldState)
    except msgspec.ValidationError:
        return FragmentsChanged({}, full=True)
    return FragmentsChanged(world.state, world.full)


# --- turns ---------------------------------------------------------------------------------


def _turn_settings(payload: Raw) -> TurnSettings:
    try:
        turn = msgspec.json.decode(payload, type=_TurnContext)
    except msgspec.ValidationError:
        words = msgspec.json.decode(payload, type=_TurnWords)
        context = TurnContext(cwd=words.cwd, model=words.model, model_provider=words.model_provider)
        return TurnSettings(words.turn_id, context)
    return TurnSettings(turn.turn_id, _context(turn))


def _context(turn: _TurnContext) -> TurnContext:
    policy = turn.sandbox_policy
    return TurnContext(
        cwd=turn.cwd,
        model=turn.model,
        model_provider=turn.model_provider,
        sandbox=SandboxPolicy(
            mode=policy.type,
            writable_roots=policy.writable_roots,
            network_access=policy.network_access,
            exclude_tmpdir_env_var=policy.exclude_tmpdir_env_var,
            exclude_slash_tmp=policy.exclude_slash_tmp,
            denied_reads=policy.denied_reads,
        ),
        approval_policy=approval_policy(turn.approval_policy),
        approvals_reviewer="user" if turn.approvals_reviewer == "user" else "auto_review",
        workspace_roots=turn.workspace_roots,
        effort=turn.effort,
        summary=turn.summary,
        verbosity=turn.verbosity,
        output_schema=turn.output_schema,
        service_tier=turn.service_tier,
        context_window=turn.context_window,
        max_output_tokens=turn.max_output_tokens,
        parallel_tool_calls=turn.parallel_tool_calls,
        shell=turn.shell,
    )


def _event(payload: Raw, items: bool) -> Record | None:
    if bytes(memoryview(payload)[:24]).startswith(b'{"type":"item_completed"'):
        return _item_completed(payload) if items else None
    event = _event_decoder.decode(payload)
    if isinstance(event, _TaskStarted):
        window = event.model_context_window
        return TurnStarted(event.turn_id, event.started_at, window or 0)
    if isinstance(event, _RolledBack):
        return TurnsReverted(event.before_turn_id, event.num_turns)
    interrupted = isinstance(event, _TurnAborted)
    failed = event.error is not None or event.status == "failed"
    return TurnCompleted(
        turn_id=event.turn_id,
        status="interrupted" if interrupted else "failed" if failed else "completed",
        error=event.error.info() if event.error is not None else None,
        last_agent_message=event.last_agent_message,
        started_at=event.started_at or 0,
        completed_at=event.completed_at or 0,
        duration_ms=event.duration_ms or 0,
    )


def _item_completed(payload: Raw) -> ItemCompleted:
    from quire.rollout.item_decode import ItemCompletedPayload

    return msgspec.json.decode(payload, type=ItemCompletedPayload).record()
