"""`quire app-server`: serve clients that speak Codex's protocol (rows J1, J11)."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

from quire.cli.options import CommandLineError, Option, Parsed, help_text, parse

if TYPE_CHECKING:
    from quire.server.greeting import Early
    from quire.server.transport.addresses import Address
    from quire.server.transport.auth import AuthOptions

_CONFIG = (
    Option(("--config", "-c"), "Set a config key: KEY=VALUE, VALUE as in TOML", "KEY=VALUE", True),
    Option(("--enable",), "Turn a feature on", "FEATURE", True),
    Option(("--disable",), "Turn a feature off", "FEATURE", True),
)
_HELP = Option(("--help", "-h"), "Show this help")
_WEBSOCKET = (
    Option(
        ("--ws-auth",),
        "How WebSocket clients show who they are",
        "MODE",
        choices=("capability-token", "signed-bearer-token"),
    ),
    Option(("--ws-token-file",), "File with the capability token", "PATH"),
    Option(("--ws-token-sha256",), "SHA-256 of the capability token, instead of a file", "HEX"),
    Option(("--ws-shared-secret-file",), "File with the secret that signs bearer tokens", "PATH"),
    Option(("--ws-issuer",), "Issuer that a bearer token must name", "ISSUER"),
    Option(("--ws-audience",), "Audience that a bearer token must name", "AUDIENCE"),
    Option(
        ("--ws-max-clock-skew-seconds",), "How far clocks may differ; 30 unless given", "SECONDS"
    ),
)
_SERVE = (
    Option(("--listen",), "stdio:// (default), unix://, unix://PATH, ws://IP:PORT or off", "URL"),
    Option(("--stdio",), "Same as --listen stdio://"),
    *_WEBSOCKET,
    *_CONFIG,
    Option(("--strict-config",), "Refuse config.toml if it has unknown keys"),
    Option(("--session-source",), "What starts the threads, as their logs say it", "NAME"),
    Option(("--analytics-default-enabled",), "Accepted for other clients; nothing is ever sent"),
    _HELP,
)
_OUT = (
    Option(("--out", "-o"), "Folder to write to", "DIR"),
    Option(("--experimental",), "With the experimental methods and fields"),
    *_CONFIG,
    _HELP,
)
_PROXY = (Option(("--sock",), "Socket of the server", "SOCKET_PATH"), *_CONFIG, _HELP)
_DAEMON = (*_CONFIG, _HELP)
_ABOUT = "Serve clients that speak the app-server protocol of Codex."
_USAGE = """\
quire app-server [OPTIONS]
       quire app-server COMMAND [OPTIONS]

Commands:
  daemon                Rule the server in the background: start, stop, restart, status, version
  proxy                 Join standard input and output to the socket of a running server
  generate-ts           Write the protocol as TypeScript
  generate-json-schema  Write the protocol as JSON Schema"""

Command = Callable[[Parsed, list[str]], int]


def run(argv: list[str]) -> int:
    """Run `quire app-server ARGV`; the exit code. Raises `QuireError`."""
    every = {option.key: option for option in (*_SERVE, *_OUT, *_PROXY, *_DAEMON)}
    parsed = parse(argv, tuple(every.values()))
    name, *words = parsed.words or [""]
    commands: dict[str, tuple[Command, tuple[Option, ...], str]] = {
        "": (_serve, _SERVE, _USAGE),
        "daemon": (_daemon, _DAEMON, "quire app-server daemon [OPTIONS] COMMAND"),
        "proxy": (_proxy, _PROXY, "quire app-server proxy [OPTIONS]"),
        "generate-ts": (_typescript, _OUT, "quire app-server generate-ts [OPTIONS] --out DIR"),
        "generate-json-schema": (
            _json_schema,
            _OUT,
            "quire app-server generate-json-schema [OPTIONS] --out DIR",
        ),
    }
    if name not in commands:
        raise CommandLineError(f"there is no `quire app-server {name}`; see --help")
    command, options, usage = commands[name]
    if name == "daemon" and parsed.flag("help"):
        return _daemon(parsed, words)
    if parsed.flag("help"):
        sys.stdout.write(help_text(usage, _ABOUT, options))
        return 0
    for key in parsed.values:
        if key not in {option.key for option in options}:
            raise CommandLineError(f"'--{key}' does not go with `quire app-server {name}`".rstrip())
    if words and name != "daemon":
        raise CommandLineError(f"unexpected argument '{words[0]}' found; see --help")
    return command(parsed, words)


def _serve(parsed: Parsed, words: list[str]) -> int:
    address = _address(parsed)
    from quire.server.transport.addresses import Stdio

    if isinstance(address, Stdio):
        address = Stdio(_greeted())
    from quire.cli.app_server_run import serve

    return serve(parsed, address)


def _greeted() -> Early:
    """Answer the client on standard input before anything is loaded."""
    from quire import __version__
    from quire.cli.home import quire_home
    from quire.server.greeting import Greeter, greet_early

    return greet_early(Greeter(program=f"quire/{__version__}", home=quire_home()))


def _daemon(parsed: Parsed, words: list[str]) -> int:
    from quire.cli.app_server_daemon import run_daemon

    return run_daemon(parsed, words)


def _proxy(parsed: Parsed, words: list[str]) -> int:
    from quire.cli.home import quire_home
    from quire.server.proxy import run_proxy
    from quire.server.transport.place import default_path

    run_proxy(parsed.one("sock") or default_path(quire_home()))
    return 0


def _json_schema(parsed: Parsed, words: list[str]) -> int:
    from quire.server.schema_json import write_json_schema

    write_json_schema(_out(parsed), parsed.flag("experimental"))
    return 0


def _typescript(parsed: Parsed, words: list[str]) -> int:
    from quire.server.schema_ts import write_typescript

    write_typescript(_out(parsed), parsed.flag("experimental"))
    return 0


def _out(parsed: Parsed) -> str:
    folder = parsed.one("out")
    if folder is None:
        raise CommandLineError("a folder is required: --out DIR")
    return os.path.abspath(folder)


def _address(parsed: Parsed) -> Address:
    from quire.cli.home import quire_home
    from quire.core.errors import UsageError
    from quire.server.transport.addresses import BadAddress, Stdio, parse_url

    url = parsed.one("listen")
    if url is not None and parsed.flag("stdio"):
        raise CommandLineError("the argument '--listen <URL>' cannot be used with '--stdio'")
    auth = None
    if any(key.startswith("ws-") for key in parsed.values):
        from quire.server.transport.auth import make_auth

        auth = make_auth(_auth_options(parsed))
    if url is None:
        return Stdio()
    if url == "off":
        raise UsageError("no transport configured; use --listen")
    try:
        return parse_url(url, quire_home(), auth)
    except BadAddress as exc:
        raise CommandLineError(f"invalid value '{url}' for '--listen <URL>': {exc}") from None


def _auth_options(parsed: Parsed) -> AuthOptions:
    from quire.server.transport.auth import AuthOptions

    skew = parsed.one("ws-max-clock-skew-seconds")
    if skew is not None and not (skew.isascii() and skew.isdecimal()):
        raise CommandLineError(
            f"invalid value '{skew}' for '--ws-max-clock-skew-seconds <SECONDS>': not a number"
        )
    return AuthOptions(
        mode=parsed.one("ws-auth"),
        token_file=parsed.one("ws-token-file"),
        token_sha256=parsed.one("ws-token-sha256"),
        shared_secret_file=parsed.one("ws-shared-secret-file"),
        issuer=parsed.one("ws-issuer"),
        audience=parsed.one("ws-audience"),
        max_clock_skew_seconds=None if skew is None else int(skew),
    )
