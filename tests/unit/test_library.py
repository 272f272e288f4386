"""Stored threads as people see them: listed, found, named, put aside, deleted."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import Raw

from quire.core.errors import RolloutError, UsageError
from quire.protocol.policy import TurnContext
from quire.protocol.records import (
    GitInfo,
    ItemCompleted,
    Record,
    SessionMeta,
    TurnCompleted,
    TurnSettings,
    TurnsReverted,
    TurnStarted,
)
from quire.protocol.stored import ListQuery, StoredThread
from quire.protocol.thread import UserMessageItem
from quire.rollout.heads import source_of
from quire.rollout.ids import UuidSource
from quire.rollout.library import Library
from quire.rollout.locks import WriterLock
from quire.rollout.store import RolloutStore

SAMPLES = Path(__file__).parent / "rollout_samples"
IDS = UuidSource()


def spoken(turn_id: str, text: str, model: str = "m") -> list[Record]:
    said = UserMessageItem(f"item-{turn_id}", text)
    return [
        TurnStarted(turn_id, 1, 1000),
        TurnSettings(turn_id, TurnContext(cwd="/w", model=model, model_provider="p")),
        ItemCompleted(turn_id, said, 1, 1),
        TurnCompleted(turn_id=turn_id, status="completed"),
    ]


def stored(home: Path, *texts: str, cwd: str = "/w", source: str = "cli", **more: str) -> str:
    thread_id = IDS.new()
    file = RolloutStore(str(home)).create(thread_id)
    file.append(
        SessionMeta(
            thread_id=thread_id,
            timestamp="2026-11-20T10:16:07.414Z",
            cwd=cwd,
            source=source,
            model_provider=more.get("provider", "p"),
            base_instructions="Base. " * 5000,
            git=GitInfo("abc", "main"),
        )
    )
    file.append(TurnStarted("t", 1, 1000))
    for number, text in enumerate(texts):
        file.append_many(spoken(f"turn-{number}", text, f"model-{number}"))
    file.close()
    return thread_id


def ids(threads: tuple[StoredThread, ...]) -> list[str]:
    return [thread.id for thread in threads]


@pytest.fixture
def library(tmp_path: Path) -> Library:
    return Library(str(tmp_path))


def test_a_thread_is_listed_with_what_its_file_tells(tmp_path: Path, library: Library) -> None:
    thread_id = stored(tmp_path, "first question\nmore", "second")
    (thread,) = library.list(ListQuery()).threads
    path = RolloutStore(str(tmp_path)).find(thread_id)
    assert (thread.id, thread.path, thread.cwd) == (thread_id, path, "/w")
    assert (thread.preview, thread.name) == ("first question\nmore", None)
    assert (thread.model, thread.model_provider) == ("model-1", "p")
    assert (thread.source, thread.source_kind, thread.archived) == ("cli", "cli", False)
    assert thread.git == GitInfo("abc", "main")
    assert abs(thread.created_at - thread.updated_at) <= 2
    assert library.thread(thread_id) == thread


def test_a_thread_in_which_nobody_spoke_is_not_listed(tmp_path: Path, library: Library) -> None:
    thread_id = stored(tmp_path)
    assert library.list(ListQuery()).threads == ()
    assert library.thread(thread_id).preview == ""


def test_broken_files_are_passed_over(tmp_path: Path, library: Library) -> None:
    good = stored(tmp_path, "good")
    folder = Path(library.thread(good).path).parent
    for content in (b"", b"{", b'{"type":"session_meta","payload":{}}\n', b"[1]\n" * 3, b"\xff\n"):
        (folder / f"rollout-2026-11-20T10-00-00-{IDS.new()}.jsonl").write_bytes(content)
    (folder / f"rollout-2026-11-20T10-00-00-{IDS.new()}.jsonl").mkdir()
    os.mkfifo(folder / f"rollout-2026-11-20T10-00-00-{IDS.new()}.jsonl")
    (folder / "notes.txt").write_text("x")
    assert ids(library.list(ListQuery()).threads) == [good]


def test_filters(tmp_path: Path, library: Library) -> None:
    a = stored(tmp_path, "about giraffes", cwd="/a", source="cli")
    b = stored(tmp_path, "about zebras", cwd="/b", source="exec", provider="q")

    def listed(query: ListQuery) -> list[str]:
        return ids(library.list(query).threads)

    assert listed(ListQuery()) == [b, a]
    assert listed(ListQuery(descending=False)) == [a, b]
    assert listed(ListQuery(cwds=("/a", "/c"))) == [a]
    assert listed(ListQuery(model_providers=("q",))) == [b]
    assert listed(ListQuery(source_kinds=("cli", "vscode"))) == [a]
    assert listed(ListQuery(search_term="giraffes")) == [a]
    assert listed(ListQuery(search_term="Giraffes")) == []
    assert listed(ListQuery(excluded_ids=(a,))) == [b]
    assert listed(ListQuery(archived=True)) == []
    library.rename(b, "my giraffes")
    assert listed(ListQuery(search_term="giraffes")) == [b, a]


def test_updated_at_follows_the_file(tmp_path: Path, library: Library) -> None:
    a, b = stored(tmp_path, "a"), stored(tmp_path, "b")
    os.utime(library.path(a), (2_000_000_000, 2_000_000_000))
    assert ids(library.list(ListQuery(sort_key="updated_at")).threads) == [a, b]
    assert library.thread(a).updated_at == 2_000_000_000
    assert ids(library.list(ListQuery()).threads) == [b, a]


def test_a_cursor_is_stable_while_threads_arrive(tmp_path: Path, library: Library) -> None:
    old = [stored(tmp_path, str(number)) for number in range(5)]
    page = library.list(ListQuery(limit=2))
    assert ids(page.threads) == [old[4], old[3]]
    stored(tmp_path, "new")
    seen = ids(page.threads)
    while page.next_cursor is not None:
        page = library.list(ListQuery(limit=2, cursor=page.next_cursor))
        seen += ids(page.threads)
    assert seen == list(reversed(old))
    assert page.backwards_cursor is not None
    back = library.list(ListQuery(cursor=page.backwards_cursor, descending=False, limit=2))
    assert ids(back.threads) == old[:2]
    with pytest.raises(UsageError, match=r"^invalid cursor: junk$"):
        library.list(ListQuery(cursor="junk"))


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(0, 3), max_size=8), st.integers(1, 4), st.booleans())
def test_pages_together_are_the_list(
    tmp_path_factory: pytest.TempPathFactory, times: list[int], limit: int, descending: bool
) -> None:
    home = tmp_path_factory.mktemp("home")
    library = Library(str(home))
    for moment in times:
        path = library.path(stored(home, "x"))
        os.utime(path, (1_700_000_000 + moment, 1_700_000_000 + moment))
    query = ListQuery(sort_key="updated_at", descending=descending)
    whole = ids(library.list(query).threads)
    seen: list[str] = []
    cursor: str | None = None
    while True:
        page = library.list(
            ListQuery(sort_key="updated_at", descending=descending, limit=limit, cursor=cursor)
        )
        seen += ids(page.threads)
        cursor = page.next_cursor
        if cursor is None:
            break
    assert seen == whole
    assert len(set(seen)) == len(times)


def test_files_of_codex_are_listed(tmp_path: Path, library: Library) -> None:
    folder = tmp_path / "sessions/2026/11/20"
    folder.mkdir(parents=True)
    thread_id = "01a1f874-cfed-77b3-bd86-3ac47aebb23e"
    name = f"rollout-2026-11-20T10-16-07-{thread_id}.jsonl"
    shutil.copy(SAMPLES / "codex-0.169.jsonl", folder / name)
    (thread,) = library.list(ListQuery()).threads
    assert (thread.id, thread.preview) == (thread_id, "please do")
    assert (thread.model, thread.originator) == ("gpt-5.5", "codex_exec")
    assert (thread.cli_version, thread.thread_source) == ("0.169.0", "user")


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ('"vscode"', ("vscode", "vscode")),
        ('"mcp"', ("mcp", "appServer")),
        ('"later"', ("later", "unknown")),
        ('{"custom":"atlas"}', ("atlas", "custom")),
        ('{"subagent":"review"}', ("subagent", "subAgentReview")),
        ('{"subagent":{"thread_spawn":{"depth":1}}}', ("subagent", "subAgentThreadSpawn")),
        ('{"subagent":{"other":"x"}}', ("subagent", "subAgentOther")),
        ("null", ("", "unknown")),
        ("[1]", ("", "unknown")),
    ],
)
def test_sources(source: str, found: tuple[str, str]) -> None:
    assert source_of(Raw(source.encode())) == found


def test_reverted_turns_do_not_count(tmp_path: Path, library: Library) -> None:
    thread_id = stored(tmp_path, "first", "second")
    assert library.thread(thread_id).preview == "first"
    store = RolloutStore(str(tmp_path))
    file, _ = store.resume(thread_id)
    file.append(TurnsReverted("turn-0", 2))
    assert library.list(ListQuery()).threads == ()
    file.append_many(spoken("turn-9", "third"))
    file.close()
    (thread,) = library.list(ListQuery()).threads
    assert thread.preview == "third"


# --- names ---------------------------------------------------------------------------------


def test_a_name_is_a_line_of_codex(tmp_path: Path, library: Library) -> None:
    thread_id = stored(tmp_path, "x")
    assert library.rename(thread_id, "  spaced  name ") == "spaced  name"
    library.rename(thread_id, "newer")
    lines = (tmp_path / "session_index.jsonl").read_text().splitlines()
    assert json.loads(lines[0])["thread_name"] == "spaced  name"
    assert set(json.loads(lines[1])) == {"id", "thread_name", "updated_at"}
    assert library.thread(thread_id).name == "newer"
    assert os.stat(tmp_path / "session_index.jsonl").st_mode & 0o777 == 0o600
    assert library.find("newer") == thread_id
    with pytest.raises(UsageError, match=r"^No active session found matching 'spaced  name'\.$"):
        library.find("spaced  name", archived=False)
    with pytest.raises(UsageError, match=r"^thread name must not be empty$"):
        library.rename(thread_id, " ")
    unknown = IDS.new()
    with pytest.raises(UsageError, match=rf"^no rollout found for thread id {unknown}$"):
        library.rename(unknown, "x")


def test_a_name_of_two_threads_is_refused_and_an_id_wins(tmp_path: Path, library: Library) -> None:
    a, b = stored(tmp_path, "a"), stored(tmp_path, "b")
    library.rename(a, "dup")
    library.rename(b, "dup")
    with pytest.raises(UsageError, match=rf"^Multiple sessions match 'dup' .including {a} and {b}"):
        library.find("dup")
    library.rename(a, b)
    assert library.find(b) == b
    assert library.find(b.upper()) == b


def test_a_torn_line_of_names_costs_only_itself(tmp_path: Path, library: Library) -> None:
    thread_id = stored(tmp_path, "x")
    (tmp_path / "session_index.jsonl").write_text('junk\n{"id":"a","thread_na')
    library.rename(thread_id, "good")
    assert library.find("good") == thread_id


# --- moving and deleting -------------------------------------------------------------------


def test_archive_and_back(tmp_path: Path, library: Library) -> None:
    thread_id = stored(tmp_path, "x")
    before = Path(library.path(thread_id))
    content = before.read_bytes()
    library.archive(thread_id)
    there = tmp_path / "archived_sessions" / before.name
    assert there.read_bytes() == content
    assert not before.exists()
    assert library.list(ListQuery()).threads == ()
    (thread,) = library.list(ListQuery(archived=True)).threads
    assert (thread.id, thread.archived) == (thread_id, True)
    with pytest.raises(UsageError, match=rf"^no rollout found for thread id {thread_id}$"):
        library.archive(thread_id)
    library.unarchive(thread_id)
    assert before.read_bytes() == content
    with pytest.raises(UsageError, match=rf"^no archived rollout found for thread id {thread_id}$"):
        library.unarchive(thread_id)


def test_nothing_is_written_over(tmp_path: Path, library: Library) -> None:
    thread_id = stored(tmp_path, "x")
    path = Path(library.path(thread_id))
    target = tmp_path / "archived_sessions" / path.name
    target.parent.mkdir()
    target.write_text("precious")
    with pytest.raises(UsageError, match="exists already"):
        library.archive(thread_id)
    assert target.read_text() == "precious"
    assert path.exists()


def test_delete_leaves_nothing(tmp_path: Path, library: Library) -> None:
    thread_id, other = stored(tmp_path, "x"), stored(tmp_path, "y")
    library.rename(thread_id, "secret name")
    library.rename(other, "kept")
    library.set_metadata(thread_id, GitInfo("1", "secret branch"))
    library.delete(thread_id)
    left = [path for path in tmp_path.rglob("*") if path.is_file()]
    for path in left:
        assert thread_id not in path.name
        assert thread_id not in path.read_text()
    assert library.find("kept") == other
    with pytest.raises(UsageError, match=rf"^no rollout found for thread id {thread_id}$"):
        library.delete(thread_id)


def test_a_thread_that_is_written_stays(tmp_path: Path, library: Library) -> None:
    thread_id = stored(tmp_path, "x")
    lock = WriterLock(str(tmp_path), thread_id)
    for change in (library.archive, library.delete):
        with pytest.raises(UsageError, match="is being written by process"):
            change(thread_id)
    lock.release()
    library.archive(thread_id)


def test_the_commit_can_be_set(tmp_path: Path, library: Library) -> None:
    thread_id = stored(tmp_path, "x")
    library.set_metadata(thread_id, GitInfo("1", "feature", "https://e.org/x"))
    assert library.thread(thread_id).git == GitInfo("1", "feature", "https://e.org/x")
    library.set_metadata(thread_id, None)
    assert library.thread(thread_id).git is None


def test_a_thread_that_cannot_be_read_says_so(tmp_path: Path, library: Library) -> None:
    thread_id = stored(tmp_path, "x")
    Path(library.path(thread_id)).write_text("junk\n")
    with pytest.raises(RolloutError, match="the first line is no readable session_meta line"):
        library.thread(thread_id)


@pytest.mark.parametrize("bad", ["", "zzz", "../../etc/passwd", "a" * 36, "01a1f874"])
def test_what_is_no_id_is_refused(library: Library, bad: str) -> None:
    for change in (library.archive, library.unarchive, library.delete, library.thread):
        with pytest.raises(UsageError):
            change(bad)
