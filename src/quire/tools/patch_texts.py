"""What a patch makes of each file, for those who keep account of what a turn changed."""

from __future__ import annotations

from quire.protocol.events import FileTexts
from quire.tools.patch_apply import Change
from quire.tools.patch_files import Place, read_place


def texts_of(change: Change) -> list[FileTexts]:
    """The content of the files of a change before and after it. Reads files that are to be
    overwritten or deleted; call it before the change is made."""
    updated = change.updated
    if updated is not None and change.move_path is None:
        return [FileTexts(change.path, updated.whole, change.data)]
    target = change.move_path or change.path
    files: list[FileTexts] = []
    if change.write is not None:
        files.append(FileTexts(target, _content(change.write), change.data))
    if change.remove is not None:
        old = updated.whole if updated is not None else _content(change.read)
        files.append(FileTexts(change.path, old, None))
    return files


def _content(place: Place | None) -> bytes | None:
    """The content of a file that a change is about to end; None when there is none to be read."""
    if place is None:
        return None
    try:
        return read_place(place)[0]
    except OSError:
        return None
