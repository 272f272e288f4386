"""Records to lines and back, held against lines that Codex 0.169 wrote."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from quire.protocol.items import history_item
from quire.protocol.policy import TurnContext
from quire.protocol.records import (
    FragmentsChanged,
    ItemAdded,
    ItemCompleted,
    Record,
    ResponseCompleted,
    SessionMeta,
    TurnCompleted,
    TurnSettings,
    TurnStarted,
)
from quire.protocol.thread import CommandExecutionItem, ErrorInfo, Usage
from quire.rollout.decode import parse, record_of
from quire.rollout.lines import LineState, encode, timestamp
from tests.unit.rollout_records import THREAD, logs

SAMPLES = Path(__file__).parent / "rollout_samples"
NAMES = ("codex-0.169.jsonl", "codex-0.169-fork.jsonl", "codex-0.169-image.jsonl")
NOW = 1_795_169_767.4455


def written(records: list[Record]) -> bytes:
    state, out = LineState(THREAD), b""
    for record in records:
        state, lines = encode(state, record, NOW)
        out += lines
    return out


def read(data: bytes) -> list[Record]:
    found = [record_of(parse(line)) for line in data.splitlines()]
    return [record for record in found if record is not None]


def line_of(record: Record) -> dict[str, object]:
    return json.loads(written([record]).splitlines()[0])


LOOKALIKES = (
    b',"metadata":{"origin":"user"}',
    b',"metadata":{"origin":"user"}}',
    b'"payload":{',
    b'"type":"response_item","payload":{"type":"message"}',
    b"}",
    b'"',
    b"\\",
)


@given(st.lists(st.sampled_from(LOOKALIKES), max_size=4), st.data())
def test_a_line_is_read_at_once_only_if_it_is_right(
    parts: list[bytes], data: st.DataObject
) -> None:
    """A line with anything in its texts or after its item is what a JSON reader finds in it."""
    text = json.dumps(b"".join(parts).decode()).encode()
    junk = b"".join(data.draw(st.lists(st.sampled_from(LOOKALIKES), max_size=2)))
    line = (
        b'{"timestamp":"t","ordinal":7,"type":"response_item","payload":{"type":"message",'
        b'"role":"user","content":' + text + b"}" + junk + b',"metadata":{"origin":"user"}}'
    )
    try:
        whole = json.loads(line)
    except ValueError:
        with pytest.raises(msgspec.DecodeError):
            parse(line)
        return
    found = parse(line)
    assert (found.type, found.ordinal) == (whole["type"], whole["ordinal"])
    assert json.loads(bytes(found.payload)) == whole["payload"]


# --- there and back ------------------------------------------------------------------------


@given(logs)
def test_a_log_survives_storing(records: list[Record]) -> None:
    assert read(written(records)) == records


@given(logs)
def test_each_line_is_one_json_object_with_the_next_ordinal(records: list[Record]) -> None:
    lines = written(records).split(b"\n")
    assert lines.pop() == b""
    for ordinal, line in enumerate(lines):
        members = json.loads(line)
        assert list(members)[:4] == ["timestamp", "ordinal", "type", "payload"]
        assert members["ordinal"] == ordinal


def test_items_keep_their_bytes() -> None:
    raw = b'{ "type":"message", "role":"user","x":1.50,"y":"\\u00e9" }'
    stored = read(written([ItemAdded(history_item(raw), "user", "t")]))[0]
    assert isinstance(stored, ItemAdded)
    assert bytes(stored.item.raw) == raw


def test_an_item_that_came_over_several_lines_is_stored_as_one() -> None:
    raw = b'{"type":"message",\n"role":"user"}'
    data = written([ItemAdded(history_item(raw), "user")])
    assert data.count(b"\n") == 1
    stored = read(data)[0]
    assert isinstance(stored, ItemAdded)
    assert bytes(stored.item.raw) == raw.replace(b"\n", b" ")


def test_text_that_is_no_unicode_is_stored_legibly() -> None:
    """A folder's name may be any bytes."""
    cwd = b"/w/caf\xe9".decode("utf-8", "surrogateescape")
    (meta,) = read(written([SessionMeta(thread_id=THREAD, timestamp="", cwd=cwd)]))
    assert isinstance(meta, SessionMeta)
    assert meta.cwd == "/w/caf�"


def test_file_urls_keep_any_path() -> None:
    cwd = b"/w/a b/caf\xe9/%41".decode("utf-8", "surrogateescape")
    item = CommandExecutionItem("c", ("x",), cwd)
    record = ItemCompleted("t", item, 1, 2)
    assert "file:///w/a%20b/caf%E9/%2541" in written([record]).decode()
    assert read(written([record])) == [record]


def test_timestamps() -> None:
    assert timestamp(NOW) == "2026-11-20T10:16:07.445Z"
    assert timestamp(0) == "1970-01-01T00:00:00.000Z"


# --- against the lines of Codex ------------------------------------------------------------


OURS = {
    "session_meta": {"base_in_history"},
    "turn_context": {
        *("model_provider", "workspace_roots", "context_window", "max_output_tokens"),
        *("parallel_tool_calls", "shell"),
    },
}
"""Members that we write and Codex does not have."""

THEIRS = {
    "session_meta": {"account_scoped", "context_window"}
    | {"forked_from_ordinal_exclusive", "history_base", "multi_agent_version"},
    "turn_context": {
        *("disabled_plugin_ids", "permission_profile", "comp_hash"),
        *("collaboration_mode", "multi_agent_version", "realtime_active"),
        *("file_system_sandbox_policy",),
    },
    "task_started": {"turn_attribution"},
    "task_complete": {"time_to_first_token_ms"},
}
"""Members that Codex writes and we leave out."""


def sample_lines() -> Iterator[bytes]:
    for name in NAMES:
        yield from (SAMPLES / name).read_bytes().splitlines()


def test_what_codex_wrote_is_written_again_alike() -> None:
    compared: set[str] = set()
    state = LineState(THREAD)
    for line in sample_lines():
        theirs = json.loads(line)
        record = record_of(parse(line))
        if record is None or isinstance(record, FragmentsChanged):
            continue
        state, lines = encode(state, record, NOW)
        ours = json.loads(lines.splitlines()[0])
        assert ours["type"] == theirs["type"]
        kind = theirs["payload"].get("type", theirs["type"])
        compare(kind, ours["payload"], theirs["payload"])
        compared.add(kind)
    assert compared >= {
        *("session_meta", "task_started", "turn_context", "message", "reasoning"),
        *("function_call", "function_call_output", "custom_tool_call", "item_completed"),
        *("custom_tool_call_output", "token_usage_record", "task_complete", "turn_aborted"),
    }


def compare(kind: str, ours: dict[str, object], theirs: dict[str, object]) -> None:
    theirs.pop("internal_chat_message_metadata_passthrough", None)
    if kind == "reasoning":
        assert theirs.pop("content") is None
    if kind == "session_meta":
        base = theirs["base_instructions"]
        assert isinstance(base, dict)
        base.pop("provenance")
    if kind == "item_completed":
        without_nanoseconds(theirs)
    assert set(ours) - set(theirs) == OURS.get(kind, set()) & set(ours)
    assert set(theirs) - set(ours) <= THEIRS.get(kind, set())
    assert {name: ours[name] for name in theirs if name in ours} == {
        name: theirs[name] for name in theirs if name in ours
    }
    shared = [name for name in theirs if name in ours]
    assert [name for name in ours if name in theirs] == shared or kind == "turn_context"


def without_nanoseconds(payload: dict[str, object]) -> None:
    """We keep milliseconds."""
    item = payload["item"]
    assert isinstance(item, dict)
    if duration := item.get("duration"):
        duration["nanos"] = duration["nanos"] // 1_000_000 * 1_000_000


def test_usage_is_told_twice_as_codex_does() -> None:
    usage, thread = Usage(1000, 10, 0, 50, 5, 1050), Usage(3000, 30, 0, 150, 15, 3150)
    lines = written([TurnStarted("t", 1, 258_400), ResponseCompleted("t", "r", usage, thread)])
    record, count = (json.loads(line)["payload"] for line in lines.splitlines()[1:])
    assert record["turn_token_usage"] == count["info"]["last_token_usage"]
    assert record["thread_token_usage"] == count["info"]["total_token_usage"]
    assert count["info"]["model_context_window"] == 258_400


def test_failures_name_their_cause_in_the_words_of_codex() -> None:
    def info(error: ErrorInfo) -> object:
        payload = line_of(TurnCompleted(turn_id="t", status="failed", error=error))["payload"]
        assert isinstance(payload, dict)
        return payload["error"]

    assert info(ErrorInfo("m", "contextWindowExceeded")) == {
        "message": "m",
        "codex_error_info": "context_window_exceeded",
    }
    assert info(ErrorInfo("m", "responseTooManyFailedAttempts", 429)) == {
        "message": "m",
        "codex_error_info": {"response_too_many_failed_attempts": {"http_status_code": 429}},
    }


# --- what is not known ---------------------------------------------------------------------


@pytest.mark.parametrize(
    "line",
    [
        b'{"type":"retained_context","payload":{}}',
        b'{"type":"compacted","payload":{"message":"x","replacement_history":[]}}',
        b'{"type":"event_msg","payload":{"type":"something_new","turn_id":"t"}}',
        b'{"type":"event_msg","payload":{"type":"item_completed","item":{"type":"New"}}}',
        b'{"type":"token_usage_record","payload":{"usage":"lots"}}',
    ],
)
def test_lines_that_are_not_known_are_passed_over(line: bytes) -> None:
    assert record_of(parse(line)) is None


def test_members_that_are_not_known_are_passed_over() -> None:
    line = (
        b'{"new":1,"timestamp":7,"ordinal":"x","type":"event_msg","metadata":{"origin":"new"},'
        b'"payload":{"type":"task_started","turn_id":"t","new":{}}}'
    )
    assert record_of(parse(line)) == TurnStarted("t", 0, 0)


def test_an_unknown_policy_permits_least() -> None:
    line = (
        b'{"type":"turn_context","payload":{"turn_id":"t","cwd":"/w","model":"m",'
        b'"approval_policy":"always","sandbox_policy":{"type":"everything"}}}'
    )
    settings = record_of(parse(line))
    assert isinstance(settings, TurnSettings)
    assert settings.context == TurnContext(cwd="/w", model="m", model_provider="")
    assert settings.context.sandbox.mode == "read-only"


@given(st.binary(max_size=200))
def test_junk_is_a_decode_error(junk: bytes) -> None:
    with suppress(msgspec.DecodeError):
        record_of(parse(junk))


@given(st.data())
def test_lines_of_any_shape_are_records_or_nothing(data: st.DataObject) -> None:
    """Known type words with values of any shape."""
    line = data.draw(st.sampled_from(list(sample_lines())))
    members = json.loads(line)
    payload = members["payload"]
    name = data.draw(st.sampled_from(sorted(payload)))
    junk: st.SearchStrategy[object] = st.recursive(
        st.none() | st.booleans() | st.integers(-5, 5) | st.text(max_size=3),
        lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner),
        max_leaves=3,
    )
    payload[name] = data.draw(junk)
    try:
        record_of(parse(json.dumps(members).encode()))
    except msgspec.DecodeError:
        assert members["type"] in ("response_item", "session_meta")
