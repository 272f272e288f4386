"""`initialize`: what it answers, and the answer before the server is there (row J2).

A client on standard input waits for this answer before it does anything else. It depends on
nothing that has to be loaded first, so it is given first; the rest is imported while the client
prepares its next call.
"""

from __future__ import annotations

import os
import sys

import msgspec
from msgspec import Struct

from quire.protocol.rpc.server import InitializeParams, InitializeResponse
from quire.protocol.rpc.version import PROTOCOL_VERSION
from quire.server.frames import answer, decode

_READ_SIZE = 64 * 1024


class Greeter(Struct, frozen=True, kw_only=True):
    """The program's name and version, and where it keeps its files."""

    program: str
    home: str

    def response(self, params: InitializeParams) -> InitializeResponse:
        """`userAgent` is `CLIENT/PROTOCOL (SYSTEM) PROGRAM (CLIENT; VERSION)`: clients read the
        version of the protocol out of it."""
        client = params.client_info
        return InitializeResponse(
            user_agent=f"{client.name}/{PROTOCOL_VERSION} ({_system()}) {self.program} "
            f"({client.name}; {client.version})",
            codex_home=self.home,
            platform_family="unix",
            platform_os="macos" if sys.platform == "darwin" else "linux",
        )


class Early(Struct, frozen=True):
    """What was read of standard input by now. `greeted` is true when its first message is an
    `initialize` that was answered."""

    read: bytes = b""
    greeted: bool = False


def greet_early(greeter: Greeter, reader: int = 0, writer: int = 1) -> Early:
    """Wait for the first message on a descriptor and answer it if it is a sound `initialize`.
    Anything else is left to the server. Raises nothing: what is wrong shows again there."""
    data = b""
    try:
        while b"\n" not in data and len(data) < _READ_SIZE:
            more = os.read(reader, _READ_SIZE)
            if not more:
                break
            data += more
        line, ended, _ = data.partition(b"\n")
        frame = _answer_to(line, greeter) if ended else None
        if frame is None or len(frame) > 4096:  # A pipe takes that much whole.
            return Early(data)
        os.write(writer, frame + b"\n")
    except OSError:
        return Early(data)
    return Early(data, greeted=True)


def _answer_to(line: bytes, greeter: Greeter) -> bytes | None:
    message = decode(line)
    if message is None or message.method != "initialize" or not isinstance(message.id, int | str):
        return None
    try:
        params = msgspec.json.decode(message.params, type=InitializeParams)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return answer(message.id, greeter.response(params))


def _system() -> str:
    """The system as the peer's user agent has it: `Debian 12; x86_64`."""
    machine = os.uname()
    name, version = machine.sysname, machine.release
    try:
        with open("/etc/os-release", encoding="utf-8") as file:
            fields = dict(_field(line) for line in file)
        name = fields.get("ID", name).capitalize()
        version = fields.get("VERSION_ID", "")
    except (OSError, UnicodeDecodeError):
        pass
    return f"{f'{name} {version}'.strip()}; {machine.machine}"


def _field(line: str) -> tuple[str, str]:
    name, _, value = line.strip().partition("=")
    return name, value.strip("\"'")
