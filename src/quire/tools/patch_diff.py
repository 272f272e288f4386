"""Unified diffs of edits that are already known: no search, so that large files cost little.

As Codex 0.169 shows changes: no file header, one line of context, and
`\\ No newline at end of file`.
"""

from __future__ import annotations

from quire.tools.patch_match import Edit, Updated

MAX_SHOWN = 1 << 20
_CONTEXT = 1
_CUT = "... {} more bytes are not shown ...\n"


def shown_text(data: bytes, size: int) -> str:
    """The content of a file of `size` bytes that begins with `data`, for people: invalid UTF-8
    as U+FFFD, at most about 1 MiB."""
    text = data[:MAX_SHOWN].decode("utf-8", "replace")
    more = size - MAX_SHOWN
    return text + "\n" + _CUT.format(more) if more > 0 else text


def unified_diff(updated: Updated) -> str:
    """The diff of an update, at most about 1 MiB; empty when nothing changed."""
    old = updated.old
    edits = [slim for edit in updated.edits if (slim := _slim(old, edit)) is not None]
    pieces: list[bytes] = []
    moved = 0
    for group in _groups(edits):
        start = max(group[0].start - _CONTEXT, 0)
        end = min(group[-1].end + _CONTEXT, len(old))
        grown = sum(len(edit.new) - (edit.end - edit.start) for edit in group)
        pieces.append(
            b"@@ -%s +%s @@\n"
            % (_range(start, end - start), _range(start + moved, end - start + grown))
        )
        moved += grown
        at = start
        for edit in group:
            pieces += [_shown(b" ", line) for line in old[at : edit.start]]
            pieces += [_shown(b"-", line) for line in old[edit.start : edit.end]]
            pieces += [_shown(b"+", line) for line in edit.new]
            at = edit.end
        pieces += [_shown(b" ", line) for line in old[at:end]]
    whole = b"".join(pieces)
    return shown_text(whole, len(whole))


def _slim(old: list[bytes], edit: Edit) -> Edit | None:
    """The edit without lines at its ends that stay what they were; None if all do."""
    start, end, new = edit.start, edit.end, edit.new
    first = 0
    while start < end and first < len(new) and old[start] == new[first]:
        start, first = start + 1, first + 1
    last = len(new)
    while start < end and first < last and old[end - 1] == new[last - 1]:
        end, last = end - 1, last - 1
    return Edit(start, end, new[first:last]) if start < end or first < last else None


def _groups(edits: list[Edit]) -> list[list[Edit]]:
    """Edits that are shown in one hunk, because their contexts touch."""
    groups: list[list[Edit]] = []
    for edit in edits:
        if groups and edit.start - groups[-1][-1].end <= 2 * _CONTEXT:
            groups[-1].append(edit)
        else:
            groups.append([edit])
    return groups


def _range(start: int, length: int) -> bytes:
    """Lines as a hunk header counts them: from 1, and from the line before an empty range."""
    first = start + 1 if length else start
    return b"%d" % first if length == 1 else b"%d,%d" % (first, length)


def _shown(sign: bytes, line: bytes) -> bytes:
    if line.endswith(b"\n"):
        return sign + line
    if line.endswith(b"\r"):
        return sign + line + b"\n"
    return sign + line + b"\n\\ No newline at end of file\n"
