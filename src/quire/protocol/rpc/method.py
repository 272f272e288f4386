"""How the words of one namespace are listed."""

from __future__ import annotations

from msgspec import Struct


class Empty(Struct, frozen=True):
    """No parameters, or nothing to answer: `{}`."""


class Method(Struct, frozen=True):
    """A call that a client makes. `experimental` ones are for clients that said they can."""

    name: str
    params: type[Struct]
    result: type[Struct]
    experimental: bool = False


class Notification(Struct, frozen=True):
    """What the server tells without being asked. A `lossy` one may be dropped or merged when a
    client reads slowly."""

    name: str
    params: type[Struct]
    lossy: bool = False


class ServerRequest(Struct, frozen=True):
    """A question that the server asks a client."""

    name: str
    params: type[Struct]
    result: type[Struct]
