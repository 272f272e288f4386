"""Rollout files: where they are, how they grow, who finds them again."""

from __future__ import annotations

import json
import os
import stat
import time
from pathlib import Path

import pytest
from msgspec.structs import replace

from quire.core.errors import RolloutError, UsageError
from quire.protocol.items import InputText, Message, encode_item
from quire.protocol.records import (
    ItemAdded,
    Record,
    SessionMeta,
    TurnCompleted,
    TurnStarted,
)
from quire.rollout.ids import UuidSource, created_at, stable_message_id
from quire.rollout.listing import require_rollout
from quire.rollout.paths import is_thread_id, thread_id_of
from quire.rollout.store import MemoryRollout, RolloutFile, RolloutStore

SAMPLES = Path(__file__).parent / "rollout_samples"
IDS = UuidSource()


def meta(thread_id: str, cwd: str = "/w/proj") -> SessionMeta:
    return SessionMeta(
        thread_id=thread_id, timestamp="2026-11-20T10:16:07.414Z", cwd=cwd, base_instructions="Be."
    )


def message(text: str) -> ItemAdded:
    return ItemAdded(encode_item(Message("user", (InputText(text),))), "user", "t")


def turn(turn_id: str, text: str) -> list[Record]:
    return [
        TurnStarted(turn_id, 1, 1000),
        message(text),
        TurnCompleted(turn_id=turn_id, status="completed"),
    ]


@pytest.fixture
def store(tmp_path: Path) -> RolloutStore:
    return RolloutStore(str(tmp_path / "home"))


def thread(store: RolloutStore, cwd: str = "/w/proj", turns: int = 1) -> str:
    thread_id = IDS.new()
    rollout = store.create(thread_id)
    rollout.append(meta(thread_id, cwd))
    for number in range(turns):
        rollout.append_many(turn(f"turn-{number}", f"message {number}"))
    rollout.close()
    return thread_id


def path_of(store: RolloutStore, thread_id: str) -> Path:
    path = store.find(thread_id)
    assert path is not None
    return Path(path)


# --- writing -------------------------------------------------------------------------------


def test_a_file_lies_where_codex_would_put_it(tmp_path: Path) -> None:
    now = 1_795_169_767.4
    store = RolloutStore(str(tmp_path / "home"), lambda: now)
    rollout = store.create("01a1f874-cfed-77b3-bd86-3ac47aebb23e")
    day = time.strftime("%Y/%m/%d", time.localtime(now))
    name = time.strftime("rollout-%Y-%m-%dT%H-%M-%S", time.localtime(now))
    assert rollout.path == (
        f"{tmp_path}/home/sessions/{day}/{name}-01a1f874-cfed-77b3-bd86-3ac47aebb23e.jsonl"
    )


def test_nobody_else_may_read_it(store: RolloutStore) -> None:
    path = path_of(store, thread(store))
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    folder = path.parent
    while folder != Path(store.home).parent:
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        folder = folder.parent


def test_a_thread_without_a_turn_leaves_nothing(store: RolloutStore) -> None:
    rollout = store.create(IDS.new())
    rollout.append(meta(IDS.new()))
    rollout.close()
    assert not os.path.exists(store.home)


def test_a_record_is_in_the_file_when_append_returns(store: RolloutStore) -> None:
    thread_id = IDS.new()
    rollout = store.create(thread_id)
    rollout.append(meta(thread_id))
    rollout.append(TurnStarted("t", 1, 2))
    assert Path(rollout.path).read_bytes().count(b"\n") == 2
    rollout.append(message("one"))
    assert Path(rollout.path).read_bytes().count(b"\n") == 3
    rollout.close()


def test_a_closed_file_is_closed(store: RolloutStore) -> None:
    rollout = store.create(IDS.new())
    rollout.close()
    rollout.close()
    with pytest.raises(ValueError, match="closed"):
        rollout.append(message("late"))


def test_an_unusable_home_is_one_line_and_can_be_mended(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    (home / "sessions").write_text("in the way")
    thread_id = IDS.new()
    rollout = RolloutStore(str(home)).create(thread_id)
    rollout.append(meta(thread_id))
    with pytest.raises(RolloutError, match=r"cannot write the thread's log: .*sessions.*; free"):
        rollout.append(message("one"))
    (home / "sessions").unlink()
    rollout.append(message("two"))
    rollout.close()
    _, loaded = RolloutStore(str(home)).resume(thread_id)
    assert loaded.records == [meta(thread_id), message("two")]


def test_an_ephemeral_thread_keeps_nothing() -> None:
    rollout = MemoryRollout()
    rollout.append(message("one"))
    rollout.close()


# --- going on ------------------------------------------------------------------------------


def resumed(store: RolloutStore, thread_id: str) -> tuple[RolloutFile, list[Record]]:
    rollout, loaded = store.resume(thread_id)
    return rollout, loaded.records


def test_a_resumed_thread_appends_to_its_file(store: RolloutStore) -> None:
    thread_id = thread(store)
    for number in range(2):
        rollout, records = resumed(store, thread_id)
        assert len(records) == 4 + number
        rollout.append(message(f"more {number}"))
        rollout.close()
    ordinals = [
        json.loads(line)["ordinal"] for line in path_of(store, thread_id).read_bytes().splitlines()
    ]
    assert ordinals == list(range(6))


@pytest.mark.parametrize("torn", [b'{"timestamp":"2026', b"\0\0\0\0", b"\xff{}"])
def test_a_torn_last_line_is_cut_off_before_the_next(store: RolloutStore, torn: bytes) -> None:
    thread_id = thread(store)
    path = path_of(store, thread_id)
    whole = path.read_bytes()
    path.write_bytes(whole + torn)
    rollout, loaded = store.resume(thread_id)
    assert loaded.warnings == (
        f"{path}: the last line is incomplete ({len(torn)} bytes) and is left out",
    )
    rollout.append(message("next"))
    rollout.close()
    assert path.read_bytes().startswith(whole + b'{"timestamp":')
    assert store.load(str(path)).warnings == ()


def test_a_last_line_without_its_newline_gets_it(store: RolloutStore) -> None:
    thread_id = thread(store)
    path = path_of(store, thread_id)
    whole = path.read_bytes()
    path.write_bytes(whole.rstrip(b"\n"))
    rollout, loaded = store.resume(thread_id)
    assert len(loaded.records) == 4
    rollout.append(message("next"))
    rollout.close()
    assert path.read_bytes().startswith(whole)
    assert len(store.load(str(path)).records) == 5


def test_a_damaged_line_stays_in_the_file(store: RolloutStore) -> None:
    thread_id = thread(store)
    path = path_of(store, thread_id)
    damaged = path.read_bytes().replace(b'"role":"user"', b'"role":"us')
    path.write_bytes(damaged)
    rollout, loaded = store.resume(thread_id)
    assert len(loaded.warnings) == 1
    rollout.append(message("next"))
    rollout.close()
    assert path.read_bytes().startswith(damaged)


def test_a_file_of_another_thread_is_refused(store: RolloutStore) -> None:
    thread_id, other = thread(store), IDS.new()
    path = path_of(store, thread_id)
    path.rename(path.with_name(path.name.replace(thread_id, other)))
    with pytest.raises(RolloutError, match=f"the file of thread {thread_id}"):
        store.resume(other)
    with pytest.raises(RolloutError):  # The lock was given up: not "is being written".
        store.resume(other)


def test_a_thread_of_codex_goes_on_in_our_words(store: RolloutStore) -> None:
    thread_id = "01a1f874-cfed-77b3-bd86-3ac47aebb23e"
    folder = Path(store.home, "sessions", "2026", "11", "20")
    folder.mkdir(parents=True)
    sample = (SAMPLES / "codex-0.169.jsonl").read_bytes()
    path = folder / f"rollout-2026-11-20T10-16-07-{thread_id}.jsonl"
    path.write_bytes(sample)
    rollout, before = resumed(store, thread_id)
    rollout.append_many(turn("t", "and on"))
    rollout.close()
    assert path.read_bytes().startswith(sample)
    rollout, after = resumed(store, thread_id)
    rollout.close()
    assert after == before + turn("t", "and on")


# --- finding -------------------------------------------------------------------------------


def test_an_unknown_id_is_told_in_the_words_of_codex(store: RolloutStore) -> None:
    unknown = IDS.new()
    with pytest.raises(UsageError, match=f"no rollout found for thread id {unknown}"):
        store.resume(unknown)
    for text in ("", "../../etc/passwd", "*", unknown[:-1]):
        with pytest.raises(UsageError, match="no rollout found for thread id"):
            require_rollout(store.home, text)


def test_a_thread_is_found_by_its_id_wherever_it_lies(store: RolloutStore) -> None:
    thread_id = thread(store)
    path = path_of(store, thread_id)
    assert store.find(thread_id.upper()) == str(path)
    other_day = Path(store.home, "sessions", "2020", "01", "31")
    archived = Path(store.home, "archived_sessions")
    for folder in (other_day, archived):
        folder.mkdir(parents=True)
        path = path.rename(folder / path.name)
        assert store.find(thread_id) == str(path)


def test_the_latest_thread_of_a_folder_is_the_one_last_written(store: RolloutStore) -> None:
    first, second, elsewhere = thread(store), thread(store), thread(store, "/w/other")
    for age, thread_id in enumerate((elsewhere, second, first)):
        os.utime(path_of(store, thread_id), (1e9 - age, 1e9 - age))
    assert store.latest("/w/proj") == second
    os.utime(path_of(store, first), (1e9 + 5, 1e9 + 5))
    assert store.latest("/w/proj") == first
    assert store.latest("/w/other") == elsewhere
    assert store.latest("/w") is None


def test_files_that_cannot_be_read_are_not_the_latest(store: RolloutStore) -> None:
    thread_id = thread(store)
    folder = path_of(store, thread_id).parent
    for junk in (b"", b"junk\n", b'{"type":"response_item","payload":{"cwd":"/w/proj"}}\n'):
        (folder / f"rollout-2026-11-20T10-16-07-{IDS.new()}.jsonl").write_bytes(junk)
    (folder / f"rollout-2026-11-20T10-16-08-{IDS.new()}.jsonl").mkdir()
    assert store.latest("/w/proj") == thread_id


def test_the_latest_thread_of_an_empty_home() -> None:
    assert RolloutStore("/nonexistent").latest("/w") is None


def test_a_link_to_a_folder_is_the_folder(store: RolloutStore, tmp_path: Path) -> None:
    (tmp_path / "proj").mkdir()
    (tmp_path / "link").symlink_to("proj")
    thread_id = thread(store, str(tmp_path / "proj"))
    assert store.latest(str(tmp_path / "link")) == thread_id


def test_names_of_files() -> None:
    good = "rollout-2026-11-20T10-16-07-01a1f874-cfed-77b3-bd86-3ac47aebb23e.jsonl"
    assert thread_id_of(good) == "01a1f874-cfed-77b3-bd86-3ac47aebb23e"
    for name in (f"{good}.part", f"x{good}", good.replace("01a1", "01A1"), "rollout-.jsonl", ""):
        assert thread_id_of(name) is None
    assert not is_thread_id("01a1f874-cfed-77b3-bd86-3ac47aebb2/e")


# --- forks ---------------------------------------------------------------------------------


def forked(store: RolloutStore, thread_id: str, last_turn: str | None = None) -> str:
    new_id = IDS.new()
    new = replace(meta(new_id), forked_from=thread_id, base_instructions="Other words.")
    store.fork(str(path_of(store, thread_id)), new, last_turn)
    return new_id


def test_a_fork_is_a_whole_copy(store: RolloutStore) -> None:
    origin = thread(store, turns=2)
    path = path_of(store, origin)
    new_id = forked(store, origin)
    copy = path_of(store, new_id)
    assert copy.read_bytes().splitlines()[1:] == path.read_bytes().splitlines()[1:]
    assert stat.S_IMODE(copy.stat().st_mode) == 0o600
    path.unlink()
    rollout, loaded = store.resume(new_id)
    rollout.close()
    assert loaded.meta == replace(meta(new_id), forked_from=origin)
    assert loaded.records[1:] == turn("turn-0", "message 0") + turn("turn-1", "message 1")


def test_a_fork_may_end_with_an_earlier_turn(store: RolloutStore) -> None:
    origin = thread(store, turns=3)
    new_id = forked(store, origin, "turn-1")
    records = store.load(str(path_of(store, new_id))).records
    assert records[1:] == turn("turn-0", "message 0") + turn("turn-1", "message 1")
    whole = forked(store, origin, "turn-2")
    assert len(store.load(str(path_of(store, whole))).records) == 10


def test_a_fork_at_an_unknown_turn_leaves_nothing(store: RolloutStore) -> None:
    origin = thread(store)
    folder = path_of(store, origin).parent
    with pytest.raises(UsageError, match="no turn turn-9 in"):
        forked(store, origin, "turn-9")
    assert os.listdir(folder) == [path_of(store, origin).name]


def test_forks_of_threads_of_codex_keep_every_word(store: RolloutStore) -> None:
    folder = Path(store.home, "sessions", "2026", "11", "20")
    folder.mkdir(parents=True)
    origin = "01a1f874-cfed-77b3-bd86-3ac47aebb23e"
    fork = "01a1f87e-26d1-7292-96b3-4f9d28f37c8c"
    for thread_id, name in ((origin, "codex-0.169.jsonl"), (fork, "codex-0.169-fork.jsonl")):
        path = folder / f"rollout-2026-11-20T10-16-07-{thread_id}.jsonl"
        path.write_bytes((SAMPLES / name).read_bytes())
    theirs = store.load(str(path_of(store, fork)))
    ours = store.load(str(path_of(store, forked(store, fork))))
    assert ours.records[1:] == theirs.records[1:]
    assert ours.meta.base_instructions == "Base instructions."
    assert ours.meta.forked_from == fork


# --- ids -----------------------------------------------------------------------------------


def test_ids_are_version_7_and_only_grow() -> None:
    import uuid

    source = UuidSource()
    before = time.time() - 0.001
    made = [source.new() for _ in range(5000)]
    assert made == sorted(made)
    assert len(set(made)) == 5000
    for text in (made[0], made[-1]):
        parsed = uuid.UUID(text)
        assert (parsed.version, parsed.variant, str(parsed)) == (7, uuid.RFC_4122, text)
        created = created_at(text)
        assert created is not None
        assert before <= created <= time.time() + 1
    assert created_at("not an id") is None


def test_the_same_words_have_the_same_id() -> None:
    import uuid

    made = stable_message_id("Be kind.")
    assert made == stable_message_id("Be kind.")
    assert made != stable_message_id("Be unkind.")
    assert made.startswith("msg_")
    assert uuid.UUID(made[4:]).version == 5
