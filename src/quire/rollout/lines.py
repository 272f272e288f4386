"""Records to lines of a rollout file: JSONL as Codex 0.169 writes it.

    {"timestamp":"2026-11-20T10:16:07.445Z","ordinal":7,"type":T,"payload":{…}[,"metadata":{…}]}

| record             | `type`               | `payload`                                            |
| ------------------ | -------------------- | ---------------------------------------------------- |
| SessionMeta        | `session_meta`       | the thread, its folder, its base instructions        |
| TurnStarted        | `event_msg`          | `task_started`                                       |
| TurnSettings       | `turn_context`       | model, folder, sandbox and approval policy           |
| FragmentsChanged   | `world_state`        | `full`, `state`                                      |
| ItemAdded          | `response_item`      | the item, byte for byte as it is sent to the model   |
| ItemCompleted      | `event_msg`          | `item_completed` (see `items.py`)                    |
| ResponseCompleted  | `token_usage_record` | usage of the response, the turn and the thread;      |
|                    | and `event_msg`      | `token_count`, for readers of usage                  |
| TurnCompleted      | `event_msg`          | `task_complete`, or `turn_aborted` when interrupted  |
| TurnsReverted      | `event_msg`          | `thread_rolled_back`, which Codex reads and its own  |
|                    |                      | reverts avoid: they begin a new file (`paths.py`)    |

Members that Codex does not know carry what its shapes have no place for. `decode.py` is the way
back.
"""

from __future__ import annotations

import time

import msgspec
from msgspec import Struct

from quire.protocol.items import Encoded
from quire.protocol.policy import SandboxPolicy, TurnContext, approval_words
from quire.protocol.records import (
    FragmentsChanged,
    GitInfo,
    ItemAdded,
    ItemCompleted,
    Record,
    ResponseCompleted,
    SessionMeta,
    TurnCompleted,
    TurnSettings,
    TurnsReverted,
    TurnStarted,
)
from quire.protocol.thread import ErrorInfo, Usage
from quire.rollout.items import item_payload, snake

Payload = dict[str, object]

_encoder = msgspec.json.Encoder()

STATUS_CODES = frozenset(
    [
        "httpConnectionFailed",
        "responseStreamConnectionFailed",
        "responseStreamDisconnected",
        "responseTooManyFailedAttempts",
    ]
)
"""Error codes that Codex writes as an object with the HTTP status inside."""


class LineState(Struct, frozen=True):
    """What the next line depends on besides its record: the thread, the next ordinal, the usage
    of the running turn, the model's context window in tokens. `base_in_history` is false for a
    thread whose base instructions are in no line but the first (Codex stores it so)."""

    thread_id: str = ""
    ordinal: int = 0
    turn_usage: Usage = Usage()
    context_window: int | None = None
    base_in_history: bool = True


def encode(state: LineState, record: Record, now: float) -> tuple[LineState, bytes]:
    """The line (or lines) of `record`, each ended by a newline, and the state after them. `now`
    is in seconds since the epoch. Pure and total."""
    state = _follow(state, record)
    if isinstance(record, ItemAdded):
        lines = [_line("response_item", _one_line(record.item.raw), _metadata(record))]
    else:
        lines = [_line(kind, _json(payload)) for kind, payload in _payloads(state, record)]
    stamp = timestamp(now)
    out: list[Encoded] = []
    for ordinal, line in enumerate(lines, state.ordinal):
        out.append(f'{{"timestamp":"{stamp}","ordinal":{ordinal},'.encode())
        out += line
    return msgspec.structs.replace(state, ordinal=state.ordinal + len(lines)), b"".join(out)


def timestamp(now: float) -> str:
    """ISO 8601, UTC, with milliseconds: `2026-11-20T10:16:07.445Z`."""
    seconds, milliseconds = divmod(int(now * 1000), 1000)
    moment = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds))
    return f"{moment}.{milliseconds:03d}Z"


def _follow(state: LineState, record: Record) -> LineState:
    match record:
        case SessionMeta():
            return msgspec.structs.replace(state, thread_id=record.thread_id)
        case TurnStarted():
            return msgspec.structs.replace(
                state, turn_usage=Usage(), context_window=record.context_window
            )
        case ResponseCompleted():
            return msgspec.structs.replace(state, turn_usage=state.turn_usage + record.usage)
        case _:
            return state


def _line(kind: str, payload: Encoded, metadata: bytes = b"") -> tuple[Encoded, ...]:
    return (f'"type":"{kind}","payload":'.encode(), payload, metadata, b"}\n")


def _json(value: object) -> bytes:
    """Encode. Text that is no Unicode (a path of undecodable bytes) becomes U+FFFD."""
    try:
        return _encoder.encode(value)
    except UnicodeEncodeError:
        import json

        text = json.dumps(msgspec.to_builtins(value), ensure_ascii=False, separators=(",", ":"))
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace").encode()


def _one_line(raw: Encoded) -> Encoded:
    """An item that a server sent over several lines: between the tokens of JSON a newline means
    the same as a blank, and inside strings it cannot stand."""
    if b"\n" in bytes(raw):
        return bytes(raw).replace(b"\n", b" ")
    return raw


def _metadata(record: ItemAdded) -> bytes:
    meta = {"origin": record.origin}
    if record.turn_id is not None:
        meta["turn_id"] = record.turn_id
    return b',"metadata":' + _json(meta)


def _payloads(state: LineState, record: Record) -> list[tuple[str, Payload]]:
    match record:
        case SessionMeta():
            return [("session_meta", _session_meta(state, record))]
        case TurnStarted():
            return [("event_msg", _task_started(record))]
        case TurnSettings():
            return [("turn_context", _turn_context(record.turn_id, record.context))]
        case FragmentsChanged():
            return [("world_state", {"full": record.full, "state": record.state})]
        case ItemCompleted():
            return [("event_msg", _item_completed(state, record))]
        case ResponseCompleted():
            return [
                ("token_usage_record", _token_usage_record(state, record)),
                ("event_msg", _token_count(state, record)),
            ]
        case TurnCompleted():
            return [("event_msg", _turn_end(record))]
        case TurnsReverted():
            return [("event_msg", _rolled_back(record))]
        case ItemAdded():
            return []


def _session_meta(state: LineState, meta: SessionMeta) -> Payload:
    payload: Payload = {"session_id": meta.thread_id, "id": meta.thread_id}
    if meta.forked_from is not None:
        payload["forked_from_id"] = meta.forked_from
    payload |= {
        "timestamp": meta.timestamp,
        "cwd": meta.cwd,
        "runtime_workspace_roots": meta.workspace_roots,
        "originator": meta.originator,
        "cli_version": meta.cli_version,
        "source": meta.source,
        "thread_source": "user",
        "model_provider": meta.model_provider,
        "base_instructions": {"text": meta.base_instructions},
        "base_in_history": state.base_in_history,
        "history_mode": "paginated",
    }
    if meta.context_window is not None:
        payload["model_context_window"] = meta.context_window
    if meta.git is not None:
        payload["git"] = _git(meta.git)
    return payload


def _git(git: GitInfo) -> Payload:
    found = (
        ("commit_hash", git.commit_hash),
        ("branch", git.branch),
        ("repository_url", git.repository_url),
    )
    return {name: value for name, value in found if value is not None}


def _task_started(record: TurnStarted) -> Payload:
    return {
        "type": "task_started",
        "turn_id": record.turn_id,
        "root_turn_id": record.turn_id,
        "started_at": record.started_at,
        "model_context_window": record.context_window,
        "collaboration_mode_kind": "default",
    }


def _turn_context(turn_id: str, turn: TurnContext) -> Payload:
    payload: Payload = {
        "turn_id": turn_id,
        "root_turn_id": turn_id,
        "cwd": turn.cwd,
        "workspace_roots": turn.workspace_roots,
        "approval_policy": approval_words(turn.approval_policy),
        "approvals_reviewer": turn.approvals_reviewer,
        "model": turn.model,
        "model_provider": turn.model_provider,
        "sandbox_policy": _sandbox_policy(turn.sandbox),
        "context_window": turn.context_window,
        "max_output_tokens": turn.max_output_tokens,
        "parallel_tool_calls": turn.parallel_tool_calls,
        "shell": turn.shell,
    }
    settings = (
        ("effort", turn.effort),
        ("summary", turn.summary),
        ("verbosity", turn.verbosity),
        ("output_schema", turn.output_schema),
        ("service_tier", turn.service_tier),
    )
    payload.update((name, value) for name, value in settings if value is not None)
    return payload


def _sandbox_policy(policy: SandboxPolicy) -> Payload:
    payload: Payload = {"type": policy.mode}
    workspace = policy.mode == "workspace-write"
    if policy.writable_roots:
        payload["writable_roots"] = policy.writable_roots
    for name, value in (
        ("network_access", policy.network_access),
        ("exclude_tmpdir_env_var", policy.exclude_tmpdir_env_var),
        ("exclude_slash_tmp", policy.exclude_slash_tmp),
    ):
        if workspace or value:
            payload[name] = value
    if policy.denied_reads:
        payload["denied_reads"] = policy.denied_reads
    return payload


def _item_completed(state: LineState, record: ItemCompleted) -> Payload:
    return {
        "type": "item_completed",
        "thread_id": state.thread_id,
        "turn_id": record.turn_id,
        "item": item_payload(record.item),
        "started_at_ms": record.started_at_ms,
        "completed_at_ms": record.completed_at_ms,
    }


def _token_usage_record(state: LineState, record: ResponseCompleted) -> Payload:
    return {
        "thread_id": state.thread_id,
        "turn_id": record.turn_id,
        "session_id": state.thread_id,
        "root_turn_id": record.turn_id,
        "response_id": record.response_id,
        "usage": record.usage,
        "turn_token_usage": state.turn_usage,
        "thread_token_usage": record.thread_usage,
    }


def _token_count(state: LineState, record: ResponseCompleted) -> Payload:
    return {
        "type": "token_count",
        "info": {
            "total_token_usage": record.thread_usage,
            "last_token_usage": record.usage,
            "model_context_window": state.context_window,
        },
        "rate_limits": None,
    }


def _turn_end(record: TurnCompleted) -> Payload:
    interrupted = record.status == "interrupted"
    payload: Payload = {
        "type": "turn_aborted" if interrupted else "task_complete",
        "root_turn_id": record.turn_id,
        "turn_id": record.turn_id,
    }
    if interrupted:
        payload["reason"] = "interrupted"
    if not interrupted or record.last_agent_message is not None:
        payload["last_agent_message"] = record.last_agent_message
    if record.error is not None:
        payload["error"] = _error(record.error)
    elif record.status == "failed":
        payload["status"] = "failed"
    return payload | {
        "started_at": record.started_at,
        "completed_at": record.completed_at,
        "duration_ms": record.duration_ms,
    }


def _rolled_back(record: TurnsReverted) -> Payload:
    payload: Payload = {"type": "thread_rolled_back", "num_turns": record.messages}
    if record.before_turn_id is not None:
        payload["before_turn_id"] = record.before_turn_id
    return payload


def _error(error: ErrorInfo) -> Payload:
    payload: Payload = {"message": error.message}
    if error.code in STATUS_CODES:
        return payload | {
            "codex_error_info": {snake(error.code): {"http_status_code": error.http_status}}
        }
    payload["codex_error_info"] = snake(error.code)
    if error.http_status is not None:
        payload["http_status_code"] = error.http_status
    return payload
