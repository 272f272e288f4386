"""Stored threads come back: whole, torn, damaged, and those that Codex wrote."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from quire.core.errors import RolloutError
from quire.core.state import ThreadState, apply
from quire.protocol.items import FunctionCall, FunctionCallOutput, InputText, Message, encode_item
from quire.protocol.records import (
    FragmentsChanged,
    ItemAdded,
    ItemCompleted,
    Record,
    SessionMeta,
    TurnCompleted,
    TurnStarted,
)
from quire.protocol.thread import AgentMessageItem
from quire.rollout.lines import LineState, encode
from quire.rollout.resume import LoadedThread, load
from quire.rollout.scan import BLOCK
from tests.unit.rollout_records import THREAD, logs

SAMPLES = Path(__file__).parent / "rollout_samples"
META = SessionMeta(thread_id=THREAD, timestamp="2026-11-20T10:16:07.414Z", cwd="/w/proj")
ONE_FOLDER = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])


def written(records: list[Record]) -> list[bytes]:
    """The lines of each record."""
    state, out = LineState(THREAD), []
    for record in records:
        state, lines = encode(state, record, 1_795_169_767.4)
        out.append(lines)
    return out


def message(text: str) -> ItemAdded:
    return ItemAdded(encode_item(Message("user", (InputText(text),))), "user", "t")


def call(call_id: str) -> ItemAdded:
    return ItemAdded(encode_item(FunctionCall("exec_command", "{}", call_id)), "model", "t")


def output(call_id: str, text: str = "done") -> ItemAdded:
    return ItemAdded(encode_item(FunctionCallOutput(call_id, text)), "tool", "t")


def stored(tmp_path: Path, *parts: bytes) -> LoadedThread:
    path = tmp_path / "rollout.jsonl"
    path.write_bytes(b"".join(parts))
    return load(str(path), items=True)


def folded(thread: LoadedThread) -> ThreadState:
    state = ThreadState()
    for record in thread.records:
        state = apply(state, record)
    return state


# --- whole files and their prefixes --------------------------------------------------------


@ONE_FOLDER
@given(logs)
def test_a_log_comes_back_without_outputs_that_answer_nothing(
    tmp_path: Path, records: list[Record]
) -> None:
    thread = stored(tmp_path, *written(records))
    open_calls: set[str | None] = set()
    expected: list[Record] = []
    for record in records:
        if isinstance(record, ItemAdded) and record.item.head.call_id:
            if record.item.head.type.endswith("_call"):
                open_calls.add(record.item.head.call_id)
            elif record.item.head.call_id not in open_calls:
                continue
            else:
                open_calls.remove(record.item.head.call_id)
        expected.append(record)
    assert thread.records == expected
    assert len(thread.warnings) == min(len(records) - len(expected), 6)
    assert thread.meta == records[0]
    assert thread.next_ordinal == sum(lines.count(b"\n") for lines in written(records))


@ONE_FOLDER
@given(logs, st.data())
def test_every_prefix_of_a_file_loads(
    tmp_path: Path, records: list[Record], data: st.DataObject
) -> None:
    lines = written(records)
    whole = b"".join(lines)
    cut = data.draw(st.integers(len(lines[0]) - 1, len(whole)))
    thread = stored(tmp_path, whole[:cut])
    assert thread.size == (cut if thread.open_line else whole.rfind(b"\n", 0, cut) + 1)
    torn = thread.size != cut
    assert any("the last line is incomplete" in text for text in thread.warnings) == torn
    full = stored(tmp_path, whole)
    assert thread.records == full.records[: len(thread.records)]


@pytest.mark.parametrize("cut", [0, 1, 60])
def test_a_file_without_its_first_line_is_refused(tmp_path: Path, cut: int) -> None:
    with pytest.raises(RolloutError, match=r"rollout\.jsonl:1: the first line is no readable"):
        stored(tmp_path, written([META])[0][:cut])


def test_a_first_line_of_another_kind_is_refused(tmp_path: Path) -> None:
    lines = written([META, TurnStarted("t", 1, 2)])
    with pytest.raises(RolloutError, match=":1: the first line is no readable session_meta"):
        stored(tmp_path, lines[1])


def test_an_id_that_could_leave_the_folder_is_refused(tmp_path: Path) -> None:
    evil = replace(META, thread_id="../../../../../../../../../../etc/cron.d")
    with pytest.raises(RolloutError, match="no readable session_meta"):
        stored(tmp_path, *written([evil]))


def test_a_missing_or_unreadable_file_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(RolloutError, match=r"No such file or directory: .*gone\.jsonl; check"):
        load(str(tmp_path / "gone.jsonl"))
    with pytest.raises(RolloutError, match="Is a directory"):
        load(str(tmp_path))


def test_a_last_line_that_lacks_only_its_newline_counts(tmp_path: Path) -> None:
    lines = written([META, message("one"), message("two")])
    thread = stored(tmp_path, *lines[:2], lines[2].rstrip(b"\n"))
    assert thread.open_line
    assert len(thread.records) == 3
    assert thread.warnings == ()
    assert thread.next_ordinal == 3


# --- damaged lines -------------------------------------------------------------------------


def test_a_damaged_line_is_left_out_and_named(tmp_path: Path) -> None:
    lines = written([META, message("one"), message("two"), message("three")])
    thread = stored(tmp_path, *lines[:2], lines[2].replace(b'"role"', b'"ro'), lines[3])
    assert thread.records == [META, message("one"), message("three")]
    assert len(thread.warnings) == 1
    assert "rollout.jsonl:3: this line is left out: it cannot be read" in thread.warnings[0]
    assert "\n" not in thread.warnings[0]


@pytest.mark.parametrize("damage", [b"\xff", b"\xc3", b"\x00"])
def test_text_that_is_no_utf8_never_reaches_a_model(tmp_path: Path, damage: bytes) -> None:
    lines = written([META, message("one"), message("two")])
    thread = stored(tmp_path, lines[0], lines[1].replace(b"one", b"o" + damage), lines[2])
    assert thread.records == [META, message("two")]
    assert len(thread.warnings) == 1


@pytest.mark.parametrize("depth", [*range(900, 1000, 9), 100_000])
def test_a_line_nested_without_end_is_left_out(tmp_path: Path, depth: int) -> None:
    """A model can send what is just not too deep when it comes."""
    item = b'{"type":"message","role":"user","content":[],"x":' + b"[" * depth + b"]" * depth + b"}"
    line = b'{"timestamp":"2026-11-20T10:16:07.414Z","type":"response_item","payload":' + item
    thread = stored(tmp_path, *written([META, message("one")]), line + b"}\n")
    assert any(isinstance(record, ItemAdded) for record in thread.records)
    assert len(thread.warnings) <= 1
    if depth == 100_000:
        assert "nested too deeply" in "".join(thread.warnings)


@pytest.mark.parametrize("target", ["pipe", "/dev/zero"])
def test_what_is_no_file_is_refused_at_once(tmp_path: Path, target: str) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "rollout.jsonl").symlink_to(target)
    with pytest.raises(RolloutError, match="Not a regular file"):
        load(str(tmp_path / "rollout.jsonl"))


def test_a_damaged_call_takes_its_output_along(tmp_path: Path) -> None:
    lines = written([META, call("c1"), output("c1"), call("c2"), output("c2")])
    thread = stored(tmp_path, lines[0], b"\0" * 80 + b"\n", *lines[2:])
    assert thread.records == [META, call("c2"), output("c2")]
    assert (
        "rollout.jsonl:3: this line is left out: it is the output of no open call (c1)"
        in (thread.warnings[1])
    )


def test_a_second_output_is_left_out_and_an_id_may_come_again(tmp_path: Path) -> None:
    """A model's server counts from 1 again after a restart."""
    records = [META, call("c"), output("c"), output("c", "again"), call("c"), output("c", "new")]
    thread = stored(tmp_path, *written(records))
    assert thread.records == [*records[:3], *records[4:]]
    assert len(folded(thread).prompt) == 4


def test_many_warnings_are_a_few_lines(tmp_path: Path) -> None:
    thread = stored(tmp_path, written([META])[0], b"junk\n" * 1000)
    assert len(thread.warnings) == 6
    assert thread.warnings[-1].endswith("and 995 more lines like these")


@ONE_FOLDER
@given(logs, st.data())
def test_a_file_with_damage_anywhere_loads_or_is_refused(
    tmp_path: Path, records: list[Record], data: st.DataObject
) -> None:
    content = bytearray(b"".join(written(records)))
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(content) - 1))
        content[at : at + data.draw(st.integers(0, 4))] = data.draw(st.binary(max_size=4))
    try:
        thread = stored(tmp_path, bytes(content))
    except RolloutError as exc:
        assert ":1: the first line" in str(exc)
    else:
        for raw in folded(thread).prompt:
            json.loads(bytes(raw))


# --- large files ---------------------------------------------------------------------------


@pytest.mark.parametrize("size", [BLOCK - 300, BLOCK, BLOCK + 1, 3 * BLOCK + 7])
def test_lines_of_any_length(tmp_path: Path, size: int) -> None:
    """Lines that fill a block of the reader, end with it, or span several."""
    records = [META, message("before"), message("x" * size), message("after" * 100), message("")]
    thread = stored(tmp_path, *written(records))
    assert thread.records == records
    assert thread.warnings == ()


def test_items_for_people_cost_nothing_unless_asked(tmp_path: Path) -> None:
    shown = ItemCompleted("t", AgentMessageItem("m", "x" * 1000), 1, 2)
    path = tmp_path / "rollout.jsonl"
    path.write_bytes(b"".join(written([META, shown, message("one"), shown])))
    thread = load(str(path))
    assert thread.records == [META, message("one")]
    assert thread.next_ordinal == 4
    assert load(str(path), items=True).records == [META, shown, message("one"), shown]


# --- threads of Codex 0.169 ----------------------------------------------------------------


def find_sample(thread_id: str) -> str | None:
    known = {"01a1f874-cfed-77b3-bd86-3ac47aebb23e": "codex-0.169.jsonl"}
    return str(SAMPLES / known[thread_id]) if thread_id in known else None


def test_a_thread_of_codex_resumes() -> None:
    thread = load(str(SAMPLES / "codex-0.169.jsonl"))
    state = folded(thread)
    assert thread.warnings == ()
    assert thread.next_ordinal == 66
    assert state.turn_id is None
    assert state.pending == ()
    assert state.usage.total_tokens == 6300
    prompt = [json.loads(bytes(raw)) for raw in state.prompt]
    assert prompt[0]["role"] == "developer"
    assert prompt[0]["content"][0]["text"] == "Base instructions."
    assert [item["type"] for item in prompt].count("function_call_output") == 5
    assert not any("internal_chat_message_metadata_passthrough" in item for item in prompt)
    assert all(value is not None for item in prompt for value in item.values())
    assert dict(state.fragments) == {"base": "Base instructions."}


def test_turns_of_codex_end_as_they_ended() -> None:
    thread = load(str(SAMPLES / "codex-0.169.jsonl"))
    ends = [record for record in thread.records if isinstance(record, TurnCompleted)]
    assert [end.status for end in ends] == ["completed", "failed", "interrupted", "completed"]
    assert ends[1].error is not None
    assert "bad thing" in ends[1].error.message


def test_a_fork_of_codex_brings_the_history_of_its_origin() -> None:
    origin = load(str(SAMPLES / "codex-0.169.jsonl"))
    fork = load(str(SAMPLES / "codex-0.169-fork.jsonl"), find_sample)
    assert fork.meta.forked_from == origin.meta.thread_id
    assert fork.next_ordinal == 78
    before, after = list(folded(origin).prompt), list(folded(fork).prompt)
    assert [bytes(raw) for raw in after[: len(before)]] == [bytes(raw) for raw in before]
    assert [json.loads(bytes(raw))["role"] for raw in after[len(before) :]] == ["user", "assistant"]


def test_a_fork_does_not_see_what_its_origin_did_later(tmp_path: Path) -> None:
    later = tmp_path / "later.jsonl"
    _, lines = encode(LineState(THREAD, ordinal=66), message("later"), 1.0)
    later.write_bytes((SAMPLES / "codex-0.169.jsonl").read_bytes() + lines)
    path = str(SAMPLES / "codex-0.169-fork.jsonl")
    assert len(load(str(later)).records) == len(load(str(find_sample(THREAD))).records) + 1
    assert load(path, lambda thread_id: str(later)).records == load(path, find_sample).records


def test_a_fork_of_codex_whose_origin_is_gone_says_so() -> None:
    with pytest.raises(RolloutError, match=r"continues thread 01a1f874.*put it beside this one"):
        load(str(SAMPLES / "codex-0.169-fork.jsonl"), lambda thread_id: None)


def test_a_thread_that_continues_itself_is_refused() -> None:
    path = str(SAMPLES / "codex-0.169-fork.jsonl")
    with pytest.raises(RolloutError, match="continues itself"):
        load(path, lambda thread_id: path)


def test_what_codex_told_the_model_is_not_taken_for_ours(tmp_path: Path) -> None:
    """A thread of ours that Codex went on with."""
    told = FragmentsChanged({"base": "Be kind.", "permissions": "all"}, full=True)
    theirs = b'{"type":"world_state","payload":{"full":false,"state":{"permissions":null}}}\n'
    thread = stored(tmp_path, *written([META, message("one"), told]), theirs)
    assert dict(folded(thread).fragments) == {"base": "Be kind."}


def test_memory_follows_the_history_and_not_the_file(tmp_path: Path) -> None:
    """Items that a thread keeps are the only part of its file that stays."""
    import tracemalloc

    shown = ItemCompleted("t", AgentMessageItem("m", "x" * 200_000), 1, 2)
    path = tmp_path / "rollout.jsonl"
    path.write_bytes(b"".join(written([META, *[shown, message("y" * 20_000)] * 40])))
    assert os.path.getsize(path) > 8_000_000
    tracemalloc.start()
    thread = load(str(path))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(thread.records) == 41
    assert peak < 4 * BLOCK
