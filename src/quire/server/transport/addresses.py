"""Where a server may listen: the values of `--listen`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct

from quire.core.errors import UsageError
from quire.server.greeting import Early
from quire.server.transport.place import default_path

if TYPE_CHECKING:
    from quire.server.transport.auth import Auth


class BadAddress(UsageError):
    """A `--listen` value that means nothing."""


class Stdio(Struct, frozen=True):
    """The process that started us; when it is gone, so is the server. `early` is what was read
    of it and answered by now."""

    early: Early = Early()


class UnixSocket(Struct, frozen=True):
    path: str


class WebSocket(Struct, frozen=True):
    host: str
    port: int
    auth: Auth | None = None


Address = Stdio | UnixSocket | WebSocket


def parse_url(url: str, home: str, auth: Auth | None = None) -> Address:
    """The address that `--listen` names. `auth` is for WebSocket addresses; one that is not
    loopback needs it. Raises `BadAddress`, or `UsageError` for want of `auth`, in the words of
    Codex 0.169."""
    if url == "stdio://":
        return Stdio()
    if url.startswith("unix://"):
        return UnixSocket(url.removeprefix("unix://") or default_path(home))
    if url.startswith("ws://"):
        return _websocket(url, auth)
    raise BadAddress(
        f"unsupported --listen URL `{url}`; expected `stdio://`, `unix://`, `unix://PATH`, "
        "`ws://IP:PORT`, or `off`"
    )


def _websocket(url: str, auth: Auth | None) -> WebSocket:
    host, _, digits = url.removeprefix("ws://").rpartition(":")
    import ipaddress

    bare = host[1:-1] if host.startswith("[") and host.endswith("]") else host
    bracketed = bare != host
    try:
        if not (digits.isascii() and digits.isdecimal()) or int(digits) > 65535:
            raise ValueError
        address = ipaddress.ip_address(bare)
        if (address.version == 6) is not bracketed:
            raise ValueError
    except ValueError:
        raise BadAddress(
            f"invalid websocket --listen URL `{url}`; expected `ws://IP:PORT`"
        ) from None
    if not address.is_loopback and auth is None:
        raise UsageError(
            f"refusing to start non-loopback websocket listener {host}:{digits} without auth; "
            "configure `--ws-auth capability-token` or `--ws-auth signed-bearer-token`"
        )
    return WebSocket(bare, int(digits), auth)
