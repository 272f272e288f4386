"""Stored threads as people see them: listed, found, named, put aside, deleted."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import Raw

from quire.core.errors import RolloutError, UsageError
from quire.protocol.items import InputText, Message, encode_item
from quire.protocol.policy import TurnContext
from quire.protocol.records import (
    GitInfo,
    ItemAdded,
    ItemCompleted,
    Record,
    SessionMeta,
    TurnCompleted,
    TurnSettings,
    TurnsReverted,
    TurnStarted,
)
from quire.protocol.stored import ListQuery, StoredThread
from quire.protocol.thread import AgentMessageItem, UserMessageItem
from quire.rollout.heads import source_of
from quire.rollout.ids import UuidSource
from quire.rollout.library import Library
from quire.rollout.locks import WriterLock
from quire.rollout.store import RolloutStore

SAMPLES = Path(__file__).parent / "rollout_samples"
IDS = UuidSource()
NAME = """
import sys
from quire.rollout.notes import ThreadName, thread_names
home, kept, gone, who = sys.argv[1:]
names = thread_names(home)
for number in range(40):
    names.add(ThreadName(kept, f"{who}{number}"))
    names.add(ThreadName(gone, "gone"))
    names.remove(gone)
"""


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
    other = Path(library.thread(good).path).read_bytes()
    (folder / f"rollout-2026-11-20T10-00-00-{IDS.new()}.jsonl").write_bytes(other)
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


def test_a_message_without_words_has_a_preview(tmp_path: Path, library: Library) -> None:
    shown = ItemCompleted("t", UserMessageItem("i", "", ("/w/x.png",)), 1, 1)
    thread_id = conversation(tmp_path, TurnStarted("t", 1, 1000), shown)
    assert [(t.id, t.preview) for t in library.list(ListQuery()).threads] == [
        (thread_id, "[Image]")
    ]


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


def test_what_a_fork_of_codex_continues_stays(tmp_path: Path, library: Library) -> None:
    thread_id = stored(tmp_path, "x")
    origin = {"thread_id": thread_id, "end_ordinal_exclusive": 3}
    fork = IDS.new()
    path = tmp_path / f"sessions/2026/11/20/rollout-2026-11-20T10-16-07-{fork}.jsonl"
    path.parent.mkdir(parents=True, exist_ok=True)
    meta = {"id": fork, "history_base": origin}
    path.write_text(json.dumps({"type": "session_meta", "payload": meta}) + "\n")
    with pytest.raises(UsageError, match="forked history still references it"):
        library.delete(thread_id)
    library.delete(fork)
    library.delete(thread_id)
    assert not list(tmp_path.rglob("*.jsonl"))


def test_several_processes_name_and_forget(tmp_path: Path, library: Library) -> None:
    """While one process takes names out, none that another adds is lost."""
    kept, gone = stored(tmp_path, "x"), stored(tmp_path, "y")
    running = [
        subprocess.Popen([sys.executable, "-c", NAME, str(tmp_path), kept, gone, who])
        for who in "abc"
    ]
    assert [process.wait(30) for process in running] == [0, 0, 0]
    lines = (tmp_path / "session_index.jsonl").read_text().splitlines()
    names = [json.loads(line)["thread_name"] for line in lines]
    assert sorted(names) == sorted(f"{who}{number}" for who in "abc" for number in range(40))


def test_names_that_cannot_be_written_say_so(tmp_path: Path, library: Library) -> None:
    thread_id = stored(tmp_path, "x")
    (tmp_path / "session_index.jsonl").mkdir()
    with pytest.raises(RolloutError, match=r"cannot write .*session_index\.jsonl"):
        library.rename(thread_id, "x")
    assert library.thread(thread_id).name is None


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


# --- turns and words -----------------------------------------------------------------------


def said(turn_id: str, text: str, answer: str) -> list[Record]:
    start, settings_, user, end = spoken(turn_id, text)
    agent = ItemCompleted(turn_id, AgentMessageItem(f"answer-{turn_id}", answer), 2, 2)
    return [start, settings_, user, agent, end]


def conversation(home: Path, *records: Record) -> str:
    thread_id = IDS.new()
    file = RolloutStore(str(home)).create(thread_id)
    file.append(SessionMeta(thread_id=thread_id, timestamp="", cwd="/w", source="cli"))
    file.append_many(records)
    file.close()
    return thread_id


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(-3, 3), min_size=1, max_size=8), st.integers(1, 9))
def test_the_newest_turns_are_the_end_of_all(
    tmp_path_factory: pytest.TempPathFactory, steps: list[int], count: int
) -> None:
    home = tmp_path_factory.mktemp("home")
    log: list[Record] = []
    left: list[str] = []
    for number, step in enumerate(steps):
        if step < 0 and left:
            gone = left[max(0, len(left) + step) :]
            log.append(TurnsReverted(gone[0] if step > -3 else None, len(gone)))
            del left[len(left) - len(gone) :]
        log += said(f"turn-{number}", "x" * 300_000 if step == 3 else "q", "a")
        left.append(f"turn-{number}")
    thread_id = conversation(home, *with_messages(log))
    library = Library(str(home))
    shown = library.turn_records(thread_id)
    assert [r.turn_id for r in shown if isinstance(r, TurnStarted)] == left
    assert len(shown) == 4 * len(left)
    assert library.turn_records(thread_id, newest=count) == shown[-4 * count :]


def with_messages(log: list[Record]) -> list[Record]:
    """What reverts without a turn's name count."""
    message = ItemAdded(encode_item(Message("user", (InputText("q"),))), "user")
    out: list[Record] = []
    for record in log:
        out += [record, message] if isinstance(record, TurnStarted) else [record]
    return out


def test_an_open_turn_is_shown_as_far_as_it_came(tmp_path: Path, library: Library) -> None:
    thread_id = conversation(tmp_path, *said("a", "q", "a")[:-1])
    shown = library.turn_records(thread_id)
    assert [type(record) for record in shown] == [TurnStarted, ItemCompleted, ItemCompleted]
    assert library.turn_records(thread_id, newest=0) == []
    with open(library.path(thread_id), "ab") as file:
        file.write(b'junk\n{"type":"event_msg","payl')
    assert library.turn_records(thread_id, newest=1) == shown == library.turn_records(thread_id)


def test_words_are_found_in_what_was_said(tmp_path: Path, library: Library) -> None:
    a = conversation(tmp_path, *said("a", "About  GIRAFFES\nand zebras", "an answer"))
    b = conversation(tmp_path, *said("b", "x " * 100 + "giraffes" + " y" * 100, "été"))
    taken_back = [*said("c", "kept", "k"), *said("d", "giraffes", "g"), TurnsReverted("d", 1)]
    conversation(tmp_path, *taken_back)

    def hits(text: str, query: ListQuery | None = None) -> list[tuple[str, str]]:
        page = library.search(text, query or ListQuery())
        return [(hit.thread.id, hit.snippet) for hit in page.hits]

    (first, long), second = hits("giraffes")
    assert first == b
    assert long.startswith("... x x")
    assert long.endswith("y ...")
    assert second == (a, "About GIRAFFES and zebras")
    assert hits("about giraffes and") == [(a, "About GIRAFFES and zebras")]
    assert [thread_id for thread_id, _ in hits("ÉTÉ")] == [b]
    assert hits("thread_id") == []
    assert hits("question_mark") == []
    with pytest.raises(UsageError, match="requires a non-empty searchTerm"):
        hits(" \n")
    page = library.search("giraffes", ListQuery(limit=1))
    assert [hit.thread.id for hit in page.hits] == [b]
    page = library.search("giraffes", ListQuery(limit=1, cursor=page.next_cursor))
    assert [hit.thread.id for hit in page.hits] == [a]
    assert (
        page.next_cursor is None
        or not library.search("giraffes", ListQuery(cursor=page.next_cursor)).hits
    )


def test_each_place_in_a_thread(tmp_path: Path, library: Library) -> None:
    thread_id = conversation(tmp_path, *said("a", "🦒 one, two one", "ONE"))
    found = list(library.occurrences(thread_id, "one"))
    assert [(place.turn_id, place.item_id) for place in found] == [
        ("a", "item-a"),
        ("a", "item-a"),
        ("a", "answer-a"),
    ]
    units = found[0].snippet.encode("utf-16-le")
    assert units[found[0].start * 2 : found[0].end * 2].decode("utf-16-le") == "one"


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(["codex-0.169", "codex-0.169-image"]), st.data())
def test_damage_never_breaks_a_list(
    tmp_path_factory: pytest.TempPathFactory, sample: str, data: st.DataObject
) -> None:
    home = tmp_path_factory.mktemp("home")
    good = conversation(home, *said("a", "good", "g"))
    content = bytearray((SAMPLES / f"{sample}.jsonl").read_bytes())
    places = st.integers(0, len(content) - 1)
    for place in data.draw(st.lists(places, min_size=1, max_size=20)):
        content[place] = data.draw(st.integers(0, 255))
    del content[data.draw(places) :]
    first = json.loads((SAMPLES / f"{sample}.jsonl").read_text().partition("\n")[0])
    thread_id = first["payload"]["id"]
    folder = home / "sessions/2026/11/20"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"rollout-2026-11-20T10-16-07-{thread_id}.jsonl").write_bytes(content)
    library = Library(str(home))
    assert good in ids(library.list(ListQuery()).threads)
    assert [hit.thread.id for hit in library.search("good", ListQuery()).hits] == [good]
    for read in (library.thread, library.turn_records, library.records):
        try:
            read(thread_id)
        except RolloutError as exc:
            assert "\n" not in str(exc)
