"""Keys: where they come from, where they are kept, and keeping them out of what people read.

`auth.json` has Codex's shape (0.169): `{"auth_mode":"apikey","OPENAI_API_KEY":"sk-…"}`, mode 0600.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Mapping

import msgspec
from msgspec import Struct

from quire.core.errors import UsageError
from quire.models.provider import ProviderConfig

KEY_VARIABLES = ("QUIRE_API_KEY", "CODEX_API_KEY", "OPENAI_API_KEY")
_MASK = "***"
_SHORTEST_SECRET = 6  # shorter values would mask half of every text
_TELLING = 8  # so much of a secret is not shown either


class Key:
    """A key that does not show itself. `source` says where it came from, for people."""

    __slots__ = ("_value", "source")

    def __init__(self, value: str, source: str) -> None:
        """Raises `UsageError` when `value` cannot stand in a header."""
        value = value.strip()
        if not value.isascii() or not value.isprintable() or " " in value:
            raise UsageError(f"the key in {source} has characters that no key has: set it again")
        self._value = value
        self.source = source

    def reveal(self) -> str:
        """The key itself, for the one header it belongs into."""
        return self._value

    def __repr__(self) -> str:
        return f"Key({_MASK} from {self.source})"


class _AuthFile(Struct):
    auth_mode: str | None = None
    OPENAI_API_KEY: str | None = None


def resolve_key(provider: ProviderConfig, env: Mapping[str, str], home: str) -> Key | None:
    """The key for a provider, or None when it needs none (or none is configured for the built-in
    one). `home` is `$QUIRE_HOME`. Raises `UsageError` when the provider names a variable that is
    empty, or `auth.json` cannot be read."""
    if provider.env_key:
        value = env.get(provider.env_key, "").strip()
        if not value:
            hint = f" {provider.env_key_instructions}" if provider.env_key_instructions else ""
            raise UsageError(
                f"Missing environment variable: `{provider.env_key}` "
                f"(the key of provider {provider.label}).{hint}"
            )
        return Key(value, provider.env_key)
    if provider.experimental_bearer_token:
        source = f"experimental_bearer_token of provider {provider.id}"
        return Key(provider.experimental_bearer_token, source)
    if provider.id == "openai" or provider.requires_openai_auth:
        for name in KEY_VARIABLES:
            if value := env.get(name, "").strip():
                return Key(value, name)
        return stored_key(home)
    return None


def stored_key(home: str) -> Key | None:
    """The key that `quire login` kept in `home`. Raises `UsageError` for an unusable file."""
    path = os.path.join(home, "auth.json")
    try:
        with open(path, "rb") as file:
            stored = msgspec.json.decode(file.read(), type=_AuthFile)
    except FileNotFoundError:
        return None
    except OSError as exc:
        raise UsageError(f"cannot read {path}: {exc.strerror}") from None
    except msgspec.DecodeError:
        raise UsageError(f"{path} is damaged: run `quire login --with-api-key` again") from None
    return Key(stored.OPENAI_API_KEY, path) if stored.OPENAI_API_KEY else None


def save_key(home: str, value: str) -> str:
    """Keep a key in `home`, replacing the file as a whole; gives its path. Raises `UsageError`."""
    key = Key(value, "standard input")
    path = os.path.join(home, "auth.json")
    draft = f"{path}.{os.getpid()}.tmp"
    data = msgspec.json.encode(_AuthFile("apikey", key.reveal()))
    try:
        os.makedirs(home, mode=0o700, exist_ok=True)
        fd = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
        try:
            os.write(fd, data)
            os.fsync(fd)
        finally:
            os.close(fd)
        os.replace(draft, path)
    except OSError as exc:
        with contextlib.suppress(OSError):  # it may never have been made
            os.unlink(draft)
        raise UsageError(f"cannot write {path}: {exc.strerror}") from None
    return path


def remove_key(home: str) -> bool:
    """Forget the stored key; False when there was none. Raises `UsageError`."""
    path = os.path.join(home, "auth.json")
    try:
        os.unlink(path)
    except FileNotFoundError:
        return False
    except OSError as exc:
        raise UsageError(f"cannot remove {path}: {exc.strerror}") from None
    return True


class Redactor:
    """Takes secrets out of texts that came from a server: servers echo what they were sent."""

    def __init__(self, secrets: Iterable[str]) -> None:
        found = {secret for secret in secrets if len(secret) >= _SHORTEST_SECRET}
        self._secrets = sorted(found, key=len, reverse=True)

    def clean(self, text: str) -> str:
        """`text` with every secret replaced, and with every word that looks like an API key. A
        text may have been cut within a secret, or changed in case: its beginning is enough."""
        for secret in self._secrets:
            text = _masked(text, secret)
        if "sk-" in text:
            import re

            text = re.sub(r"\bsk-[\w*.-]{8,}", _MASK, text)
        return text


def _masked(text: str, secret: str) -> str:
    """`text` without `secret`, and without a beginning of a long one, in any case of letters."""
    lower = text.lower()
    if len(lower) == len(text):
        secret = secret.lower()
    else:  # Some capitals become two letters; then places in the two would differ.
        lower = text
    head = secret[:_TELLING] if len(secret) >= 2 * _TELLING else secret
    parts: list[str] = []
    start = 0
    while (found := lower.find(head, start)) >= 0:
        parts += (text[start:found], _MASK)
        start = found + _agreed(lower[found : found + len(secret)], secret)
    return "".join((*parts, text[start:]))


def _agreed(one: str, other: str) -> int:
    """How many characters two texts begin with in common."""
    pairs = enumerate(zip(one, other, strict=False))
    return next((at for at, (left, right) in pairs if left != right), min(len(one), len(other)))


def secrets_of(provider: ProviderConfig, key: Key | None, env: Mapping[str, str]) -> list[str]:
    """All values that must not be shown: key, header values, query parameters, and what stands
    before the host in the addresses of endpoint and proxies."""
    values = [*provider.http_headers.values(), *provider.query_params.values()]
    values += [env.get(name, "") for name in provider.env_http_headers.values()]
    if key is not None:
        values.append(key.reveal())
    for address in (provider.base_url, *_proxies(env)):
        if "@" in address:
            values += _logins(address)
    return values


def _proxies(env: Mapping[str, str]) -> list[str]:
    return [value for name, value in env.items() if name.lower().endswith("_proxy")]


def _logins(address: str) -> list[str]:
    """User and password of a URL as they are written, as they are sent, and the password alone."""
    from base64 import b64encode
    from urllib.parse import unquote

    rest = address.partition("://")[2] or address
    written = rest.partition("/")[0].rpartition("@")[0]
    plain = unquote(written)
    sent = b64encode(plain.encode("utf-8", "surrogateescape")).decode("ascii")
    return [written, plain, sent, plain.partition(":")[2]]
