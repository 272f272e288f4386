"""Turns that were taken back do not count, for anybody who reads the log."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quire.core.errors import UsageError
from quire.core.state import ThreadState, apply
from quire.protocol.items import (
    FunctionCall,
    FunctionCallOutput,
    InputText,
    Message,
    OutputText,
    encode_item,
)
from quire.protocol.records import (
    FragmentsChanged,
    ItemAdded,
    Record,
    ResponseCompleted,
    SessionMeta,
    TurnCompleted,
    TurnsReverted,
    TurnStarted,
)
from quire.protocol.revert import Surviving, surviving
from quire.protocol.stored import ListQuery
from quire.protocol.thread import Usage
from quire.rollout.ids import UuidSource
from quire.rollout.library import Library
from quire.rollout.store import RolloutStore

SAMPLES = Path(__file__).parent / "rollout_samples"
IDS = UuidSource()


def item(role: str, text: str) -> ItemAdded:
    if role == "assistant":
        return ItemAdded(encode_item(Message("assistant", (OutputText(text),))), "model")
    if role == "developer":
        return ItemAdded(encode_item(Message("developer", (InputText(text),))), "fragment")
    return ItemAdded(encode_item(Message("user", (InputText(text),))), "user")


def turn(number: int, messages: int = 1) -> list[Record]:
    """A turn with a call, whose context differs from that of every other turn."""
    name, call_id = f"turn-{number}", f"call-{number}"
    usage = Usage(total_tokens=100 + number)
    return [
        TurnStarted(name, number, 1000),
        *([item("developer", "base")] if number == 0 else []),
        item("developer", f"context {number}"),
        FragmentsChanged({"base": "base", "cwd": f"/{number}"}, full=number % 2 == 0),
        *(item("user", f"question {number}.{count}") for count in range(messages)),
        ItemAdded(encode_item(FunctionCall("exec_command", "{}", call_id)), "model", name),
        ResponseCompleted(name, "r", usage, usage),
        ItemAdded(encode_item(FunctionCallOutput(call_id, "out")), "tool", name),
        item("assistant", f"answer {number}"),
        ResponseCompleted(name, "r", usage, usage),
        TurnCompleted(turn_id=name, status="completed"),
    ]


def folded(records: list[Record]) -> ThreadState:
    state = ThreadState()
    for record in records:
        state = apply(state, record)
    return state


def shown(state: ThreadState) -> tuple[object, ...]:
    return (
        *([bytes(raw) for raw in state.prompt], state.pending, state.answered, state.turn_id),
        *(state.tokens, state.usage, state.fragments, state.thread_id),
    )


def meta(thread_id: str) -> SessionMeta:
    return SessionMeta(thread_id=thread_id, timestamp="", cwd="/w", base_instructions="base")


@st.composite
def histories(draw: st.DrawFn) -> tuple[list[Record], list[Record]]:
    """(a log with reverts, the same log without what they took back)"""
    log: list[Record] = []
    left: list[tuple[int, int]] = []
    for number in range(draw(st.integers(1, 7))):
        if left and draw(st.booleans()):
            place = draw(st.integers(0, len(left) - 1))
            messages = sum(count for _, count in left[place:])
            named = draw(st.booleans())
            log.append(TurnsReverted(f"turn-{left[place][0]}" if named else None, messages))
            del left[place:]
        count = draw(st.integers(1, 2))
        log += turn(number, count)
        left.append((number, count))
    return log, [record for number, count in left for record in turn(number, count)]


@settings(max_examples=60, deadline=None)
@given(histories())
def test_a_fold_is_that_of_the_log_without_reverted_turns(
    tmp_path_factory: pytest.TempPathFactory, history: tuple[list[Record], list[Record]]
) -> None:
    log, left = history
    home = tmp_path_factory.mktemp("home")
    first = meta(IDS.new())
    expected = shown(folded([first, *left]))
    assert shown(folded(surviving([first, *log]))) == expected
    store = RolloutStore(str(home))
    file = store.create(first.thread_id)
    file.append(first)
    file.append_many(log)
    file.close()
    loaded = store.load(file.path)
    assert shown(folded(loaded.records)) == expected
    assert loaded.warnings == ()
    copy = store.load(store.fork(file.path, meta(IDS.new())))
    assert shown(folded(copy.records))[:-1] == expected[:-1]


def test_a_revert_of_an_unknown_turn_takes_nothing_back() -> None:
    log = [*turn(0), *turn(1)]
    for record in (TurnsReverted("x", 9), TurnsReverted(None, 0), TurnsReverted(None, -1)):
        assert surviving([*log, record]) == log
    assert surviving([TurnsReverted(None, 3)]) == []
    assert surviving([*log, TurnsReverted(None, 99)]) == []


def test_the_record_counts_messages_as_codex_does() -> None:
    log = Surviving()
    for record in (*turn(0), *turn(1, 2), *turn(2)):
        log.add(record)
    assert log.before("turn-1") == TurnsReverted("turn-1", 3)
    assert log.before("turn-9") is None


def test_the_line_is_one_that_codex_reads(tmp_path: Path) -> None:
    store = RolloutStore(str(tmp_path))
    thread_id = IDS.new()
    file = store.create(thread_id)
    file.append_many([meta(thread_id), *turn(0), TurnsReverted("turn-0", 1)])
    file.close()
    line = json.loads(Path(file.path).read_text().splitlines()[-1])
    assert (line["type"], line["payload"]) == (
        "event_msg",
        {"type": "thread_rolled_back", "num_turns": 1, "before_turn_id": "turn-0"},
    )


def test_a_reverted_turn_cannot_be_forked_from(tmp_path: Path) -> None:
    store = RolloutStore(str(tmp_path))
    thread_id = IDS.new()
    file = store.create(thread_id)
    file.append_many([meta(thread_id), *turn(0), *turn(1), TurnsReverted("turn-1", 1), *turn(2)])
    file.close()
    with pytest.raises(UsageError, match="no turn turn-1 in"):
        store.fork(file.path, meta(IDS.new()), "turn-1")
    for last, left in (("turn-0", turn(0)), ("turn-2", [*turn(0), *turn(2)])):
        copy = store.load(store.fork(file.path, meta(IDS.new()), last))
        assert shown(folded(copy.records))[:-1] == shown(folded(left))[:-1]


def test_a_thread_of_codex_keeps_its_base_instructions(tmp_path: Path) -> None:
    thread_id = "01a1f874-cfed-77b3-bd86-3ac47aebb23e"
    folder = tmp_path / "sessions/2026/11/20"
    folder.mkdir(parents=True)
    shutil.copy(
        SAMPLES / "codex-0.169.jsonl", folder / f"rollout-2026-11-20T10-16-07-{thread_id}.jsonl"
    )
    store = RolloutStore(str(tmp_path))
    file, before = store.resume(thread_id)
    turns = [record.turn_id for record in before.records if isinstance(record, TurnStarted)]
    file.append_many(turn(7))
    file.append(TurnsReverted("turn-7", 1))
    file.close()
    again = store.load(file.path)
    assert again.warnings == before.warnings
    assert shown(folded(again.records)) == shown(folded(before.records))
    file, _ = store.resume(thread_id)
    file.append(TurnsReverted(turns[0], len(turns)))
    file.close()
    state = folded(store.load(file.path).records)
    (base,) = state.prompt
    assert json.loads(bytes(base))["content"][0]["text"] == "Base instructions."
    assert dict(state.fragments) == {"base": "Base instructions."}
    file, thread = store.resume(thread_id)
    file.append_many(turn(8))
    file.close()
    assert len(folded(store.load(file.path).records).prompt) == 1 + len(folded(turn(8)).prompt)
    assert thread.next_ordinal > before.next_ordinal


# --- what Codex itself writes: a new file for each revert ----------------------------------


def codex_line(ordinal: int, kind: str, payload: dict[str, object]) -> str:
    line = {"timestamp": "2026-11-20T13:26:09.112Z", "ordinal": ordinal, "type": kind}
    return json.dumps(line | {"payload": payload}, separators=(",", ":")) + "\n"


def segment_of_codex(home: Path, base: str, end: int, text: str) -> str:
    """A file as Codex 0.169 starts it when it reverts: `base` continues up to line `end`."""
    thread_id, segment = "01a1f874-cfed-77b3-bd86-3ac47aebb23e", IDS.new()
    folder = home / "sessions/2026/11/21"
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"rollout-2026-11-21T13-26-09-{thread_id}_{segment}.jsonl"
    origin = {"thread_id": base, "end_ordinal_exclusive": end, "end_byte_offset": 1}
    first = {"id": thread_id, "timestamp": "", "cwd": "/w/proj", "history_base": origin}
    said = {"type": "UserMessage", "id": "i", "content": [{"type": "text", "text": text}]}
    done = {"type": "item_completed", "thread_id": thread_id, "turn_id": text, "item": said}
    path.write_text(
        codex_line(end, "session_meta", {**first, "base_instructions": {"text": "Base."}})
        + codex_line(end + 1, "event_msg", {"type": "task_started", "turn_id": text})
        + codex_line(end + 2, "event_msg", {**done, "completed_at_ms": 1})
        + codex_line(end + 3, "event_msg", {"type": "task_complete", "turn_id": text})
    )
    return segment


def test_segments_of_codex_are_one_thread(tmp_path: Path) -> None:
    thread_id = "01a1f874-cfed-77b3-bd86-3ac47aebb23e"
    folder = tmp_path / "sessions/2026/11/20"
    folder.mkdir(parents=True)
    shutil.copy(
        SAMPLES / "codex-0.169.jsonl", folder / f"rollout-2026-11-20T10-16-07-{thread_id}.jsonl"
    )
    library = Library(str(tmp_path))
    whole = library.records(thread_id)
    second = segment_of_codex(tmp_path, thread_id, 39, "again")
    third = segment_of_codex(tmp_path, second, 43, "last")
    (thread,) = library.list(ListQuery()).threads
    assert thread.preview == "please do"
    assert thread.path.endswith(f"_{third}.jsonl")
    turns = [r.turn_id for r in library.records(thread_id) if isinstance(r, TurnStarted)]
    first = next(record for record in whole if isinstance(record, TurnStarted))
    assert turns == [first.turn_id, "again", "last"]
    library.archive(thread_id)
    assert len(list((tmp_path / "archived_sessions").iterdir())) == 3
    assert library.thread(thread_id).archived
    assert len(library.records(thread_id)) > 3
    library.unarchive(thread_id)
    assert RolloutStore(str(tmp_path)).find(thread_id) == thread.path
    library.delete(thread_id)
    assert not list(tmp_path.rglob("*.jsonl"))
