"""Who may open a WebSocket: the two kinds of bearer tokens (Codex 0.169, app-server).

The signed kind is a JSON Web Token with HS256 and nothing else: one algorithm and four claims are
less than a library for all of JWT would have to be configured down to.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import time
from typing import Protocol

import msgspec
from msgspec import Struct

from quire.core.errors import UsageError

MIN_SECRET = 32
DEFAULT_SKEW_SECONDS = 30
_LONGEST_SECRET = 64 * 1024


class Auth(Protocol):
    """Judges the token of a client that connects."""

    def fault(self, token: str) -> str | None:
        """What is wrong with the token, as it is told to the client; None when it is good."""
        ...


class AuthOptions(Struct, frozen=True):
    """The `--ws-…` options as they were given."""

    mode: str | None = None
    token_file: str | None = None
    token_sha256: str | None = None
    shared_secret_file: str | None = None
    issuer: str | None = None
    audience: str | None = None
    max_clock_skew_seconds: int | None = None


class CapabilityToken:
    """One secret token, of which only the SHA-256 is kept."""

    def __init__(self, digest: bytes) -> None:
        self._digest = digest

    def fault(self, token: str) -> str | None:
        given = hashlib.sha256(token.encode()).digest()
        return None if hmac.compare_digest(given, self._digest) else INVALID_TOKEN


class SignedToken:
    """Tokens that whoever has the shared secret makes, each with its time of expiry."""

    def __init__(self, secret: bytes, options: AuthOptions) -> None:
        self._secret = secret
        self._issuer, self._audience = options.issuer, options.audience
        skew = options.max_clock_skew_seconds
        self._skew = DEFAULT_SKEW_SECONDS if skew is None else skew

    def fault(self, token: str) -> str | None:
        claims = self._claims(token)
        if claims is None:
            return "invalid websocket jwt"
        now = time.time()
        if now > claims.exp + self._skew:
            return "expired websocket jwt"
        if claims.nbf is not None and now < claims.nbf - self._skew:
            return "websocket jwt is not valid yet"
        if self._issuer is not None and claims.iss != self._issuer:
            return "websocket jwt issuer mismatch"
        audiences = [claims.aud] if isinstance(claims.aud, str) else claims.aud or []
        if self._audience is not None and self._audience not in audiences:
            return "websocket jwt audience mismatch"
        return None

    def _claims(self, token: str) -> _Claims | None:
        """None unless the signature and the form are right."""
        signed, _, signature = token.rpartition(".")
        head, _, body = signed.partition(".")
        expected = hmac.digest(self._secret, signed.encode(), "sha256")
        try:
            if not hmac.compare_digest(_decode(signature), expected):
                return None
            if msgspec.json.decode(_decode(head), type=_Header).alg != "HS256":
                return None
            return msgspec.json.decode(_decode(body), type=_Claims)
        except (msgspec.DecodeError, binascii.Error, ValueError, RecursionError):
            return None


class _Header(Struct, frozen=True):
    alg: str


class _Claims(Struct, frozen=True):
    exp: int
    nbf: int | None = None
    iss: str | None = None
    aud: str | list[str] | None = None


MISSING_TOKEN = "missing websocket bearer token"
INVALID_TOKEN = "invalid websocket bearer token"
INVALID_HEADER = "invalid authorization header"


def fault_of(auth: Auth, header: str | None) -> str | None:
    """What is wrong with an `Authorization` header; None when it opens the door."""
    if header is None:
        return MISSING_TOKEN
    scheme, _, token = header.strip().partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        return INVALID_HEADER
    return auth.fault(token.strip())


def make_auth(options: AuthOptions) -> Auth | None:
    """What the options ask for; None without any. Raises `UsageError`."""
    match options.mode:
        case "capability-token":
            return CapabilityToken(_digest(options))
        case "signed-bearer-token":
            return SignedToken(_shared_secret(options), options)
        case _:
            if options != AuthOptions():
                raise UsageError(
                    "websocket auth flags require `--ws-auth capability-token` or "
                    "`--ws-auth signed-bearer-token`"
                )
            return None


def _digest(options: AuthOptions) -> bytes:
    signed = (options.shared_secret_file, options.issuer, options.audience)
    if signed != (None, None, None) or options.max_clock_skew_seconds is not None:
        raise UsageError(
            "`--ws-shared-secret-file`, `--ws-issuer`, `--ws-audience`, and "
            "`--ws-max-clock-skew-seconds` require `--ws-auth signed-bearer-token`"
        )
    if options.token_file is not None and options.token_sha256 is not None:
        raise UsageError("`--ws-token-file` and `--ws-token-sha256` are mutually exclusive")
    if options.token_file is not None:
        return hashlib.sha256(_secret(options.token_file)).digest()
    if options.token_sha256 is None:
        raise UsageError(
            "`--ws-token-file` or `--ws-token-sha256` is required when "
            "`--ws-auth capability-token` is set"
        )
    digits = options.token_sha256.strip()
    try:
        if len(digits) == 64:
            return binascii.unhexlify(digits)
    except ValueError:
        pass
    raise UsageError("--ws-token-sha256 must be a 64-character hex SHA-256 digest")


def _shared_secret(options: AuthOptions) -> bytes:
    if options.token_file is not None or options.token_sha256 is not None:
        raise UsageError(
            "`--ws-token-file` and `--ws-token-sha256` require `--ws-auth capability-token`, "
            "not `signed-bearer-token`"
        )
    path = options.shared_secret_file
    if path is None:
        raise UsageError(
            "`--ws-shared-secret-file` is required when `--ws-auth signed-bearer-token` is set"
        )
    secret = _secret(path)
    if len(secret) < MIN_SECRET:
        raise UsageError(
            f"signed websocket bearer secret {path} must be at least {MIN_SECRET} bytes"
        )
    return secret


def _secret(path: str) -> bytes:
    try:
        with open(path, "rb") as file:
            secret = file.read(_LONGEST_SECRET).strip()
    except OSError as exc:
        raise UsageError(
            f"failed to read websocket auth secret {path}: {exc.strerror or exc}"
        ) from None
    if not secret:
        raise UsageError(f"websocket auth secret {path} must not be empty")
    return secret


def _decode(part: str) -> bytes:
    """Base64url without padding, and nothing else."""
    if not part or set(part) - _ALPHABET:
        raise ValueError("not base64url")
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))


_ALPHABET = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")
