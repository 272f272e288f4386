"""Properties of the patch engine, over generated files, edits and texts."""

from __future__ import annotations

import tempfile
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from quire.tools.patch_apply import ApplyError, apply, verify
from quire.tools.patch_diff import unified_diff
from quire.tools.patch_match import MatchError, update
from quire.tools.patch_parser import Chunk, PatchError, UpdateFile, parse_patch
from tests.unit.patch_folder import build, snapshot

WORDS = st.text(alphabet="ab -+@*\u00e9\u2013'\t\x0b", max_size=6)
ENDINGS = st.sampled_from([b"\n", b"\n", b"\n", b"\r\n", b"\r"])
BOM = b"\xef\xbb\xbf"
Edit = list[tuple[str, str]]


@st.composite
def numbered_edits(draw: st.DrawFn) -> Edit:
    """A file and its edit as one list of kept, removed and added lines. Kept and removed lines
    are numbered, so that every line has one place."""
    lines: Edit = []
    for number in range(draw(st.integers(1, 30))):
        sign = draw(st.sampled_from("     -+"))
        word = draw(WORDS)
        lines.append((sign, word if sign == "+" else f"{number}{word}"))
    return lines


def old_file(edit: Edit, ending: bytes, ended: bool) -> bytes:
    data = b"".join(text.encode() + ending for sign, text in edit if sign != "+")
    return data if ended else data.removesuffix(ending)


def new_file(edit: Edit, ending: bytes) -> bytes:
    return b"".join(text.encode() + ending for sign, text in edit if sign != "-")


def patch_lines(edit: Edit, context: int) -> list[str]:
    """The edit as chunks with `context` kept lines around each run of changes."""
    shown: set[int] = set()
    for number, (sign, _) in enumerate(edit):
        if sign != " ":
            shown.update(range(max(number - context, 0), min(number + context + 1, len(edit))))
    lines: list[str] = []
    for number, (sign, text) in enumerate(edit):
        if number in shown:
            if number - 1 not in shown:
                lines.append("@@")
            lines.append(sign + text)
    return lines


def chunks_of(lines: list[str]) -> list[Chunk]:
    body = "".join(f"{line}\n" for line in lines)
    text = f"*** Begin Patch\n*** Update File: f\n{body}*** End Patch"
    (hunk,) = parse_patch(text).hunks
    assert isinstance(hunk, UpdateFile)
    return hunk.chunks


def has_a_place(edit: Edit, lines: list[str]) -> bool:
    """Every chunk holds an old line: a pure insertion goes to the end of the file."""
    runs = "\n".join(line[:1] for line in lines).split("@")
    return all(any(sign in run for sign in " -") for run in runs[1:])


@given(numbered_edits(), ENDINGS, st.booleans(), st.integers(1, 3))
def test_a_patch_made_from_an_edit_gives_exactly_the_edited_file(
    edit: Edit, ending: bytes, ended: bool, context: int
) -> None:
    lines = patch_lines(edit, context)
    if not lines or not has_a_place(edit, lines):
        return
    old = old_file(edit, ending, ended)
    if not old.endswith((b"\n", b"\r")) and len(old.splitlines()) < 2:
        ending = b"\n"  # a file without a line ending gets the usual one
    assert update(old, chunks_of(lines), "f").data == new_file(edit, ending)


@given(st.lists(st.tuples(WORDS, ENDINGS), min_size=1, max_size=12), st.data())
def test_kept_lines_keep_their_bytes_and_endings(
    file: list[tuple[str, bytes]], data: st.DataObject
) -> None:
    """One chunk over the whole file, with any mixture of line endings."""
    file = [(word.replace("\r", ""), ending) for word, ending in file]
    first = file[0][1]
    chunk = Chunk(None)
    expected = b""
    for word, ending in file:
        if data.draw(st.booleans()):
            chunk.lines.append((" ", word))
            expected += word.encode() + ending
        else:
            chunk.lines += [("-", word), ("+", f"{word}!")]
            expected += f"{word}!".encode() + first
    old = b"".join(word.encode() + ending for word, ending in file)
    if old.splitlines(True) != [word.encode() + ending for word, ending in file]:
        return  # a lone CR and a following LF made one ending of two
    assert update(old, [chunk], "f").data == expected


@given(numbered_edits(), ENDINGS)
def test_the_diff_leads_from_the_old_file_to_the_new_one(edit: Edit, ending: bytes) -> None:
    lines = patch_lines(edit, 1)
    if ending == b"\r" or not lines or not has_a_place(edit, lines):
        return
    done = update(old_file(edit, ending, True), chunks_of(lines), "f")
    old = done.old
    new: list[bytes] = []
    at = 0
    for line in unified_diff(done).encode().split(b"\n")[:-1]:
        line += b"\n"
        if line.startswith(b"@@"):
            start, _, length = line.split()[1][1:].partition(b",")
            first = int(start) - (length != b"0")
            new += old[at:first]
            at = first
        elif line.startswith(b"+"):
            new.append(line[1:])
        else:
            assert line[1:] == old[at]
            new += [line[1:]] if line.startswith(b" ") else []
            at += 1
    assert b"".join(new + old[at:]) == done.data


PIECES = st.sampled_from(
    [
        *("*** Begin Patch", "*** End Patch", "*** Add File: n", "*** Delete File: f"),
        *("*** Update File: f", "*** Update File: g", "*** Move to: m", "*** End of File"),
        *("*** Environment ID: e", "@@", "@@ a", "+a", "-a", " a", "-b", "+", "", " ", "foo"),
        *("<<'EOF'", "EOF", "\r", "\ufeff", "\0", "*** Add File: ", "*** Add File: d/n"),
    ]
)
TEXTS = st.one_of(st.text(), st.lists(PIECES, max_size=14).map("\n".join))
PATCHES = st.lists(PIECES, max_size=10).map(
    lambda pieces: "\n".join(["*** Begin Patch", *pieces, "*** End Patch"])
)


@given(st.one_of(TEXTS, PATCHES))
def test_any_text_is_a_patch_or_a_patch_error(text: str) -> None:
    try:
        patch = parse_patch(text)
    except PatchError as error:
        assert error.line is None or 2 <= error.line <= text.count("\n") + 1
        assert str(error) and error.for_model()
    else:
        assert all(hunk.path for hunk in patch.hunks)


@given(st.binary(max_size=60), PATCHES)
def test_any_chunks_fit_any_bytes_or_say_that_they_do_not(data: bytes, text: str) -> None:
    try:
        hunks = parse_patch(text).hunks
    except PatchError:
        return
    for hunk in hunks:
        if not isinstance(hunk, UpdateFile):
            continue
        try:
            done = update(data, hunk.chunks, "f").data
        except MatchError as error:
            assert " f" in str(error)
        else:
            assert not done or done.endswith((b"\n", b"\r")) or done == BOM


@given(PATCHES)
def test_what_does_not_fit_changes_nothing(text: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        build(root, {"f": "a\nb\n", "g": "b\r\na", "d": None, "m": {"link": "f"}})
        before = snapshot(root)
        try:
            patch = parse_patch(text)
            changes = verify(patch, folder)
        except (PatchError, ApplyError):
            assert snapshot(root) == before
            return
        assert snapshot(root) == before
        try:
            apply(changes)
        except ApplyError as error:
            assert error.done == ()
            assert snapshot(root) == before
