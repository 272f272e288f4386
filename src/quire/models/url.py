"""URLs of endpoints and proxies, taken apart without `urllib` (which costs 3 ms at start)."""

from __future__ import annotations

from msgspec import Struct

from quire.core.errors import UsageError

_PORTS = {"http": 80, "https": 443}


class Url(Struct, frozen=True):
    """An http or https URL. `host` has no brackets; `target` is path and query, from the slash."""

    scheme: str
    host: str
    port: int
    target: str
    userinfo: str = ""

    @property
    def tls(self) -> bool:
        return self.scheme == "https"

    @property
    def netloc(self) -> str:
        """Host, and port when it is not the scheme's own; as in a `Host` header."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _PORTS.get(self.scheme) else f"{host}:{self.port}"

    @property
    def authority(self) -> str:
        """Host and port, always both; as in a CONNECT request."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def absolute(self) -> str:
        """The whole URL without user and password, as requests to a plain proxy name it."""
        return f"{self.scheme}://{self.netloc}{self.target}"

    def __str__(self) -> str:
        """The URL for people: without user and password, without the query."""
        return f"{self.scheme}://{self.netloc}{self.target.partition('?')[0]}"


def parse_url(text: str, what: str) -> Url:
    """Take a URL apart. `what` names the setting it came from, for the error. Raises
    `UsageError`."""
    scheme, sep, rest = text.strip().partition("://")
    scheme = scheme.lower()
    if not sep or scheme not in _PORTS:
        raise UsageError(f"{what}: not an http or https URL: {_shown(text)}")
    rest = rest.partition("#")[0]
    cut = min((at for at in (rest.find("/"), rest.find("?")) if at >= 0), default=len(rest))
    authority, target = rest[:cut], rest[cut:]
    userinfo, _, hostport = authority.rpartition("@")
    host, port = _host_and_port(hostport, _PORTS[scheme])
    if not host or port < 0 or not _printable(rest):
        raise UsageError(f"{what}: cannot read this URL: {_shown(text)}")
    if not target.startswith("/"):
        target = "/" + target
    return Url(scheme, host.lower(), port, target, userinfo)


def _host_and_port(hostport: str, default: int) -> tuple[str, int]:
    """Host without brackets and port; port -1 when it is none."""
    host, port = hostport, ""
    if hostport.startswith("["):
        host, _, after = hostport[1:].partition("]")
        port = after.removeprefix(":")
    elif ":" in hostport:
        host, _, port = hostport.rpartition(":")
    if not port:
        return host, default
    number = int(port) if port.isascii() and port.isdigit() else -1
    return host, number if 0 < number < 65536 else -1


def _printable(text: str) -> bool:
    return text.isascii() and text.isprintable() and " " not in text


def _shown(text: str) -> str:
    """`text` for an error: a password in it is left out."""
    scheme, sep, rest = text.partition("://")
    return repr((scheme + sep + rest.rpartition("@")[2])[:200])
