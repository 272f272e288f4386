"""Which lines of which files a unified diff changes.

Reads what `git diff` writes: names in quotes, renames, modes, binary files, submodules, merges
(`diff --cc`), files without a last line end. Plain `---`/`+++` diffs are read too. What makes no
sense is passed over, never an error.
"""

from __future__ import annotations

from msgspec import Struct

_NOWHERE = "/dev/null"
_LONGEST_NAME = 1 << 16  # in bytes as git writes it; no path of any system is that long
_ESCAPES = dict(zip(b'abtnvfr"\\', (7, 8, 9, 10, 11, 12, 13, 34, 92), strict=True))


class Lines(Struct):
    """The changed lines of one file, counted from 1 in the new version (in the old one when the
    file was deleted). A removal counts as the lines around it. `whole`: all of it, or something
    that has no lines (a mode, a name, a binary file); `folder`: also everything below it."""

    ranges: list[tuple[int, int]] = []
    whole: bool = False
    folder: bool = False

    def overlap(self, start: int, end: int) -> bool:
        return self.whole or any(start <= last and first <= end for first, last in self.ranges)


def changed_lines(diff: bytes) -> dict[str, Lines]:
    """The changed files of `diff` by their path below the root; invalid UTF-8 in a path is
    U+FFFD. Total: any bytes give an answer."""
    reader = _Reader(diff.split(b"\n"))
    reader.read()
    return reader.files


class _Reader:
    """One pass over the lines of a diff."""

    def __init__(self, lines: list[bytes]) -> None:
        self._lines = lines
        self._at = 0
        self._old = self._new = ""
        self._lines_of_file: Lines | None = None
        self.files: dict[str, Lines] = {}

    def read(self) -> None:
        while self._at < len(self._lines):
            line = self._lines[self._at]
            self._at += 1
            if line.startswith(b"diff "):
                self._begin(line)
            elif line.startswith(b"@@@"):
                self._combined_hunk(line)
            elif line.startswith(b"@@ "):
                self._hunk(line)
            else:
                self._header(line)
        self._end()

    def _begin(self, line: bytes) -> None:
        self._end()
        self._lines_of_file = Lines([])
        self._old = self._new = ""
        if line.startswith(b"diff --git "):
            self._old, self._new = _both_names(line[len(b"diff --git ") :])
        elif line.startswith((b"diff --cc ", b"diff --combined ")):
            self._old = self._new = _name(line.split(b" ", 2)[2], b"")

    def _end(self) -> None:
        """Keep what was read of the file that ends here."""
        found, self._lines_of_file = self._lines_of_file, None
        name = self._new if self._new not in ("", _NOWHERE) else self._old
        if found is None or name in ("", _NOWHERE):
            return
        if not found.ranges:
            found.whole = True
        self.files[name] = _merged(self.files.get(name), found)

    def _header(self, line: bytes) -> None:
        """A line outside hunks: it may name the file, or say what kind of thing it is."""
        found = self._lines_of_file
        if line.startswith(b"--- ") and self._follows(b"+++ "):
            if found is None or found.ranges:
                self._end()
                self._lines_of_file = Lines([])
            self._old = _name(line[4:], b"a/")
        elif line.startswith(b"+++ ") and found is not None:
            self._new = _name(line[4:], b"b/")
        elif found is None:
            return
        elif line.startswith((b"rename to ", b"copy to ")):
            self._new = _name(line.split(b" ", 2)[2], b"")
        elif line.startswith((b"index ", b"new file mode ", b"deleted file mode ")):
            found.folder = found.folder or line.endswith(b" 160000")

    def _follows(self, start: bytes) -> bool:
        return self._at < len(self._lines) and self._lines[self._at].startswith(start)

    def _hunk(self, line: bytes) -> None:
        """`@@ -first,count +first,count @@` and as many lines as it announces."""
        spans = _spans(line)
        if len(spans) != 2 or self._lines_of_file is None:
            return
        (old, old_left), (new, new_left) = spans
        if self._new == _NOWHERE:
            self._mark(old, old_left)
        # A count of zero names the line before the place.
        new += new_left == 0
        added = removed = 0
        while (old_left > 0 or new_left > 0) and self._at < len(self._lines):
            kind = self._lines[self._at][:1]
            if kind not in (b" ", b"+", b"-", b"\\", b"", b"\r"):
                break
            self._at += 1
            if kind == b"+":
                added, new, new_left = added + 1, new + 1, new_left - 1
            elif kind == b"-":
                removed, old_left = removed + 1, old_left - 1
            elif kind != b"\\":
                self._run(new, added, removed)
                added = removed = 0
                new, new_left, old_left = new + 1, new_left - 1, old_left - 1
        self._run(new, added, removed)

    def _run(self, after: int, added: int, removed: int) -> None:
        """A run of changes ended before line `after` of the new file."""
        if added:
            self._mark(after - added, added)
        elif removed and self._new != _NOWHERE:
            self._mark(max(after - 1, 1), 2 if after > 1 else 1)

    def _combined_hunk(self, line: bytes) -> None:
        """`@@@ -1,2 -1,2 +1,4 @@@` of a merge: all of its new lines count. Its lines start with
        at least two columns of signs, so none can be taken for a header."""
        spans = _spans(line)
        if len(spans) > 2:
            self._mark(*spans[-1])

    def _mark(self, first: int, count: int) -> None:
        if self._lines_of_file is not None and count > 0:
            self._lines_of_file.ranges.append((first, first + count - 1))


def _merged(known: Lines | None, found: Lines) -> Lines:
    if known is None:
        return found
    whole, folder = known.whole or found.whole, known.folder or found.folder
    return Lines([*known.ranges, *found.ranges], whole, folder)


def _spans(line: bytes) -> list[tuple[int, int]]:
    """(first, count) for each `-1,2` or `+1` between the `@@`s; nothing when one is wrong."""
    inside = line.lstrip(b"@").partition(b" @@")[0]
    spans: list[tuple[int, int]] = []
    for word in inside.split():
        first, comma, count = word[1:].partition(b",")
        if word[:1] not in (b"-", b"+") or not _number(first) or (comma and not _number(count)):
            return []
        spans.append((int(first), int(count) if comma else 1))
    return spans


def _number(word: bytes) -> bool:
    return word.isdigit() and len(word) <= 12


def _both_names(rest: bytes) -> tuple[str, str]:
    """The names in `a/x b/x`. Without quotes they can only be told apart when they are equal;
    when they are not, other lines name them."""
    rest = rest[: 2 * _LONGEST_NAME]
    if rest.startswith(b'"'):
        end = _closing_quote(rest)
        return _name(rest[:end], b"a/"), _name(rest[end + 1 :], b"b/")
    if rest.endswith(b'"') and b' "' in rest:
        old, _, new = rest.partition(b' "')
        return _name(old, b"a/"), _name(b'"' + new, b"b/")
    half = (len(rest) - 1) // 2
    old, new = rest[:half], rest[half + 1 :]
    if rest[half : half + 1] == b" " and old.partition(b"/")[2] == new.partition(b"/")[2]:
        return _name(old, b"a/"), _name(new, b"b/")
    return "", ""


def _closing_quote(text: bytes) -> int:
    """Where the quoted name that starts at 0 ends: behind its closing quote."""
    at = 1
    while at < len(text) and text[at : at + 1] != b'"':
        at += 2 if text[at : at + 1] == b"\\" else 1
    return at + 1


def _name(text: bytes, prefix: bytes) -> str:
    """A name as git writes it: in quotes with C escapes when it has odd characters, with a tab
    behind it when it has spaces."""
    text = text[:_LONGEST_NAME]
    if text.startswith(b'"'):
        text = _unquoted(text[1 : _closing_quote(text) - 1])
    else:
        text = text.partition(b"\t")[0].removesuffix(b"\r")
    if text == _NOWHERE.encode():
        return _NOWHERE
    return text.removeprefix(prefix).decode("utf-8", "replace")


def _unquoted(text: bytes) -> bytes:
    out = bytearray()
    at = 0
    while at < len(text):
        if text[at] != 92 or at + 1 >= len(text):
            out.append(text[at])
            at += 1
            continue
        octal = text[at + 1 : at + 4]
        if len(octal) == 3 and all(48 <= digit < 56 for digit in octal):
            out.append(int(octal, 8) & 255)
            at += 4
        else:
            out.append(_ESCAPES.get(text[at + 1], text[at + 1]))
            at += 2
    return bytes(out)
