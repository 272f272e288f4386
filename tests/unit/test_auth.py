"""Keys: where they are found, how they are kept, and that they do not show."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from quire.core.errors import UsageError
from quire.models.auth import (
    Key,
    Redactor,
    remove_key,
    resolve_key,
    save_key,
    secrets_of,
    stored_key,
)
from quire.models.provider import ProviderConfig, openai_provider
from tests.unit.model_server import provider

ROOT = Path(__file__).parents[2]
OPENAI = openai_provider({})


def found(config: ProviderConfig, env: dict[str, str], home: Path) -> tuple[str, str] | None:
    key = resolve_key(config, env, str(home))
    return None if key is None else (key.reveal(), key.source)


def test_the_order_of_the_built_in_provider(tmp_path: Path) -> None:
    assert found(OPENAI, {}, tmp_path) is None
    path = save_key(str(tmp_path), "sk-file")
    assert found(OPENAI, {}, tmp_path) == ("sk-file", path)
    env = {"OPENAI_API_KEY": "sk-o"}
    assert found(OPENAI, env, tmp_path) == ("sk-o", "OPENAI_API_KEY")
    env["CODEX_API_KEY"] = "sk-c"
    assert found(OPENAI, env, tmp_path) == ("sk-c", "CODEX_API_KEY")
    env["QUIRE_API_KEY"] = " sk-q\n"
    assert found(OPENAI, env, tmp_path) == ("sk-q", "QUIRE_API_KEY")
    env = {"QUIRE_API_KEY": " ", "OPENAI_API_KEY": "sk-o"}
    assert found(OPENAI, env, tmp_path) == ("sk-o", "OPENAI_API_KEY")


def test_a_configured_provider(tmp_path: Path) -> None:
    env = {"QUIRE_API_KEY": "sk-q", "MINE": "sk-m"}
    assert found(provider("http://h"), env, tmp_path) is None
    assert found(provider("http://h", env_key="MINE"), env, tmp_path) == ("sk-m", "MINE")
    own = provider("http://h", experimental_bearer_token="sk-t")
    assert found(own, env, tmp_path) == ("sk-t", "experimental_bearer_token of provider mock")
    shared = provider("http://h", requires_openai_auth=True)
    assert found(shared, env, tmp_path) == ("sk-q", "QUIRE_API_KEY")


@pytest.mark.parametrize("env", [{}, {"MINE": ""}, {"MINE": " "}])
def test_an_empty_key_variable_is_an_error_that_names_it(
    env: dict[str, str], tmp_path: Path
) -> None:
    config = provider("http://h", name="Mock", env_key="MINE", env_key_instructions="Ask Bob.")
    with pytest.raises(UsageError) as caught:
        resolve_key(config, {**env, "QUIRE_API_KEY": "sk-q"}, str(tmp_path))
    assert str(caught.value) == (
        "Missing environment variable: `MINE` (the key of provider Mock). Ask Bob."
    )


@pytest.mark.parametrize("value", ["sk-a b", "sk-ä", "sk-\x00", "sk-a\r\nx: 1"])
def test_a_key_that_fits_no_header_is_an_error_without_it(value: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        resolve_key(OPENAI, {"OPENAI_API_KEY": value}, str(tmp_path))
    assert "OPENAI_API_KEY" in str(caught.value)
    assert "sk-" not in str(caught.value)


def test_keys_do_not_show_themselves() -> None:
    key = Key("sk-secret", "MINE")
    assert "secret" not in f"{key} {key!r} {vars(type(key))}"
    config = provider("http://h", experimental_bearer_token="sk-x", http_headers={"a": "sk-y"})
    assert "sk-" not in repr(config)


def test_the_base_url_of_the_built_in_provider() -> None:
    assert OPENAI.base_url == "https://api.openai.com/v1"
    assert openai_provider({}, "http://proxy").base_url == "http://proxy"
    env = {"OPENAI_BASE_URL": "http://env"}
    assert openai_provider(env, "http://proxy").base_url == "http://env"


# --- the file --------------------------------------------------------------------------------


def test_the_file_has_the_known_shape_and_is_private(tmp_path: Path) -> None:
    home = tmp_path / "new" / "home"
    old = os.umask(0)
    try:
        path = Path(save_key(str(home), "sk-one\n"))
    finally:
        os.umask(old)
    assert path.read_text() == '{"auth_mode":"apikey","OPENAI_API_KEY":"sk-one"}'
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(home.stat().st_mode) == 0o700
    path.chmod(0o644)
    save_key(str(home), "sk-two")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert sorted(home.iterdir()) == [path]
    assert remove_key(str(home))
    assert not remove_key(str(home))
    assert stored_key(str(home)) is None


def test_a_file_without_a_key_is_no_key(tmp_path: Path) -> None:
    (tmp_path / "auth.json").write_text('{"auth_mode":"chatgpt","tokens":{"a":1}}')
    assert stored_key(str(tmp_path)) is None


@pytest.mark.parametrize("text", ["", "{bad", "[]", '{"OPENAI_API_KEY": 7}'])
def test_a_damaged_file_is_one_clear_error(tmp_path: Path, text: str) -> None:
    (tmp_path / "auth.json").write_text(text)
    with pytest.raises(UsageError, match=r"auth\.json is damaged: run `quire login"):
        stored_key(str(tmp_path))


def test_a_home_that_cannot_be_written_is_one_clear_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match=r"cannot write .*/auth\.json: Not a directory"):
        save_key(str(tmp_path / "file" / "home"), "sk-one")


# --- texts from servers ----------------------------------------------------------------------


def test_secrets_are_taken_out_of_texts() -> None:
    env = {"ORG": "org-secret"}
    config = provider(
        "http://h",
        http_headers={"x": "header-secret"},
        env_http_headers={"y": "ORG", "z": "NONE"},
        query_params={"key": "query-secret", "v": "1"},
    )
    secrets = secrets_of(config, Key("key-secret-longer", "K"), env)
    text = "1 key-secret-longer header-secret org-secret query-secret sk-proj-abc***xyz task-one"
    assert Redactor(secrets).clean(text) == "1 *** *** *** *** *** task-one"


@pytest.mark.parametrize("address", ["http://me:pass%21word@proxy:80/", "me:pass%21word@proxy:80"])
@pytest.mark.parametrize("echo", ["me:pass%21word", "pass!word", "bWU6cGFzcyF3b3Jk"])
def test_the_login_of_a_proxy_is_a_secret(address: str, echo: str) -> None:
    secrets = secrets_of(OPENAI, None, {"HTTPS_PROXY": address, "no_proxy": "a@b"})
    assert Redactor(secrets).clean(f"wrong: {echo}!") == "wrong: ***!"


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("cut: KEY-abcdefgh-01", "cut: ***"),
        ("cut: KEY-abcdX", "cut: ***X"),
        ("key-ABCDEFGH-0123456789", "***"),
        ("KEY-abcdefgh-0123456789KEY-abcdefgh-0123", "******"),
        ("KEY-abc", "KEY-abc"),
        ("\u0130 KEY-abcdefgh-0123456789 x", "\u0130 *** x"),
        ("a SHORTS b", "a *** b"),
        ("short", "short"),
    ],
)
def test_a_beginning_of_a_secret_is_masked_in_any_case(text: str, clean: str) -> None:
    """A server that echoes a key may cut it, or fold its case."""
    assert Redactor(["KEY-abcdefgh-0123456789", "shorts"]).clean(text) == clean


# --- the commands ----------------------------------------------------------------------------


def quire(*args: str, stdin: bytes = b"", **env: str) -> tuple[int, str, str]:
    call = "import sys; from quire.cli.main import run; sys.exit(run(sys.argv[1:]))"
    done = subprocess.run(
        [sys.executable, "-c", call, *args],
        input=stdin,
        capture_output=True,
        env={**os.environ, "PYTHONPATH": f"{ROOT}/src", **env},
    )
    return done.returncode, done.stdout.decode(), done.stderr.decode()


SAVED = "API key saved. Authentication is checked when you send a request.\n"
CONFIGURED = "API key configured - ***\nAuthentication is checked when you send a request.\n"


def test_login_status_logout() -> None:
    path = Path(os.environ["QUIRE_HOME"]) / "auth.json"
    assert quire("login", "status") == (1, "", "Not logged in\n")
    code, out, err = quire("login", "--with-api-key", stdin=b"sk-typed\nmore\n")
    assert (code, out) == (0, "")
    assert err == "Reading API key from stdin...\n" + SAVED
    assert path.read_text() == '{"auth_mode":"apikey","OPENAI_API_KEY":"sk-typed"}'
    assert quire("login", "status") == (0, "", CONFIGURED)
    code, _, err = quire("login", "status", OPENAI_API_KEY="sk-env")
    assert (code, err) == (0, CONFIGURED + "OPENAI_API_KEY is set and used first\n")
    assert quire("logout") == (0, "", "Successfully logged out\n")
    assert not path.exists()
    assert quire("logout") == (0, "", "Not logged in\n")


@pytest.mark.parametrize(
    ("args", "stdin", "code", "text"),
    [
        (("login", "--with-api-key"), b"\n", 1, "No API key provided via stdin.\n"),
        (("login", "--with-api-key"), b"\xff\xfe", 1, "error: the key in standard input has"),
        (("login",), b"", 2, "error: nothing to do: pass --with-api-key"),
        (("login", "bogus"), b"", 2, "error: unexpected argument 'bogus' found"),
        (("login", "--bogus"), b"", 2, "error: unexpected argument '--bogus' found"),
        (("logout", "x"), b"", 2, "error: unexpected argument 'x' found"),
    ],
)
def test_what_login_refuses(args: tuple[str, ...], stdin: bytes, code: int, text: str) -> None:
    status, out, err = quire(*args, stdin=stdin)
    assert (status, out) == (code, "")
    assert text in err
    assert "Traceback" not in err


def test_login_help() -> None:
    for command in ("login", "logout"):
        code, out, err = quire(command, "--help")
        assert (code, err) == (0, "")
        assert out.splitlines()[2].startswith(f"Usage: quire {command}")
