"""Tokens of WebSocket clients, with the answers of Codex 0.169."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from pathlib import Path

import pytest

from quire.core.errors import UsageError
from quire.server.transport.auth import Auth, AuthOptions, fault_of, make_auth

SECRET = b"0123456789abcdef0123456789abcdefXYZ"
INVALID = "invalid websocket jwt"


def encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def jwt(claims: object, head: object = None, key: bytes = SECRET, digest: str = "sha256") -> str:
    head = {"alg": "HS256", "typ": "JWT"} if head is None else head
    signed = f"{encoded(json.dumps(head).encode())}.{encoded(json.dumps(claims).encode())}"
    return f"{signed}.{encoded(hmac.digest(key, signed.encode(), digest))}"


@pytest.fixture
def signed(tmp_path: Path) -> Auth:
    (tmp_path / "secret").write_bytes(SECRET + b"\n")
    options = AuthOptions(
        "signed-bearer-token",
        shared_secret_file=str(tmp_path / "secret"),
        issuer="iss",
        audience="aud",
        max_clock_skew_seconds=5,
    )
    auth = make_auth(options)
    assert auth is not None
    return auth


def test_claims(signed: Auth) -> None:
    now = int(time.time())
    good = {"iss": "iss", "aud": "aud", "exp": now + 60}
    table: list[tuple[dict[str, object], str | None]] = [
        ({}, None),
        ({"exp": now - 60}, "expired websocket jwt"),
        ({"exp": now - 3}, None),
        ({"exp": now - 7}, "expired websocket jwt"),
        ({"exp": -1}, "expired websocket jwt"),
        ({"exp": 10**18}, None),
        ({"exp": now + 60.5}, INVALID),
        ({"exp": str(now + 60)}, INVALID),
        ({"exp": None}, INVALID),
        ({"nbf": now + 60}, "websocket jwt is not valid yet"),
        ({"nbf": now + 3}, None),
        ({"nbf": None}, None),
        ({"nbf": "x"}, INVALID),
        ({"iss": "x"}, "websocket jwt issuer mismatch"),
        ({"iss": None}, "websocket jwt issuer mismatch"),
        ({"aud": None}, "websocket jwt audience mismatch"),
        ({"aud": ["x", "aud"]}, None),
        ({"aud": ["x"]}, "websocket jwt audience mismatch"),
        ({"iat": now + 600, "sub": "anybody"}, None),
    ]
    for change, fault in table:
        assert signed.fault(jwt(good | change)) == fault, change


def test_signatures_and_forms(signed: Auth) -> None:
    good = {"iss": "iss", "aud": "aud", "exp": int(time.time()) + 60}
    assert signed.fault(jwt(good, {"alg": "HS256"})) is None
    for bad in (
        jwt(good, {"alg": "none"}),
        jwt(good, {"alg": "HS512"}, digest="sha512"),
        jwt(good, key=b"1" * 32),
        jwt(good, key=SECRET + b"\n"),
        jwt(good).rpartition(".")[0] + ".",
        jwt(good) + ".x",
        jwt(good) + "=",
        jwt(good).replace(".", "..", 1),
        jwt([]),
        jwt("\ud800"),
        "a.b.c",
        "..",
        "",
        "é.é.é",
    ):
        assert signed.fault(bad) == INVALID, bad


def test_the_default_skew_is_thirty_seconds(tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(SECRET)
    path = str(tmp_path / "secret")
    auth = make_auth(AuthOptions("signed-bearer-token", shared_secret_file=path))
    assert auth is not None
    now = int(time.time())
    assert auth.fault(jwt({"exp": now - 25})) is None
    assert auth.fault(jwt({"exp": now - 35})) == "expired websocket jwt"


def test_headers(tmp_path: Path) -> None:
    (tmp_path / "token").write_text(" hello-token\n")
    from_file = make_auth(AuthOptions("capability-token", token_file=str(tmp_path / "token")))
    digest = hashlib.sha256(b"hello-token").hexdigest().upper()
    from_digest = make_auth(AuthOptions("capability-token", token_sha256=digest))
    table = [
        (None, "missing websocket bearer token"),
        ("Bearer hello-token", None),
        ("bearer   hello-token  ", None),
        ("Bearer nope", "invalid websocket bearer token"),
        ("Bearer é", "invalid websocket bearer token"),
        ("Basic hello-token", "invalid authorization header"),
        ("Bearer ", "invalid authorization header"),
        ("hello-token", "invalid authorization header"),
        ("", "invalid authorization header"),
    ]
    for auth in (from_file, from_digest):
        assert auth is not None
        for header, fault in table:
            assert fault_of(auth, header) == fault, header


MISUSES = [
    (AuthOptions("capability-token"), "is required when `--ws-auth capability-token` is set"),
    (AuthOptions("capability-token", token_sha256="zz"), "must be a 64-character hex SHA-256"),
    (AuthOptions("capability-token", token_sha256="z" * 64), "must be a 64-character hex SHA-256"),
    (AuthOptions("capability-token", token_file="a", token_sha256="b"), "mutually exclusive"),
    (AuthOptions("capability-token", token_file="a", issuer="b"), "require `--ws-auth signed"),
    (AuthOptions("capability-token", token_file="/none/such"), "/none/such: No such file"),
    (AuthOptions("signed-bearer-token"), "`--ws-shared-secret-file` is required"),
    (AuthOptions("signed-bearer-token", token_file="a"), "require `--ws-auth capability-token`"),
    (AuthOptions(token_file="a"), "websocket auth flags require `--ws-auth"),
]


@pytest.mark.parametrize(("options", "message"), MISUSES)
def test_options_that_do_not_fit(options: AuthOptions, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        make_auth(options)
    assert message in str(caught.value)


def test_weak_secrets_are_refused(tmp_path: Path) -> None:
    (tmp_path / "empty").write_text(" \n")
    (tmp_path / "short").write_text("short")
    with pytest.raises(UsageError, match="must not be empty"):
        make_auth(AuthOptions("capability-token", token_file=str(tmp_path / "empty")))
    short = str(tmp_path / "short")
    with pytest.raises(UsageError, match="must be at least 32 bytes"):
        make_auth(AuthOptions("signed-bearer-token", shared_secret_file=short))
    assert make_auth(AuthOptions()) is None
