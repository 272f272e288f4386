"""Reads patches: text in, hunks out. Pure, and it imports nothing, so that it starts fast.

The format and every error text are those of Codex 0.169's `apply_patch`:

    *** Begin Patch
    *** Add File: PATH            then lines that start with `+`
    *** Delete File: PATH
    *** Update File: PATH         then optionally `*** Move to: PATH`, then chunks:
    @@ CONTEXT                    a line of the file to go to first; may be left out
     kept / -removed / +added     a wholly blank line counts as a kept blank line
    *** End of File               the chunk ends the file
    *** End Patch
"""

from __future__ import annotations

WHITESPACE = (
    "\t\n\x0b\x0c\r \x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009"
    "\u200a\u2028\u2029\u202f\u205f\u3000"
)
"""Unicode's White_Space. `str.strip()` alone would strip four control characters more."""

_BEGIN, _END = "*** Begin Patch", "*** End Patch"
_ENVIRONMENT = "*** Environment ID:"
_ADD, _DELETE, _UPDATE = "*** Add File: ", "*** Delete File: ", "*** Update File: "
_MOVE, _END_OF_FILE = "*** Move to: ", "*** End of File"
_HEREDOCS = ("<<EOF", "<<'EOF'", '<<"EOF"')
_LAST_LINE = f"The last line of the patch must be '{_END}'"


class PatchError(Exception):
    """The text is no patch. `line` counts from 1 (the first line is Begin Patch), or is None
    for faults of the patch as a whole. `str()` is what the command prints."""

    def __init__(self, message: str, line: int | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.line = line

    def __str__(self) -> str:
        if self.line is None:
            return f"Invalid patch: {self.message}"
        return f"Invalid patch hunk on line {self.line}: {self.message}"

    def for_model(self) -> str:
        """The same fault as the tool words it."""
        if self.line is None:
            return f"invalid patch: {self.message}"
        return f"invalid hunk at line {self.line}, {self.message}"


class Chunk:
    """One place in a file. `lines` are (sign, text) with sign ` `, `-` or `+`; `context` is the
    line to go to first; `at_end` says that it must end the file."""

    __slots__ = ("at_end", "context", "lines")

    def __init__(self, context: str | None) -> None:
        self.context = context
        self.lines: list[tuple[str, str]] = []
        self.at_end = False


class AddFile:
    """A file with these lines is to be there, whatever was before."""

    __slots__ = ("lines", "path")

    def __init__(self, path: str) -> None:
        self.path = path
        self.lines: list[str] = []

    @property
    def content(self) -> str:
        return "".join(f"{line}\n" for line in self.lines)


class DeleteFile:
    __slots__ = ("path",)

    def __init__(self, path: str) -> None:
        self.path = path


class UpdateFile:
    __slots__ = ("chunks", "move_to", "path")

    def __init__(self, path: str) -> None:
        self.path = path
        self.move_to: str | None = None
        self.chunks: list[Chunk] = []


Hunk = AddFile | DeleteFile | UpdateFile


class Patch:
    """What a patch asks for, in its order. Paths are as written."""

    __slots__ = ("environment_id", "hunks")

    def __init__(self) -> None:
        self.hunks: list[Hunk] = []
        self.environment_id: str | None = None


def parse_patch(text: str) -> Patch:
    """Parse a whole patch, which may stand in a heredoc `<<'EOF' ... EOF`. Raises `PatchError`
    and nothing else, whatever the text."""
    lines = text.strip(WHITESPACE).split("\n")
    try:
        _check_envelope(lines)
    except PatchError:
        first, last = _bare(lines[0]), _bare(lines[-1])
        if len(lines) < 4 or first not in _HEREDOCS or not last.endswith("EOF"):
            raise
        lines = lines[1:-1]
        _check_envelope(lines)
    return _Parser().parse([_bare(line) for line in lines])


def _bare(line: str) -> str:
    """A line without carriage returns at its end. Codex strips two."""
    return line.removesuffix("\r").removesuffix("\r")


def _check_envelope(lines: list[str]) -> None:
    first, last = lines[0].strip(WHITESPACE), lines[-1].strip(WHITESPACE)
    if first != _BEGIN and not (len(lines) == 1 and not first):
        raise PatchError(f"The first line of the patch must be '{_BEGIN}'")
    if last != _END or len(lines) == 1:
        raise PatchError(_LAST_LINE)


class _Parser:
    """Reads line by line. Where the next line may belong is `_read`, a method for each place."""

    def __init__(self) -> None:
        self._patch = Patch()
        self._added = AddFile("")
        self._update = UpdateFile("")
        self._header_line = 0
        self._number = 1
        self._read = self._read_preamble

    def parse(self, lines: list[str]) -> Patch:
        for self._number, line in enumerate(lines[1:-1], start=2):
            self._read(line)
        self._number = len(lines)
        if self._read in (self._read_after_update, self._read_first_line):
            raise self._empty_update()
        if self._read == self._read_chunk_start:
            raise self._no_lines()
        return self._patch

    def _fault(self, message: str, line: int | None = None) -> PatchError:
        return PatchError(message, line or self._number)

    def _read_preamble(self, line: str) -> None:
        bare = line.strip(WHITESPACE)
        if not bare.startswith(_ENVIRONMENT):
            self._read_header(line)
            return
        if self._patch.environment_id is not None:
            raise PatchError("apply_patch environment_id cannot be specified more than once")
        self._patch.environment_id = bare.removeprefix(_ENVIRONMENT).strip(WHITESPACE)
        if not self._patch.environment_id:
            raise PatchError("apply_patch environment_id cannot be empty")

    def _read_header(self, line: str) -> None:
        bare = line.strip(WHITESPACE)
        if not self._take_header(bare):
            raise self._fault(
                f"'{bare}' is not a valid hunk header. Valid hunk headers: '{_ADD}{{path}}', "
                f"'{_DELETE}{{path}}', '{_UPDATE}{{path}}'"
            )

    def _take_header(self, bare: str) -> bool:
        """Begin the next hunk, or the end, if the line asks for it."""
        if bare == _END:
            self._read = self._read_after_end
        elif bare.startswith(_ADD):
            self._added = AddFile(bare.removeprefix(_ADD))
            self._patch.hunks.append(self._added)
            self._read = self._read_added
        elif bare.startswith(_DELETE):
            self._patch.hunks.append(DeleteFile(bare.removeprefix(_DELETE)))
            self._read = self._read_header
        elif bare.startswith(_UPDATE):
            self._update = UpdateFile(bare.removeprefix(_UPDATE))
            self._patch.hunks.append(self._update)
            self._header_line = self._number
            self._read = self._read_after_update
        else:
            return False
        return True

    def _read_after_end(self, line: str) -> None:
        if line.strip(WHITESPACE):
            raise PatchError(_LAST_LINE)

    def _read_added(self, line: str) -> None:
        if line.startswith("+"):
            self._added.lines.append(line[1:])
        else:
            self._read_header(line)

    def _read_after_update(self, line: str) -> None:
        self._read = self._read_first_line
        target = line.rstrip(WHITESPACE).removeprefix(_MOVE)
        if target != line.rstrip(WHITESPACE):
            self._update.move_to = target
        else:
            self._read_first_line(line)

    def _read_first_line(self, line: str) -> None:
        """No chunk has begun: `@@` may be left out here."""
        bare = line.rstrip(WHITESPACE)
        if bare == _END_OF_FILE or self._begin_chunk(bare):
            return
        if not line or line[0] in " +-":
            self._update.chunks.append(Chunk(None))
            self._read_chunk_start(line)
        elif bare == _END or bare.startswith((_ADD, _DELETE, _UPDATE)):
            raise self._empty_update()
        else:
            raise self._unexpected(line)

    def _begin_chunk(self, bare: str) -> bool:
        if bare != "@@" and not bare.startswith("@@ "):
            return False
        self._update.chunks.append(Chunk(bare[3:] or None))
        self._read = self._read_chunk_start
        return True

    def _read_chunk_start(self, line: str) -> None:
        if line.rstrip(WHITESPACE) in (_END_OF_FILE, _END):
            raise self._no_lines()
        if line and line[0] not in " +-":
            raise self._unexpected(line)
        self._read = self._read_chunk
        self._read_chunk(line)

    def _read_chunk(self, line: str) -> None:
        chunk = self._update.chunks[-1]
        bare = line.rstrip(WHITESPACE)
        if chunk.at_end:
            if bare and not self._begin_chunk(bare) and not self._take_header(bare):
                raise self._no_marker(line)
        elif not line:
            chunk.lines.append((" ", ""))
        elif line[0] in " +-":
            chunk.lines.append((line[0], line[1:]))
        elif bare == _END_OF_FILE:
            chunk.at_end = True
        elif not self._begin_chunk(bare) and not self._take_header(bare):
            raise self._no_marker(line)

    def _empty_update(self) -> PatchError:
        path = self._update.path
        return self._fault(f"Update file hunk for path '{path}' is empty", self._header_line)

    def _no_lines(self) -> PatchError:
        return self._fault("Update hunk does not contain any lines")

    def _no_marker(self, line: str) -> PatchError:
        return self._fault(f"Expected update hunk to start with a @@ context marker, got: '{line}'")

    def _unexpected(self, line: str) -> PatchError:
        return self._fault(
            f"Unexpected line found in update hunk: '{line}'. Every line should start with "
            "' ' (context line), '+' (added line), or '-' (removed line)"
        )
