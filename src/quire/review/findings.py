"""A reviewer's answer: read strictly, and held against the diff.

The answer is the JSON of row V4 (Codex 0.169), alone or inside other words. A finding that breaks
the format, or that is about lines the diff does not touch, is dropped and counted.
"""

from __future__ import annotations

import posixpath
from typing import Annotated

import msgspec
from msgspec import Meta, Raw, Struct
from msgspec.structs import replace

from quire.protocol.review import (
    OUTSIDE,
    CodeLocation,
    DroppedFinding,
    Finding,
    LineRange,
    Patch,
    ReviewOutput,
)
from quire.review.diff import Lines, changed_lines

MAX_TITLE = 80


class _Range(Struct, frozen=True):
    start: Annotated[int, Meta(ge=1)]
    end: Annotated[int, Meta(ge=1)]


class _Location(Struct, frozen=True):
    absolute_file_path: Annotated[str, Meta(min_length=1)]
    line_range: _Range


class _Finding(Struct, frozen=True):
    title: Annotated[str, Meta(min_length=1, max_length=MAX_TITLE)]
    body: str
    confidence_score: Annotated[float, Meta(ge=0, le=1)]
    code_location: _Location
    priority: Annotated[int, Meta(ge=0, le=3)] | None = None


class _Answer(Struct, frozen=True):
    findings: list[Raw]
    overall_correctness: Raw = Raw(b"null")
    overall_explanation: Raw = Raw(b"null")
    overall_confidence_score: Raw = Raw(b"null")


class _Titled(Struct, frozen=True):
    title: str = ""


def read_answer(text: str) -> ReviewOutput | None:
    """What the reviewer said; None when it said nothing. Words that hold no JSON of the format
    are the explanation. Never raises."""
    text = text.encode("utf-8", "replace").decode().strip()
    if not text:
        return None
    answer = _answer(text)
    if answer is None:
        return ReviewOutput(overall_explanation=text)
    findings: list[Finding] = []
    dropped: list[DroppedFinding] = []
    for raw in answer.findings:
        one = _finding(raw)
        if isinstance(one, Finding):
            findings.append(one)
        else:
            dropped.append(one)
    return _with_dropped(
        ReviewOutput(
            findings=tuple(findings),
            overall_correctness=_text(answer.overall_correctness),
            overall_explanation=_text(answer.overall_explanation),
            overall_confidence_score=_score(answer.overall_confidence_score),
        ),
        dropped,
    )


def keep_within(output: ReviewOutput, patch: Patch) -> ReviewOutput:
    """The findings about lines that `patch` changes; the others are dropped. A relative path
    counts from the root of the repository. Never raises."""
    files = changed_lines(patch.diff)
    for path in patch.untracked:
        folder = path.endswith("/")
        files[path.rstrip("/")] = Lines([], whole=True, folder=folder)
    kept: list[Finding] = []
    dropped = list(output.dropped)
    for finding in output.findings:
        place = _place(finding.code_location, patch.roots)
        lines = finding.code_location.line_range
        if place is not None and _touched(files, place, lines):
            path = posixpath.join(patch.roots[0], place)
            kept.append(replace(finding, code_location=CodeLocation(path, lines)))
        else:
            dropped.append(DroppedFinding(finding.title, OUTSIDE))
    return _with_dropped(replace(output, findings=tuple(kept)), dropped)


def _with_dropped(output: ReviewOutput, dropped: list[DroppedFinding]) -> ReviewOutput:
    return replace(output, dropped_findings=tuple(dropped)) if dropped else output


def _answer(text: str) -> _Answer | None:
    """The whole text as JSON, else what stands between its first and its last brace."""
    for part in (text, text[text.find("{") : text.rfind("}") + 1]):
        try:
            return msgspec.json.decode(part, type=_Answer)
        except (msgspec.DecodeError, RecursionError, UnicodeError):
            continue
    return None


def _finding(raw: Raw) -> Finding | DroppedFinding:
    fault = ""
    try:
        found = msgspec.json.decode(raw, type=_Finding)
    except (msgspec.DecodeError, RecursionError, UnicodeError) as exc:
        return DroppedFinding(_title(raw), f"malformed: {_one_line(str(exc))}")
    lines = found.code_location.line_range
    if "\n" in found.title or "\r" in found.title:
        fault = "the title has more than one line"
    elif lines.end < lines.start:
        fault = f"lines {lines.start}-{lines.end} end before they start"
    if fault:
        return DroppedFinding(_one_line(found.title), f"malformed: {fault}")
    priority = _tagged(found.title) if found.priority is None else found.priority
    location = CodeLocation(
        found.code_location.absolute_file_path, LineRange(lines.start, lines.end)
    )
    return Finding(found.title, found.body, found.confidence_score, location, priority)


def _tagged(title: str) -> int | None:
    """The priority that a title starts with: `[P1] ...`."""
    tag = title[:4]
    is_tag = tag.startswith("[P") and tag.endswith("]") and tag[2:3] in ("0", "1", "2", "3")
    return int(tag[2]) if is_tag else None


def _title(raw: Raw) -> str:
    try:
        return _one_line(msgspec.json.decode(raw, type=_Titled).title)[:MAX_TITLE]
    except (msgspec.DecodeError, RecursionError, UnicodeError):
        return ""


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _text(raw: Raw) -> str:
    try:
        return msgspec.json.decode(raw, type=str)
    except (msgspec.DecodeError, RecursionError, UnicodeError):
        return ""


def _score(raw: Raw) -> float:
    try:
        return msgspec.json.decode(raw, type=Annotated[float, Meta(ge=0, le=1)])
    except (msgspec.DecodeError, RecursionError, UnicodeError):
        return 0.0


def _place(location: CodeLocation, roots: tuple[str, ...]) -> str | None:
    """The path below the root of the repository; None when it leads elsewhere."""
    path = posixpath.normpath(location.absolute_file_path.replace("\0", "\ufffd"))
    if not path.startswith("/"):
        return None if path.startswith("..") else path
    for root in roots:
        below = root.rstrip("/") + "/"
        if path.startswith(below):
            return path[len(below) :]
    return None


def _touched(files: dict[str, Lines], path: str, lines: LineRange) -> bool:
    known = files.get(path)
    if known is not None and known.overlap(lines.start, lines.end):
        return True
    folder = posixpath.dirname(path)
    while folder:
        known = files.get(folder)
        if known is not None and known.folder:
            return True
        folder = posixpath.dirname(folder)
    return False
