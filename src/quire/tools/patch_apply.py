"""From a parsed patch to changed files: what each hunk would do, and doing it.

Error texts are those of Codex 0.169, whether a command prints them or a model reads them. It says
only that a file could not be written; where the machine is to blame, the reason is added.
"""

from __future__ import annotations

import errno
import os
import stat
import sys

from quire.tools.patch_diff import MAX_SHOWN, shown_text, unified_diff
from quire.tools.patch_files import (
    NewFile,
    NoParentError,
    Place,
    Removal,
    place_of_entry,
    place_to_write,
    read_place,
)
from quire.tools.patch_match import MatchError, Updated, update
from quire.tools.patch_parser import DeleteFile, Hunk, Patch, PatchError, UpdateFile

NOTHING_DONE = "No files were modified."
# As musl, the C library of Codex's Linux build, words them.
_WORDS = {errno.ENAMETOOLONG: "Filename too long", errno.ELOOP: "Symbolic link loop"}
_FAULTS_OF_THE_PATCH = (
    *(errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.ELOOP, errno.ENAMETOOLONG),
)


class ApplyError(Exception):
    """A hunk cannot be applied. `done` are the changes that were made before it."""

    def __init__(self, message: str, done: tuple[Change, ...] = ()) -> None:
        super().__init__(message)
        self.done = done


class Change:
    """What one hunk does. `mark` is `A`, `M` or `D`; `shown` the path as the patch writes it (the
    new one of a move), `path` and `move_path` absolute; `data` the new content, None to delete.
    `read`, `write` and `remove` are the places it touches; `status` is that of the file it
    reads."""

    def __init__(self, mark: str, shown: str, path: str) -> None:
        self.mark = mark
        self.shown = shown
        self.path = path
        self.move_path: str | None = None
        self.data: bytes | None = None
        self.read: Place | None = None
        self.write: Place | None = None
        self.remove: Place | None = None
        self.status: os.stat_result | None = None
        self.updated: Updated | None = None

    @property
    def places(self) -> list[str]:
        """The resolved paths of what is written and removed, and of what is read: its content
        goes to another place, or to people."""
        touched = (self.write, self.remove, self.read)
        return [*dict.fromkeys(place.path for place in touched if place is not None)]

    def diff(self) -> str:
        """For people: a unified diff of an update, otherwise the whole text. Reads a file that is
        to be deleted; call it before the change is made."""
        if self.updated is not None:
            return unified_diff(self.updated)
        if self.data is not None:
            return shown_text(self.data, len(self.data))
        try:
            data, status = read_place(self.read or place_of_entry(self.path), MAX_SHOWN)
        except OSError:
            return ""
        return shown_text(data, status.st_size)


def plan(hunk: Hunk, cwd: str) -> Change:
    """What `hunk` would do, with the files as they are now. Changes nothing. Raises
    `ApplyError`."""
    path = _absolute(cwd, hunk.path)
    if isinstance(hunk, UpdateFile):
        return _plan_update(hunk, path, cwd)
    if isinstance(hunk, DeleteFile):
        change = Change("D", hunk.path, path)
        change.read = place_to_write(path)
        change.remove = place_of_entry(path)
        return change
    change = Change("A", hunk.path, path)
    change.data = hunk.content.encode("utf-8", "surrogatepass")
    change.write = place_to_write(path)
    return change


def _plan_update(hunk: UpdateFile, path: str, cwd: str) -> Change:
    change = Change("M", hunk.move_to or hunk.path, path)
    change.read = place_to_write(path)
    try:
        old, status = read_place(change.read)
        change.updated = update(old, hunk.chunks, path)
    except OSError as error:
        raise ApplyError(f"Failed to read file to update {path}: {_why(error)}") from None
    except MatchError as error:
        raise ApplyError(str(error)) from None
    change.data = change.updated.data
    change.status = status
    if hunk.move_to is None:
        change.write = change.read
        return change
    change.move_path = _absolute(cwd, hunk.move_to)
    change.write = place_to_write(change.move_path)
    change.remove = place_of_entry(path)
    return change


def verify(patch: Patch, cwd: str) -> list[Change]:
    """What the whole patch would do. Changes nothing. Raises `ApplyError` for the first hunk that
    does not fit, and `PatchError` for two hunks that meet in one file."""
    changes: list[Change] = []
    taken: set[str] = set()
    for hunk in patch.hunks:
        path = _absolute(cwd, hunk.path)
        own = {path, place_of_entry(path).path}
        if isinstance(hunk, UpdateFile) and hunk.move_to is not None:
            target = _absolute(cwd, hunk.move_to)
            _refuse_taken(taken, target)
            own |= {target, place_to_write(target).path}
        elif not isinstance(hunk, DeleteFile):
            own.add(place_to_write(path).path)
        if own & taken:
            raise PatchError(f"multiple operations target {path}")
        taken |= own
        change = plan(hunk, cwd)
        if isinstance(hunk, DeleteFile):
            change.status = _status_of(change)
        changes.append(change)
    return changes


def _refuse_taken(taken: set[str], target: str) -> None:
    if target in taken or place_to_write(target).path in taken:
        raise PatchError(f"multiple operations target {target}")


def _status_of(change: Change) -> os.stat_result:
    try:
        return read_place(change.read or place_of_entry(change.path), 0)[1]
    except OSError as error:
        raise ApplyError(f"Failed to read {change.path}: {_why(error)}") from None


def apply(changes: list[Change]) -> None:
    """Make the changes. All new content is on the disk before the first file changes, so a full
    disk or a missing permission changes nothing. Raises `ApplyError`; its `done` is empty but
    for the rare failure after that."""
    staged: list[_Step] = []
    done: list[Change] = []
    try:
        staged.extend(map(_Step, changes))
        for step in staged:
            step.commit()
            done.append(step.change)
    except _StepError as error:
        raise ApplyError(str(error), tuple(done)) from None
    finally:
        for step in reversed(staged):
            step.discard()


def apply_in_order(patch: Patch, cwd: str) -> list[Change]:
    """Plan and make each change in turn, as the command does. Raises `ApplyError`: what is in
    its `done` stays changed."""
    done: list[Change] = []
    for hunk in patch.hunks:
        try:
            change = plan(hunk, cwd)
            apply([change])
        except ApplyError as error:
            raise ApplyError(str(error), tuple(done)) from None
        done.append(change)
    return done


def summary(changes: list[Change]) -> str:
    """The report of success."""
    return "Success. Updated the following files:\n" + listing(tuple(changes))


def listing(changes: tuple[Change, ...]) -> str:
    """A line for each change: all `A`, then `M`, then `D`."""
    return "".join(f"{m} {c.shown}\n" for m in "AMD" for c in changes if c.mark == m)


class _StepError(Exception):
    """`str()` is for whoever asked for the patch."""


class _Step:
    """One change, staged: `commit` makes it. Both raise `_StepError`."""

    def __init__(self, change: Change) -> None:
        self.change = change
        self._new: NewFile | None = None
        self._removal: Removal | None = None
        try:
            self._stage()
        except OSError as error:
            self.discard()
            raise _StepError(self._failed(error)) from None

    def _stage(self) -> None:
        change = self.change
        if change.mark == "D" and stat.S_ISDIR(os.stat(change.path).st_mode):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        if change.write is not None and change.data is not None:
            like = change.status if change.move_path is not None else None
            self._new = NewFile(change.write, change.data, like)
        if change.remove is not None:
            self._removal = Removal(change.remove)

    def commit(self) -> None:
        status: os.stat_result | None = None
        try:
            if self._new is not None:
                status = self._new.commit()
        except OSError as error:
            raise _StepError(self._failed(error)) from None
        try:
            if self._removal is not None:
                self._removal.commit(status)
        except OSError as error:
            if status is None:
                raise _StepError(self._failed(error)) from None
            reason = f"Failed to remove original {self.change.path}: {_why(error)}"
            raise _StepError(reason) from None

    def discard(self) -> None:
        if self._new is not None:
            self._new.discard()

    def _failed(self, error: OSError) -> str:
        path = self.change.move_path or self.change.path
        if self.change.mark == "D":
            text = f"Failed to delete file {path}"
        elif isinstance(error, NoParentError):
            text = f"Failed to create parent directories for {path}"
        else:
            text = f"Failed to write file {path}"
        return text if error.errno in _FAULTS_OF_THE_PATCH else f"{text}: {_why(error)}"


def _absolute(cwd: str, path: str) -> str:
    """`..` is resolved in the text, not on the disk; `~` means nothing."""
    joined = os.path.normpath(os.path.join(cwd, path))
    try:
        usable = b"\0" not in os.fsencode(joined)
    except UnicodeEncodeError:
        usable = False
    if not usable:
        raise ApplyError(f"'{path}' is invalid on '{sys.platform}'")
    return joined[1:] if joined.startswith("//") else joined


def _why(error: OSError) -> str:
    if error.errno is None:
        return str(error)
    return f"{_WORDS.get(error.errno, error.strerror)} (os error {error.errno})"
