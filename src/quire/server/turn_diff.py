"""What a turn changed by patches so far, as one git diff (row L16)."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator

from quire.protocol.events import FileTexts

MAX_LINES = 20_000
"""A larger file is shown as one that differs, without its lines."""
_NONE = "0" * 40


class TurnDiff:
    """Keeps the content that each file had before the turn first changed it, and the newest."""

    def __init__(self, cwd: str) -> None:
        self._cwd = cwd
        self._files: dict[str, FileTexts] = {}

    def add(self, files: Iterable[FileTexts]) -> None:
        for file in files:
            known = self._files.get(file.path)
            before = file.before if known is None else known.before
            self._files[file.path] = FileTexts(file.path, before, file.after)

    def text(self) -> str:
        """By path; empty when nothing is different from before."""
        changed = [file for file in self._files.values() if file.before != file.after]
        return "".join(part for file in sorted(changed, key=_path_of) for part in self._lines(file))

    def _lines(self, file: FileTexts) -> Iterator[str]:
        name = os.path.relpath(file.path, self._cwd)
        if name.startswith(".."):
            name = file.path.lstrip("/")
        yield f"diff --git a/{name} b/{name}\n"
        if file.before is None:
            yield "new file mode 100644\n"
        if file.after is None:
            yield "deleted file mode 100644\n"
        yield f"index {_blob(file.before)}..{_blob(file.after)}\n"
        old = f"a/{name}" if file.before is not None else "/dev/null"
        new = f"b/{name}" if file.after is not None else "/dev/null"
        before, after = _text_lines(file.before), _text_lines(file.after)
        if before is None or after is None:
            yield f"Binary files {old} and {new} differ\n"
        elif before or after:
            yield from _hunks(before, after, old, new)


def _hunks(before: list[str], after: list[str], old: str, new: str) -> Iterator[str]:
    import difflib

    for line in difflib.unified_diff(before, after, old, new):
        yield line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n"


def _text_lines(data: bytes | None) -> list[str] | None:
    """The lines with their ends; None for what is no text or too much of it."""
    if data is None:
        return []
    if b"\0" in data or data.count(b"\n") > MAX_LINES:
        return None
    try:
        lines = [line + "\n" for line in data.decode().split("\n")]
    except UnicodeDecodeError:
        return None
    lines[-1] = lines[-1][:-1]
    return lines if lines[-1] else lines[:-1]


def _blob(data: bytes | None) -> str:
    """The name that Git gives this content."""
    import hashlib

    if data is None:
        return _NONE
    head = b"blob %d\0" % len(data)
    return hashlib.sha1(head + data, usedforsecurity=False).hexdigest()


def _path_of(file: FileTexts) -> str:
    return file.path
