"""A reviewer's answer: strict reading, the text for people, and what the diff does not touch."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quire.protocol.review import (
    OUTSIDE,
    DroppedFinding,
    Patch,
    ReviewOutput,
    review_text,
    worst_priority,
)
from quire.review.findings import keep_within, read_answer

SAMPLES = json.loads((Path(__file__).parent / "data/review_answers.json").read_text())
DIFF = (
    b"diff --git a/f.py b/f.py\n--- a/f.py\n+++ b/f.py\n@@ -4,2 +4,3 @@\n x\n-y\n+z\n+z\n"
    b"diff --git a/sub b/sub\nindex 1..2 160000\n--- a/sub\n+++ b/sub\n@@ -1 +1 @@\n-a\n+b\n"
)
PATCH = Patch(("/repo", "/link/repo"), DIFF, ("new.txt", "nested/"))


def finding(**changes: object) -> dict[str, object]:
    place = {"absolute_file_path": "/repo/f.py", "line_range": {"start": 5, "end": 6}}
    base = {"title": "[P1] T", "body": "B", "confidence_score": 0.8, "priority": 1}
    return {**base, "code_location": place, **changes}


def at(path: str, start: int, end: int) -> dict[str, object]:
    lines = {"start": start, "end": end}
    return finding(code_location={"absolute_file_path": path, "line_range": lines})


def answer(*findings: object, **changes: object) -> str:
    overall = {
        "overall_correctness": "patch is incorrect",
        "overall_explanation": "It breaks.",
        "overall_confidence_score": 0.9,
    }
    return json.dumps({"findings": findings, **overall, **changes})


def read(text: str) -> ReviewOutput:
    output = read_answer(text)
    assert output is not None
    return output


@pytest.mark.parametrize("sample", SAMPLES, ids=[sample["name"] for sample in SAMPLES])
def test_the_text_is_that_of_codex(sample: dict[str, str]):
    assert review_text(read_answer(sample["answer"])) == sample["shown"]


@pytest.mark.parametrize("text", ["", "  \n"])
def test_no_words_are_no_answer(text: str):
    assert read_answer(text) is None
    assert review_text(None) == "Reviewer failed to output a response."


def test_all_members_are_kept():
    output = read(answer(finding(), finding(title="[P3] U", priority=None)))
    assert [one.priority for one in output.findings] == [1, 3]
    assert output.findings[0].confidence_score == 0.8
    assert output.overall_correctness == "patch is incorrect"
    assert output.overall_confidence_score == 0.9
    assert output.dropped == ()


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        ({"title": "x" * 81}, "length <= 80"),
        ({"title": ""}, "length >= 1"),
        ({"title": "a\nb"}, "more than one line"),
        ({"body": None}, "Expected `str`"),
        ({"confidence_score": 1.1}, "<= 1"),
        ({"confidence_score": "0.8"}, "Expected `float`"),
        ({"priority": 4}, "<= 3"),
        ({"priority": 1.5}, "Expected `int"),
        ({"code_location": {}}, "absolute_file_path"),
        ({"code_location": {"absolute_file_path": "/repo/f.py"}}, "line_range"),
    ],
)
def test_a_malformed_finding_is_dropped_with_its_reason(wrong: dict[str, object], reason: str):
    output = read(answer(finding(**wrong), finding()))
    assert len(output.findings) == 1
    (dropped,) = output.dropped
    assert dropped.malformed
    assert reason in dropped.reason


@pytest.mark.parametrize(("start", "end"), [(0, 1), (-1, 1), (3, 2)])
def test_impossible_lines_are_malformed(start: int, end: int):
    assert read(answer(at("/repo/f.py", start, end))).dropped[0].malformed


def test_what_is_no_finding_at_all_is_dropped_too():
    output = read(answer(1, None, "x", []))
    assert output.findings == ()
    assert len(output.dropped) == 4


def test_wrong_overall_members_cost_no_finding():
    output = read(answer(finding(), overall_explanation=3, overall_confidence_score=7))
    assert len(output.findings) == 1
    assert (output.overall_explanation, output.overall_confidence_score) == ("", 0.0)


@pytest.mark.parametrize(
    ("path", "start", "end", "kept"),
    [
        ("/repo/f.py", 5, 6, "/repo/f.py"),
        ("/repo/f.py", 1, 5, "/repo/f.py"),
        ("/repo/f.py", 6, 99, "/repo/f.py"),
        ("/link/repo/f.py", 5, 5, "/repo/f.py"),
        ("f.py", 5, 5, "/repo/f.py"),
        ("/repo/./x/../f.py", 5, 5, "/repo/f.py"),
        ("/repo/new.txt", 700, 700, "/repo/new.txt"),
        ("/repo/nested/deep/a.c", 1, 1, "/repo/nested/deep/a.c"),
        ("/repo/sub/a.c", 9, 9, "/repo/sub/a.c"),
        ("/repo/f.py", 4, 4, None),
        ("/repo/f.py", 7, 9, None),
        ("/repo/other.py", 5, 5, None),
        ("/repository/f.py", 5, 5, None),
        ("/elsewhere/f.py", 5, 5, None),
        ("../repo/f.py", 5, 5, None),
        ("/repo", 1, 1, None),
        ("/repo/f.py\0", 5, 5, None),
        ("/repo/new.txt/below", 1, 1, None),
    ],
)
def test_only_what_the_diff_touches_is_kept(path: str, start: int, end: int, kept: str | None):
    output = keep_within(read(answer(at(path, start, end))), PATCH)
    if kept is None:
        assert output.findings == ()
        assert output.dropped == (DroppedFinding("[P1] T", OUTSIDE),)
    else:
        assert output.findings[0].code_location.absolute_file_path == kept
        assert output.dropped == ()


def test_the_text_counts_what_was_dropped():
    output = read(answer(finding(), at("/x", 1, 1), at("/y", 1, 1), finding(title="")))
    text = review_text(keep_within(output, PATCH))
    assert text.endswith("  B\n\n(3 findings left out: 2 outside the diff, 1 malformed)")
    assert "Review comment:" in text
    only = review_text(read(answer(finding(title=""), overall_explanation="")))
    assert only == "(1 finding left out: malformed)"


@pytest.mark.parametrize(
    ("priorities", "worst"), [((), None), ((3,), 3), ((2, 0), 0), ((None,), 2), ((3, None), 2)]
)
def test_the_worst_priority(priorities: tuple[int | None, ...], worst: int | None):
    findings = [finding(title="T", priority=priority) for priority in priorities]
    assert worst_priority(read(answer(*findings))) == worst


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)


@given(
    st.text()
    | st.builds(json.dumps, JSON)
    | st.builds(lambda parts: answer(*parts), st.lists(JSON))
    | st.builds(
        lambda key, value: answer(finding(**{key: value})),
        st.sampled_from(["title", "body", "confidence_score", "priority", "code_location"]),
        JSON,
    )
)
def test_any_text_is_read_and_shown(text: str):
    output = read_answer(text)
    if output is None:
        assert not text.strip()
        return
    checked = keep_within(output, PATCH)
    assert len(checked.findings) + len(checked.dropped) == len(output.findings) + len(
        output.dropped
    )
    assert review_text(checked).strip()
    for one in checked.findings:
        assert len(one.title) <= 80
        assert 0 <= one.confidence_score <= 1
        assert one.priority in (None, 0, 1, 2, 3)


@pytest.mark.parametrize("text", ["[" * 100_000, '{"findings":' * 100_000, '{"findings": [' * 9999])
def test_deep_text_is_read(text: str):
    assert review_text(read_answer(text)) == text
