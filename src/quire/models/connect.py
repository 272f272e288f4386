"""Opening connections to an endpoint: directly or through a proxy, with or without TLS.

TransportError
├── ConnectFailed     no connection (refused, no such host, no network); nothing was sent
├── TlsRefused        a certificate or the TLS handshake is at fault; trying again is no use
├── ProxyRefused      the proxy does not let us through; trying again is no use
└── StreamCut         (transport.py) the connection failed after the request was begun
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import TYPE_CHECKING

from msgspec import Struct

from quire.models.head import HeadError, Headers, HeadReader, request_head
from quire.models.proxy import Proxy, proxy_for
from quire.models.url import Url
from quire.models.wire import IdleTimeout, Wire

if TYPE_CHECKING:
    import ssl

CONNECT_SECONDS = 30.0  # for one connection: address look-up, TCP, proxy, TLS


class TransportError(Exception):
    """A request got no whole answer. `str()` is a short cause for people."""


class ConnectFailed(TransportError):
    """No connection to the host could be made. Nothing was sent."""


class TlsRefused(TransportError):
    """The host's certificate is not trusted, or it does not speak TLS."""


class ProxyRefused(TransportError):
    """The proxy answered CONNECT with a refusal that waiting will not change."""


class Link(Struct, frozen=True):
    """An open connection. With `absolute`, requests name the whole URL (a plain proxy);
    `headers` are for that proxy and go into every request."""

    wire: Wire
    absolute: bool = False
    headers: tuple[tuple[bytes, bytes], ...] = ()


class Connector:
    """Opens connections as the environment says."""

    def __init__(self, env: Mapping[str, str], ca_certificate: str | None) -> None:
        self._env = env
        self._ca_certificate = ca_certificate
        self._context: ssl.SSLContext | None = None

    async def open(self, url: Url) -> Link:
        """Connect. Raises `ConnectFailed`, `TlsRefused`, `ProxyRefused`, and `UsageError` for
        settings that cannot be used. Cancelling it leaves nothing open."""
        proxy = proxy_for(url, self._env)
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                if proxy is None:
                    return Link(await self._dial(url, url.tls))
                return await self._through(proxy, url)
        except TimeoutError:
            raise ConnectFailed("no answer while connecting") from None

    async def _dial(self, url: Url, tls: bool) -> Wire:
        """A connection to `url`'s host itself."""
        hosts = ("127.0.0.1", "::1") if url.host == "localhost" else (url.host,)
        loop = asyncio.get_running_loop()
        context = self._tls() if tls else None
        failure: OSError | None = None
        for host in hosts:
            try:
                _, wire = await loop.create_connection(
                    Wire,
                    host,
                    url.port,
                    ssl=context,
                    server_hostname=url.host if tls else None,
                    happy_eyeballs_delay=0.25 if len(hosts) == 1 else None,
                )
            except OSError as exc:
                self._refuse_tls(exc, url)
                failure = failure or exc
            else:
                return wire
        assert failure is not None
        raise ConnectFailed(_cause(failure))

    async def _through(self, proxy: Proxy, url: Url) -> Link:
        headers: Headers = []
        if proxy.authorization is not None:
            headers.append((b"proxy-authorization", proxy.authorization))
        try:
            wire = await self._dial(proxy.url, proxy.url.tls)
        except ConnectFailed as exc:
            raise ConnectFailed(f"{proxy}: {exc}") from None
        if not url.tls:
            return Link(wire, absolute=True, headers=tuple(headers))
        try:
            await _connect_tunnel(wire, proxy, url, headers)
            return Link(await self._start_tls(wire, url))
        except BaseException:
            wire.close()
            raise

    async def _start_tls(self, wire: Wire, url: Url) -> Wire:
        loop = asyncio.get_running_loop()
        assert wire.transport is not None
        inner = Wire()
        try:
            transport = await loop.start_tls(
                wire.transport, inner, self._tls(), server_hostname=url.host
            )
        except OSError as exc:
            self._refuse_tls(exc, url)
            raise ConnectFailed(_cause(exc)) from None
        if transport is None:
            raise ConnectFailed("the connection closed during the TLS handshake")
        inner.connection_made(transport)
        return inner

    def _tls(self) -> ssl.SSLContext:
        if self._context is None:
            from quire.models.light_asyncio import ensure_tls
            from quire.models.tls import client_context

            ensure_tls()
            self._context = client_context(self._env, self._ca_certificate)
        return self._context

    def _refuse_tls(self, exc: OSError, url: Url) -> None:
        """Raise `TlsRefused` if `exc` comes from TLS; a broken connection does not."""
        if self._context is None:
            return
        import ssl

        if isinstance(exc, ssl.SSLCertVerificationError):
            raise TlsRefused(
                f"the certificate of {url.host} is not trusted ({exc.verify_message}); if a proxy "
                "or a private authority signs it, name its PEM file in SSL_CERT_FILE"
            ) from None
        if isinstance(exc, ssl.SSLError) and not isinstance(exc, ssl.SSLEOFError):
            raise TlsRefused(
                f"{url.authority} does not speak TLS as expected ({exc.reason or exc})"
            ) from None


async def _connect_tunnel(wire: Wire, proxy: Proxy, url: Url, headers: Headers) -> None:
    """Ask the proxy for a tunnel to `url`'s host."""
    target = url.authority
    wire.write(request_head(b"CONNECT", target, [(b"host", target.encode()), *headers]))
    reader = HeadReader()
    head = None
    try:
        while head is None:
            data = await wire.read(CONNECT_SECONDS)
            if not data:
                raise ConnectFailed(f"{proxy} closed the connection")
            head = reader.feed(data)
    except HeadError as exc:
        raise ConnectFailed(f"{proxy} gave a malformed answer: {exc}") from None
    except (OSError, IdleTimeout) as exc:
        raise ConnectFailed(f"{proxy}: {exc}") from None
    if head.status == 407:
        raise ProxyRefused(
            f"{proxy} wants a user and password (407): set {proxy.variable}=http://USER:PASSWORD@…"
        )
    if head.status in (401, 403, 405):
        raise ProxyRefused(f"{proxy} refuses a connection to {url.authority} ({head.status})")
    if head.status >= 300:
        raise ConnectFailed(f"{proxy} cannot reach {url.authority} ({head.status})")


def _cause(exc: OSError) -> str:
    """A short cause, without addresses and error numbers: `Connection refused`."""
    import os
    import socket

    if isinstance(exc, socket.gaierror):
        return "host name not found"
    text = exc.strerror or str(exc)
    number = exc.errno
    if number is None and text.startswith("Multiple exceptions: [Errno "):  # several addresses
        number = int(text[28:].partition("]")[0])
    if number is not None and number > 0:
        return os.strerror(number)
    return text or type(exc).__name__
