"""The last step: a process becomes the command."""

from __future__ import annotations

import marshal
import os
import sys

from quire.sandbox.keeper import libc

Orders = tuple[tuple[str, ...], str, dict[str, str]]
"""argv, folder, environment."""

CANNOT_START = 126


def read_orders(fd: int) -> Orders | None:
    """The orders that come on `fd`, which is then closed; None when none came."""
    with open(fd, "rb") as file:
        data = file.read()
    return marshal.loads(data) if data else None


def become(orders: Orders, *, tty: bool) -> None:
    """Become the command. With `tty`, this process leads a session without a terminal, and
    descriptor 0 is a terminal that becomes the session's. Does not return."""
    argv, cwd, env = orders
    try:
        if tty:
            # Opened by the leader of a session without one, a terminal becomes its own.
            terminal = os.open("/proc/self/fd/0", os.O_RDWR)
            for fd in (0, 1, 2):
                os.dup2(terminal, fd)
            os.close(terminal)
        libc.default_signals()
        os.chdir(cwd)
        os.execvpe(argv[0], list(argv), env)
    except OSError as exc:
        os.write(2, f"{argv[0]}: {exc.strerror}\n".encode())
    os._exit(CANNOT_START)


def wait(pipes: tuple[int, int, int], *, tty: bool, network: bool) -> None:
    """Inside bubblewrap: say that the sandbox is complete, then become what is ordered. `pipes` are
    where to say so, the other end of that, and where the orders come from."""
    news, reader, orders = pipes
    os.close(reader)
    if network:
        libc.scope_abstract_sockets()
    os.write(news, b"\x01")
    os.close(news)
    found = read_orders(orders)
    if found is None:
        sys.exit(CANNOT_START)
    if tty:
        os.setsid()
    become(found, tty=tty)
