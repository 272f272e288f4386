"""Changes of files as the diffs that clients show: old and new text."""

from __future__ import annotations

from collections.abc import Iterable

from msgspec import Struct

from quire.protocol.rpc.items import (
    AddPatchChangeKind,
    DeletePatchChangeKind,
    FileUpdateChange,
    UpdatePatchChangeKind,
)


class Hunk(Struct, frozen=True):
    """A changed part of a file with the lines around it; `line` is where it begins, from 1."""

    old: str
    new: str
    line: int


class Edit(Struct, frozen=True):
    """`old` is None for a new file."""

    path: str
    old: str | None
    new: str
    line: int | None = None


def edits(changes: Iterable[FileUpdateChange]) -> list[Edit]:
    """One for a file that is added or deleted, one for each hunk of one that is changed: its whole
    text is not in the event."""
    found: list[Edit] = []
    for change in changes:
        match change.kind:
            case AddPatchChangeKind():
                found.append(Edit(change.path, None, change.diff))
            case DeletePatchChangeKind():
                found.append(Edit(change.path, change.diff, ""))
            case UpdatePatchChangeKind(move_path=moved):
                path = moved or change.path
                found += [Edit(path, h.old, h.new, h.line) for h in hunks(change.diff)]
    return found


def hunks(diff: str) -> list[Hunk]:
    """The hunks of a unified diff of one file. What stands before the first is passed over."""
    found: list[Hunk] = []
    sides: tuple[list[str], list[str]] = ([], [])
    newest: tuple[list[str], ...] = ()  # The sides that the last line belongs to.
    line: int | None = None
    for text in [*_lines(diff), "@@"]:
        if text.startswith("@@"):
            if line is not None:
                found.append(Hunk("".join(sides[0]), "".join(sides[1]), line))
            sides, newest, line = ([], []), (), _start(text)
        elif line is not None and text.startswith("\\"):
            for side in newest:
                side[-1] = side[-1].removesuffix("\n")
        elif line is not None:
            newest = {"-": sides[:1], "+": sides[1:]}.get(text[:1], sides)
            for side in newest:
                side.append(text[1:] if text[:1] in "-+ " else text)
    return found


def _lines(text: str) -> list[str]:
    """Lines end with \\n alone: others are part of what a file may hold."""
    return [f"{line}\n" for line in text.removesuffix("\n").split("\n")] if text else []


def _start(header: str) -> int:
    """Where the new text begins, out of `@@ -1,2 +3,4 @@`."""
    for word in header.split():
        digits = word[1:].partition(",")[0]
        if word.startswith("+") and digits.isdecimal():
            return max(int(digits), 1)
    return 1
