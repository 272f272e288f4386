"""Which proxy stands between us and an endpoint: the usual environment variables.

`HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY`, `NO_PROXY`, each in lower case first. Loopback hosts are
never proxied unless `QUIRE_PROXY_LOOPBACK=1`.
"""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct

from quire.core.errors import UsageError
from quire.models.url import Url, parse_url


class Proxy(Struct, frozen=True):
    """A proxy. `variable` is where it was set; `authorization` the header value it wants."""

    url: Url
    variable: str
    authorization: bytes | None = None

    def __str__(self) -> str:
        return f"proxy {self.url.netloc} ({self.variable})"


def proxy_for(url: Url, env: Mapping[str, str]) -> Proxy | None:
    """The proxy for `url`, or None for a direct connection. Raises `UsageError` for a proxy
    that cannot be used."""
    variable, value = _first(env, f"{url.scheme}_proxy", "all_proxy")
    if not value:
        return None
    if is_loopback(url.host) and env.get("QUIRE_PROXY_LOOPBACK") != "1":
        return None
    if _excepted(url, _first(env, "no_proxy")[1]):
        return None
    return _proxy(value, variable)


def is_loopback(host: str) -> bool:
    """True for names and addresses of this machine."""
    return (
        host == "localhost"
        or host.endswith(".localhost")
        or host == "::1"
        or (host.startswith("127.") and host.replace(".", "").isdigit())
    )


def _first(env: Mapping[str, str], *names: str) -> tuple[str, str]:
    for name in names:
        for spelling in (name, name.upper()):
            value = env.get(spelling, "").strip()
            if value:
                return spelling, value
    return "", ""


def _proxy(value: str, variable: str) -> Proxy:
    scheme, sep, _ = value.partition("://")
    if not sep:
        value = "http://" + value
    elif scheme.lower() not in ("http", "https"):
        raise UsageError(
            f"{variable}: {scheme} proxies are not supported; set HTTPS_PROXY to an http:// proxy"
        )
    url = parse_url(value, variable)
    authorization = None
    if url.userinfo:
        from base64 import b64encode
        from urllib.parse import unquote

        authorization = b"Basic " + b64encode(unquote(url.userinfo).encode())
    return Proxy(url, variable, authorization)


def _excepted(url: Url, no_proxy: str) -> bool:
    for entry in no_proxy.replace(",", " ").split():
        entry = entry.lower()
        if entry == "*":
            return True
        host, _, port = entry.rpartition(":")
        if host and port.isdigit() and (":" not in host or host.endswith("]")):
            if int(port) != url.port:
                continue
            entry = host
        if _matches(url.host, entry.strip("[]")):
            return True
    return False


def _matches(host: str, entry: str) -> bool:
    if "/" in entry:
        return _in_network(host, entry)
    name = entry.lstrip("*").lstrip(".")
    return bool(name) and (host == name or host.endswith("." + name))


def _in_network(host: str, network: str) -> bool:
    import ipaddress

    try:
        return ipaddress.ip_address(host) in ipaddress.ip_network(network, strict=False)
    except ValueError:
        return False
