"""Turns out of a thread's records, and pages of them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Struct
from msgspec.structs import replace

from quire.protocol import records, thread
from quire.protocol.rpc.values import SortDirection
from quire.server.errors import InvalidRequest
from quire.server.paging import Page, PageRequest, named_place, newest_page, page
from quire.server.turn_views import entries_of, turn_view, turns_of


def said(turn_id: str, *items: thread.ThreadItem) -> list[records.Record]:
    return [records.ItemCompleted(turn_id, item, 3, 4) for item in items]


LOG: list[records.Record] = [
    records.TurnStarted("a", 10, 1000),
    *said(
        "a",
        thread.UserMessageItem("u1", "one"),
        thread.AgentMessageItem("m1", "begin"),
        thread.TodoListItem("p", ()),
        thread.FileChangeItem("f", (), "completed"),
        thread.AgentMessageItem("m2", "end"),
    ),
    records.TurnCompleted(turn_id="a", status="completed", completed_at=12, duration_ms=2000),
    records.TurnStarted("b", 20, 1000),
    *said("b", thread.UserMessageItem("u2", "two")),
    records.TurnCompleted(
        turn_id="b", status="failed", error=thread.ErrorInfo("no", "unauthorized"), completed_at=21
    ),
    records.TurnStarted("c", 30, 1000),
    *said("c", thread.UserMessageItem("u3", "three")),
]


def test_turns_hold_their_items_and_ends() -> None:
    first, second, third = turns_of(LOG)
    assert [item.id for item in first.items] == ["u1", "m1", "f", "m2"]
    assert (first.status, first.started_at, first.completed_at) == ("completed", 10, 12)
    assert first.duration_ms == 2000
    assert second.error is not None
    assert second.error.codex_error_info == "unauthorized"
    assert (third.status, third.completed_at) == ("interrupted", None)
    assert {turn.items_view for turn in (first, second, third)} == {"full"}


def test_the_running_turn_is_in_progress() -> None:
    assert [turn.status for turn in turns_of(LOG, running="c")][-1] == "inProgress"


def test_reverted_turns_do_not_count() -> None:
    assert [turn.id for turn in turns_of([*LOG, records.TurnsReverted("b")])] == ["a"]


def test_a_summary_is_the_question_and_the_last_word() -> None:
    (first, *_) = turns_of(LOG)
    assert [item.id for item in turn_view(first, "summary").items] == ["u1", "m2"]
    bare = turn_view(first, "notLoaded")
    assert (bare.items, bare.items_view, bare.status) == ((), "notLoaded", "completed")


def test_items_know_their_turn() -> None:
    entries = entries_of(turns_of(LOG))
    assert [(entry.turn_id, entry.item.id) for entry in entries] == [
        *(("a", name) for name in ("u1", "m1", "f", "m2")),
        ("b", "u2"),
        ("c", "u3"),
    ]
    assert (entries[0].started_at_ms, entries[0].completed_at_ms) == (3, 4)


def asked(direction: SortDirection, cursor: str | None, limit: int | None) -> PageRequest:
    return PageRequest(thread_id="t", kind="turns", direction=direction, cursor=cursor, limit=limit)


@given(st.integers(0, 40), st.integers(1, 12), st.booleans())
def test_pages_show_every_entry_once(length: int, limit: int, backwards: bool) -> None:
    direction: SortDirection = "desc" if backwards else "asc"
    entries = range(length)
    seen: list[int] = []
    cursor: str | None = None
    last = Page[int](())
    while True:
        last = page(entries, asked(direction, cursor, limit))
        seen += last.data
        cursor = last.next_cursor
        if cursor is None:
            break
    assert seen == list(reversed(entries) if backwards else entries)
    if last.data:
        other: SortDirection = "asc" if backwards else "desc"
        back = page(entries, asked(other, last.backwards_cursor, 100))
        assert back.data[0] == last.data[0]


def test_a_cursor_stays_right_while_the_list_grows() -> None:
    first = page(range(5), asked("asc", None, 5))
    assert first.next_cursor is None
    newest = page(range(5), asked("desc", None, 2))
    assert page(range(9), asked("desc", newest.next_cursor, 2)).data == (2, 1)
    assert page(range(9), asked("asc", newest.backwards_cursor, 9)).data == (4, 5, 6, 7, 8)


def test_a_page_can_begin_after_an_entry() -> None:
    assert page(range(9), asked("asc", None, 2), after=4).data == (5, 6)
    assert page(range(9), asked("desc", None, 2), after=4).data == (3, 2)


@pytest.mark.parametrize("cursor", ["junk", "{}", "[1]", "é"])
def test_a_foreign_cursor_is_refused(cursor: str) -> None:
    with pytest.raises(InvalidRequest, match="invalid cursor"):
        page(range(3), asked("asc", cursor, 1))


def test_a_cursor_of_another_thread_is_refused() -> None:
    cursor = page(range(3), asked("asc", None, 1)).next_cursor
    request = PageRequest(thread_id="x", kind="turns", direction="asc", cursor=cursor)
    with pytest.raises(InvalidRequest):
        page(range(3), request)


def test_a_page_has_at_least_one_and_at_most_a_hundred_entries() -> None:
    assert len(page(range(500), asked("asc", None, 0)).data) == 1
    assert len(page(range(500), asked("asc", None, 4000)).data) == 100
    assert len(page(range(500), asked("asc", None, None)).data) == 25


def test_a_negative_limit_is_refused() -> None:
    with pytest.raises(InvalidRequest, match="integer `-1`, expected u32"):
        page(range(3), asked("asc", None, -1))


class Named(Struct, frozen=True):
    id: str


@given(st.integers(0, 12), st.integers(1, 5))
def test_the_newest_page_leads_to_all_others(total: int, limit: int) -> None:
    """Read from the end of a log, of which only the newest entries are known at first."""
    entries = [Named(str(number)) for number in range(total)]
    asked = PageRequest(thread_id="t", kind="turns", direction="desc", limit=limit)
    found = newest_page(entries[-(limit + 1) :], asked)
    first, back = found.data, found.backwards_cursor
    seen = list(found.data)
    entries.append(Named("later"))  # The list grows, and the cursors stay right.
    while found.next_cursor is not None:
        onward = replace(asked, cursor=found.next_cursor)
        found = page(entries, named_place(entries, onward))
        assert len(found.data) <= limit
        seen += found.data
    assert seen == entries[-2::-1]
    if first:
        assert back is not None
        onward = replace(asked, cursor=back, direction="asc", limit=2)
        again = page(entries, named_place(entries, onward))
        assert again.data == (first[0], entries[-1])


def test_a_cursor_that_names_nothing_is_refused() -> None:
    asked = PageRequest(thread_id="t", kind="turns", direction="desc", limit=1)
    found = newest_page([Named("a"), Named("b")], asked)
    onward = replace(asked, cursor=found.next_cursor)
    with pytest.raises(InvalidRequest, match="invalid cursor"):
        named_place([Named("c")], onward)
