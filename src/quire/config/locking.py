"""Locks of those who change a file."""

from __future__ import annotations

import errno
import fcntl
import time

LOCK_SECONDS = 2.0
"""How long a writer waits for others, who need milliseconds."""


def lock_for_a_change(fd: int, seconds: float = LOCK_SECONDS) -> None:
    """Lock an open file or folder until it is closed; raises `TimeoutError` when another program
    keeps it for `seconds`. It is never waited for without end: whoever can read it can lock it, a
    command in the sandbox too."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            if time.monotonic() > deadline:
                why = "another program keeps it locked"
                raise TimeoutError(errno.ETIMEDOUT, why) from None
        time.sleep(0.005)
