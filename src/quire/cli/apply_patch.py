"""`quire apply-patch [PATCH]`, and `apply_patch [PATCH]` on the PATH of commands.

Prints and exits as Codex 0.169's `apply_patch`: 0 when the patch was applied, 1 when not, 2 for a
wrong use. Files that come before a failing hunk stay changed. Imports little: models run it often.
"""

from __future__ import annotations

import errno
import os
import sys

from quire.tools.patch_apply import NOTHING_DONE, ApplyError, apply_in_order, summary
from quire.tools.patch_parser import PatchError, parse_patch

USAGE = """\
Usage: apply_patch 'PATCH'
       echo 'PATCH' | apply_patch
"""


def run(argv: list[str]) -> int:
    """Apply the patch in `argv` (without the program's name) or on stdin to the working
    directory. Gives the exit code."""
    try:
        cwd = _working_folder()
        text = _patch_text(argv)
        if text is None:
            return _told(2, USAGE, 2)
        return _told(1, _apply(text, cwd), 0)
    except (PatchError, ApplyError) as error:
        return _told(2, f"{error}\n", 1)
    except _CallError as error:
        return _told(2, f"Error: {error}\n", error.code)


class _CallError(Exception):
    """The command cannot start; `str()` says why, `code` is the exit code."""

    def __init__(self, message: str, code: int) -> None:
        super().__init__(message)
        self.code = code


def _patch_text(argv: list[str]) -> str | None:
    """The patch as text, or None when there is none."""
    if len(argv) > 1:
        raise _CallError("apply_patch accepts exactly one argument.", 2)
    if argv:
        if not _is_utf8(argv[0]):
            raise _CallError("apply_patch requires a UTF-8 PATCH argument.", 1)
        return argv[0]
    try:
        return sys.stdin.buffer.read().decode("utf-8") or None if sys.stdin else None
    except UnicodeDecodeError:
        reason = "stream did not contain valid UTF-8"
    except OSError as error:
        if error.errno == errno.EBADF:  # closed, or open for writing only
            return None
        reason = _why(error)
    raise _CallError(f"Failed to read PATCH from stdin.\n{reason}", 1)


def _is_utf8(argument: str) -> bool:
    try:
        argument.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def _working_folder() -> str:
    try:
        return os.getcwd()
    except OSError as error:
        reason = f"Failed to determine current directory.\n{_why(error)}"
        raise _CallError(reason, 1) from None


def _apply(text: str, cwd: str) -> str:
    patch = parse_patch(text)
    if not patch.hunks:
        raise ApplyError(NOTHING_DONE)
    return summary(apply_in_order(patch, cwd))


def _why(error: OSError) -> str:
    return f"{error.strerror} (os error {error.errno})"


def _told(stream: int, text: str, code: int) -> int:
    """Write to a standard stream. Gives `code`; 1 for 0 when the text is lost, unless the stream
    is closed: then nobody wants it."""
    left = text.encode("utf-8", "surrogateescape")
    try:
        while left:
            left = left[os.write(stream, left) :]
    except OSError as error:
        return code if error.errno == errno.EBADF else code or 1
    return code
