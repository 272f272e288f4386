"""`quire apply-patch [PATCH]`, and `apply_patch [PATCH]` on the PATH of commands.

Prints and exits as Codex 0.169's `apply_patch`: 0 when the patch was applied, 1 when not, 2 for a
wrong use. Files that come before a failing hunk stay changed. Imports little: models run it often.
"""

from __future__ import annotations

import errno
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
        patch = _patch_text(argv)
        if patch is None:
            return _fail(USAGE, 2)
    except _UsageError as error:
        return _fail(f"Error: {error}\n", error.code)
    try:
        _print(_apply(patch))
    except (PatchError, ApplyError) as error:
        return _fail(f"{error}\n", 1)
    return 0


class _UsageError(Exception):
    def __init__(self, message: str, code: int) -> None:
        super().__init__(message)
        self.code = code


def _patch_text(argv: list[str]) -> str | None:
    """The patch as text, or None when there is none."""
    if len(argv) > 1:
        raise _UsageError("apply_patch accepts exactly one argument.", 2)
    if argv:
        if not _is_utf8(argv[0]):
            raise _UsageError("apply_patch requires a UTF-8 PATCH argument.", 1)
        return argv[0]
    try:
        return sys.stdin.buffer.read().decode("utf-8") or None if sys.stdin else None
    except UnicodeDecodeError:
        reason = "stream did not contain valid UTF-8"
    except OSError as error:
        if error.errno == errno.EBADF:  # closed, or open for writing only
            return None
        reason = f"{error.strerror} (os error {error.errno})"
    raise _UsageError(f"Failed to read PATCH from stdin.\n{reason}", 1)


def _is_utf8(argument: str) -> bool:
    try:
        argument.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def _apply(text: str) -> str:
    import os

    patch = parse_patch(text)
    if not patch.hunks:
        raise ApplyError(NOTHING_DONE)
    return summary(apply_in_order(patch, os.getcwd()))


def _print(text: str) -> None:
    sys.stdout.buffer.write(text.encode("utf-8", "surrogateescape"))
    sys.stdout.buffer.flush()


def _fail(text: str, code: int) -> int:
    sys.stderr.buffer.write(text.encode("utf-8", "surrogateescape"))
    sys.stderr.buffer.flush()
    return code
