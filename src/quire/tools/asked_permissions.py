"""What a model asks for beyond its sandbox, as it writes it (Codex 0.169): `permissions` of
`request_permissions` and `additional_permissions` of `exec_command`."""

from __future__ import annotations

import os

from msgspec import Struct

from quire.core.errors import ToolError
from quire.protocol.policy import Permissions
from quire.tools.base import decode_arguments

SCHEMA = b"""{"type":"object","properties":{\
"file_system":{"type":"object","properties":{\
"read":{"type":"array","description":"Paths to read.","items":{"type":"string"}},\
"write":{"type":"array","description":"Files, and folders with all below them, to write.",\
"items":{"type":"string"}}},"additionalProperties":false},\
"network":{"type":"object","properties":{\
"enabled":{"type":"boolean","description":"True asks for the network."}},\
"additionalProperties":false}},"additionalProperties":false}"""

_MISSING = (
    "missing `additional_permissions`; provide at least one of `network` or `file_system` when "
    "using `with_additional_permissions`"
)
_MISPLACED = (
    "`additional_permissions` requires `sandbox_permissions` set to `with_additional_permissions`"
)


class AskedFiles(Struct, frozen=True, forbid_unknown_fields=True):
    read: tuple[str, ...] | None = None
    write: tuple[str, ...] | None = None


class AskedNetwork(Struct, frozen=True, forbid_unknown_fields=True):
    enabled: bool | None = None


class AskedPermissions(Struct, frozen=True, forbid_unknown_fields=True):
    network: AskedNetwork | None = None
    file_system: AskedFiles | None = None

    def resolved(self, cwd: str) -> Permissions | None:
        """With absolute paths: relative ones lie in `cwd`. None when nothing is named. Raises
        `ToolError` for what is no path."""
        files = self.file_system or AskedFiles()
        read, write = files.read or (), files.write or ()
        network = self.network is not None and self.network.enabled is True
        if not (read or write or network):
            return None
        return Permissions(
            read=tuple(_path(path, cwd) for path in read),
            write=tuple(_path(path, cwd) for path in write),
            network=network,
        )


def _path(path: str, cwd: str) -> str:
    if not path.isprintable():  # A line end in it could make a person misread the question.
        raise ToolError(f"invalid path: {path!r} cannot be shown to the person who decides")
    home = os.path.expanduser(path) if path == "~" or path.startswith("~/") else path
    return os.path.normpath(os.path.join(cwd, home))


class _Additional(Struct, frozen=True):
    additional_permissions: AskedPermissions | None


def additional(named: bytes, mode: str | None, cwd: str) -> Permissions:
    """What one command asks for inside its sandbox: `named` is its `additional_permissions` as
    written, `mode` its `sandbox_permissions`. Raises `ToolError` in Codex's words."""
    decoded = decode_arguments(_Additional, f'{{"additional_permissions":{named.decode()}}}')
    if mode == "require_escalated":
        raise ToolError(_MISPLACED)
    asked = decoded.additional_permissions
    wanted = None if asked is None else asked.resolved(cwd)
    if wanted is None:
        raise ToolError(_MISSING)
    return wanted


def with_additional(parameters: bytes) -> bytes:
    """The parameters of `exec_command` where a command may ask for more inside its sandbox."""
    start, modes = b'{"type":"object","properties":{', b'"enum":["use_default",'
    more = b'%s"additional_permissions":%s,' % (start, SCHEMA)
    offered = parameters.replace(modes, modes + b'"with_additional_permissions",', 1)
    words = b"require_escalated asks to run outside the sandbox."
    inside = b" with_additional_permissions asks for what additional_permissions names, inside it."
    return offered.replace(words, words + inside, 1).replace(start, more, 1)
