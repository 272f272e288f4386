"""Finds the places of a patch's chunks in a file and gives the file's new bytes. Pure.

Works on bytes: what is not UTF-8 survives, and kept lines keep their own text and line ending.
Where to look, in which order, and the error texts are those of Codex 0.169. One thing differs:
a byte order mark does not hide the first line, and it stays.
"""

from __future__ import annotations

from quire.tools.patch_parser import WHITESPACE, Chunk

TYPE_CHECKING = False  # the command starts without `typing`
if TYPE_CHECKING:
    from collections.abc import Sequence

_BOM = b"\xef\xbb\xbf"
_PUNCTUATION = {
    **dict.fromkeys((*range(0x2010, 0x2016), 0x2212), "-"),
    **dict.fromkeys(range(0x2018, 0x201C), "'"),
    **dict.fromkeys(range(0x201C, 0x2020), '"'),
    **dict.fromkeys((0xA0, *range(0x2002, 0x200B), 0x202F, 0x205F, 0x3000), " "),
}


class MatchError(Exception):
    """A chunk has no place in the file. `str()` names the file and what was not found."""


class Edit:
    """Lines `start` to `end` (not included) of the old file become `new`. Lines are whole:
    with their line endings."""

    __slots__ = ("end", "new", "start")

    def __init__(self, start: int, end: int, new: list[bytes]) -> None:
        self.start = start
        self.end = end
        self.new = new


class Updated:
    """What an update makes of a file: its old lines and the edits in file order, both without a
    byte order `mark` that stays, and the new bytes."""

    __slots__ = ("data", "edits", "mark", "old")

    def __init__(self, old: list[bytes], edits: list[Edit], data: bytes, mark: bytes) -> None:
        self.old = old
        self.edits = edits
        self.data = data
        self.mark = mark

    @property
    def whole(self) -> bytes:
        """The old bytes."""
        return self.mark + b"".join(self.old)


def update(data: bytes, chunks: list[Chunk], shown_path: str) -> Updated:
    """Apply `chunks` to the bytes of a file. Raises `MatchError`."""
    mark = _BOM if data.startswith(_BOM) and not _mentions_bom(chunks) else b""
    old = data.removeprefix(mark).splitlines(True)
    newline = old[0][len(_bare(old[0])) :] if old else b""
    edits = _Finder(old, newline or b"\n", shown_path).edits(chunks)
    return Updated(old, edits, mark + b"".join(_new_lines(old, edits)), mark)


def _mentions_bom(chunks: list[Chunk]) -> bool:
    return any(sign != "+" and "\ufeff" in text for chunk in chunks for sign, text in chunk.lines)


def _new_lines(old: list[bytes], edits: list[Edit]) -> list[bytes]:
    lines: list[bytes] = []
    done = 0
    for edit in edits:
        lines += old[done : edit.start]
        lines += edit.new
        done = edit.end
    return lines + old[done:]


def _bare(line: bytes) -> bytes:
    return line.rstrip(b"\r\n")


class _Finder:
    """Walks through a file, chunk by chunk, never back."""

    def __init__(self, old: list[bytes], newline: bytes, shown_path: str) -> None:
        self._old = old
        self._newline = newline
        self._shown_path = shown_path
        self._views = _Views([_bare(line) for line in old])
        self._at = 0

    def edits(self, chunks: list[Chunk]) -> list[Edit]:
        inside: list[Edit] = []
        appended: list[bytes] = []
        for chunk in chunks:
            self._go_to_context(chunk)
            if all(sign == "+" for sign, _ in chunk.lines):
                appended += [self._line(text) for _, text in chunk.lines]
            else:
                inside += self._place(chunk)
        return self._ended(inside, appended)

    def _line(self, text: str) -> bytes:
        return text.encode("utf-8", "surrogatepass") + self._newline

    def _go_to_context(self, chunk: Chunk) -> None:
        if chunk.context is None:
            return
        found = self._views.find([chunk.context], self._at, False)
        if found is None:
            raise MatchError(f"Failed to find context '{chunk.context}' in {self._shown_path}")
        self._at = found + 1

    def _place(self, chunk: Chunk) -> list[Edit]:
        lines = chunk.lines
        wanted = [text for sign, text in lines if sign != "+"]
        found = self._views.find(wanted, self._at, chunk.at_end)
        if found is None and not wanted[-1]:
            lines = _without_last_blank(lines)
            shorter = [text for sign, text in lines if sign != "+"]
            found = self._views.find(shorter, self._at, chunk.at_end)
        if found is None:
            listing = "\n".join(wanted)
            raise MatchError(f"Failed to find expected lines in {self._shown_path}:\n{listing}")
        edits = self._edits_at(found, lines)
        self._at = found + sum(sign != "+" for sign, _ in lines)
        return edits

    def _edits_at(self, at: int, lines: list[tuple[str, str]]) -> list[Edit]:
        """The runs of changed lines in a chunk that was found at line `at`."""
        edits: list[Edit] = []
        for sign, text in lines:
            if sign == " ":
                at += 1
                continue
            if not edits or edits[-1].end != at:
                edits.append(Edit(at, at, []))
            if sign == "+":
                edits[-1].new.append(self._line(text))
            else:
                at += 1
                edits[-1].end = at
        return edits

    def _ended(self, edits: list[Edit], appended: list[bytes]) -> list[Edit]:
        """With what goes to the end of the file, and a line ending there."""
        size = len(self._old)
        if appended:
            edits.append(Edit(size, size, appended))
        ended = not self._old or _bare(self._old[-1]) != self._old[-1]
        if ended or any(edit.start < size == edit.end for edit in edits):
            return edits
        inside = [edit for edit in edits if edit.start < size]
        tail = [line for edit in edits if edit.start == size for line in edit.new]
        return [*inside, Edit(size - 1, size, [self._old[-1] + self._newline, *tail])]


def _without_last_blank(lines: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """The chunk without the blank line that its old side ends with, which models add too much;
    the new side loses a blank line at its end as well."""
    last_old = max(n for n, (sign, _) in enumerate(lines) if sign != "+")
    last_new = max((n for n, (sign, _) in enumerate(lines) if sign != "-"), default=-1)
    drop_new = last_new >= 0 and not lines[last_new][1]
    kept: list[tuple[str, str]] = []
    for number, (sign, text) in enumerate(lines):
        in_old = sign != "+" and number != last_old
        in_new = sign != "-" and not (drop_new and number == last_new)
        if in_old or in_new:
            kept.append((" " if in_old and in_new else "-" if in_old else "+", text))
    return kept


class _Views:
    """A file's lines as each pass of the search compares them, made when a pass is reached."""

    def __init__(self, lines: list[bytes]) -> None:
        self._lines = lines
        self._made: list[list[str]] = []

    def find(self, wanted: list[str], start: int, at_end: bool) -> int | None:
        """The first line from `start` on where `wanted` stands, or None. With `at_end` only the
        place where it ends the file counts."""
        if not wanted:
            return start
        last = len(self._lines) - len(wanted)
        first = max(start, last) if at_end else start
        if first > last:
            return None
        exact = [text.encode("utf-8", "surrogatepass") for text in wanted]
        found = _index(self._lines, exact, first, last)
        for number in range(len(_PASSES)):
            if found is not None:
                break
            view = [_PASSES[number](text) for text in wanted]
            found = _index(self._view(number), view, first, last)
        return found

    def _view(self, number: int) -> list[str]:
        while len(self._made) <= number:
            before = self._made[-1] if self._made else self._decoded()
            self._made.append([_PASSES[len(self._made)](line) for line in before])
        return self._made[number]

    def _decoded(self) -> list[str]:
        return [line.decode("utf-8", "surrogateescape") for line in self._lines]


def _ignore_trailing(text: str) -> str:
    return text.rstrip(WHITESPACE)


def _ignore_both_ends(text: str) -> str:
    return text.strip(WHITESPACE)


def _ignore_punctuation(text: str) -> str:
    return text.strip(WHITESPACE).translate(_PUNCTUATION)


_PASSES = (_ignore_trailing, _ignore_both_ends, _ignore_punctuation)


def _index(lines: Sequence[object], wanted: Sequence[object], first: int, last: int) -> int | None:
    """Where `wanted` begins in `lines`, between `first` and `last` (included)."""
    at = first
    while True:
        try:
            at = lines.index(wanted[0], at, last + 1)
        except ValueError:
            return None
        if lines[at : at + len(wanted)] == wanted:
            return at
        at += 1
