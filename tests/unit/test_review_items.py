"""The items of a review in a thread's log: as Codex 0.169 writes them, and as we do."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quire.protocol.records import ItemCompleted
from quire.protocol.thread import EnteredReviewItem, ExitedReviewItem, ThreadItem
from quire.rollout.decode import parse, record_of
from quire.rollout.lines import LineState, encode

SAMPLE = Path(__file__).parent / "rollout_samples" / "codex-0.169-review.jsonl"
FINE = "Fine.\n\nReview comment:\n\n- [P1] X — /w/proj/f.py:2-2\n  B1."


def line(item: ThreadItem) -> bytes:
    _, data = encode(LineState("t"), ItemCompleted("turn", item, 1, 2), 3.0)
    return data


def read(data: bytes) -> list[ThreadItem]:
    records = [record_of(parse(one)) for one in data.splitlines()]
    return [record.item for record in records if isinstance(record, ItemCompleted)]


def test_the_items_that_codex_wrote_are_read():
    items = [
        item
        for item in read(SAMPLE.read_bytes())
        if isinstance(item, EnteredReviewItem | ExitedReviewItem)
    ]
    assert [item.review for item in items] == [
        "current changes",
        FINE,
        "commit 1234567: T",
        "Reviewer failed to output a response.",
        "current changes",
        "never",
    ]
    first = items[0]
    assert isinstance(first, EnteredReviewItem)
    assert json.loads(first.target) == {"type": "uncommittedChanges"}
    last = items[1]
    assert isinstance(last, ExitedReviewItem)
    assert json.loads(last.output)["findings"][0]["title"] == "[P1] X"


def test_the_lines_have_the_members_of_codex():
    stored = json.loads(line(EnteredReviewItem("i", "current changes", '{"type":"x"}')))
    assert stored["payload"]["item"] == {
        "type": "EnteredReviewMode",
        "id": "i",
        "target": {"type": "x"},
        "user_facing_hint": "current changes",
    }
    stored = json.loads(line(ExitedReviewItem("i", "text")))
    assert stored["payload"]["item"] == {
        "type": "ExitedReviewMode",
        "id": "i",
        "review_output": None,
        "review": "text",
    }


@given(st.text(), st.sampled_from(["", '{"type":"uncommittedChanges"}', '{"a":[1,"é"]}']))
def test_items_come_back_as_they_were(text: str, more: str):
    for item in (EnteredReviewItem("i", text, more), ExitedReviewItem("i", text, more)):
        assert read(line(item)) == [item]


@pytest.mark.parametrize("output", ["3", '"x"', "[]", '{"findings":3}', "{}", "null"])
def test_an_output_of_any_shape_is_read(output: str):
    stored = json.loads(line(ExitedReviewItem("i", "")))
    del stored["payload"]["item"]["review"]
    stored["payload"]["item"]["review_output"] = json.loads(output)
    (item,) = read(json.dumps(stored, separators=(",", ":")).encode() + b"\n")
    assert isinstance(item, ExitedReviewItem)
    assert item.review == "Reviewer failed to output a response."
