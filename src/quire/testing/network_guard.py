"""A switch that makes real network requests impossible in this process.

It uses an audit hook, which nothing in the process can take away again: sockets may reach the
loopback addresses and unix sockets, names may be looked up only when they mean the loopback.
Child processes are not covered; tests point them at servers on the loopback.
"""

from __future__ import annotations

import ipaddress
import sys
from typing import TypeGuard

LOCAL_NAMES = frozenset({"", "localhost", "ip6-localhost", "localhost.localdomain"})
_CONNECTIONS = frozenset({"socket.connect", "socket.sendto", "socket.sendmsg"})
_LOOKUPS = frozenset(
    {"socket.getaddrinfo", "socket.gethostbyname", "socket.gethostbyaddr", "socket.getnameinfo"}
)
_installed = False


class NetworkForbidden(AssertionError):
    """A test tried to reach the network. Not an `OSError`, so no retry or fallback hides it."""


def forbid_network() -> None:
    """Forbid it from now on, for the life of the process. Calling it again changes nothing."""
    global _installed
    if not _installed:
        _installed = True
        sys.addaudithook(_audit)


def _audit(event: str, args: tuple[object, ...]) -> None:
    if event in _CONNECTIONS:
        _check(event, args[1])
    elif event in _LOOKUPS:
        _check(event, args[0])


def _check(event: str, target: object) -> None:
    """`target` is a host, or an address as the socket module has it: (host, port, ...) for
    internet sockets, a path for unix sockets, None for a datagram to the connected peer."""
    host = target
    if _is_address(target):
        host = target[0] if target else None
    elif event in _CONNECTIONS:
        return
    name = host.decode("ascii", "replace") if isinstance(host, bytes) else host
    if isinstance(name, str) and not _is_local(name):
        raise NetworkForbidden(f"{event} to {name!r}: tests may only talk to this machine")


def _is_address(target: object) -> TypeGuard[tuple[object, ...]]:
    return isinstance(target, tuple)


def _is_local(name: str) -> bool:
    if name.lower() in LOCAL_NAMES:
        return True
    try:
        return ipaddress.ip_address(name.split("%")[0]).is_loopback
    except ValueError:
        return False
