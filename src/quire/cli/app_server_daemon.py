"""`quire app-server daemon`: rule the server in the background.

Each command prints one line of JSON, with the members of Codex 0.169 and a few of ours.
"""

from __future__ import annotations

import sys

from quire.cli.home import quire_home
from quire.cli.options import CommandLineError, Parsed
from quire.core.errors import UsageError
from quire.server.daemon import Daemon

HELP = """\
Rule the server in the background

Usage: quire app-server daemon [OPTIONS] COMMAND

Commands:
  start    Start it unless it runs; returns when it answers
  stop     End it
  restart  End it and start it
  status   Say whether it runs
  version  Say which version runs; fails when none does
  run      Be the server, in the foreground: for service managers

Options, for start, restart and run:
  -c, --config <KEY=VALUE>  Set a config key: VALUE as in TOML
      --enable <FEATURE>    Turn a feature on
      --disable <FEATURE>   Turn a feature off
  -h, --help                Show this help
"""


def run_daemon(parsed: Parsed, words: list[str]) -> int:
    """Run `quire app-server daemon WORDS`; the exit code. Raises `QuireError`."""
    if parsed.flag("help") or not words:
        sys.stdout.write(HELP)
        return 0 if parsed.flag("help") else 2
    if len(words) > 1:
        raise CommandLineError(f"unexpected argument '{words[1]}' found; see --help")
    daemon = Daemon(quire_home())
    match words[0]:
        case "start":
            pid = daemon.start(_command(parsed))
            _report(daemon, "alreadyRunning" if pid is None else "started", pid)
        case "restart":
            _report(daemon, "restarted", daemon.restart(_command(parsed)))
        case "stop":
            _report(daemon, "stopped" if daemon.stop() else "notRunning")
        case "status":
            runs = daemon.user_agent() is not None
            _report(daemon, "running" if runs else "notRunning")
        case "version":
            if daemon.user_agent() is None:
                raise UsageError(
                    f"failed to connect to {daemon.socket_path}; `quire app-server daemon start` "
                    "starts a server"
                )
            _report(daemon, "running")
        case "run":
            from quire.cli.app_server_run import serve_as_daemon

            return serve_as_daemon(parsed, daemon)
        case other:
            raise CommandLineError(f"there is no `quire app-server daemon {other}`; see --help")
    return 0


def _command(parsed: Parsed) -> tuple[str, ...]:
    """The server's command line. `-P`: what lies in the folder it starts in is not imported."""
    options = [
        word
        for key in ("config", "enable", "disable")
        for value in parsed.all(key)
        for word in (f"--{key}", value)
    ]
    return (sys.executable, "-P", "-m", "quire", "app-server", "daemon", "run", *options)


def _report(daemon: Daemon, status: str, pid: int | None = None) -> None:
    import msgspec

    from quire import __version__
    from quire.protocol.rpc.version import PROTOCOL_VERSION

    agent = None if status in ("stopped", "notRunning") else daemon.user_agent()
    found = daemon.registered()
    said: dict[str, str | int | None] = {"status": status}
    if found is not None or status in ("stopped", "started", "restarted"):
        said["backend"] = "pid"
    if pid is not None or found is not None:
        said["pid"] = pid if found is None else found.pid
    said |= {
        "managedCodexPath": sys.executable,
        "managedCodexVersion": PROTOCOL_VERSION,
        "socketPath": daemon.socket_path,
        "cliVersion": PROTOCOL_VERSION,
        "quireVersion": __version__,
    }
    if agent is not None:
        said["appServerVersion"] = _protocol_of(agent)
    if found is not None:
        said["appServerQuireVersion"] = found.version
    sys.stdout.write(msgspec.json.encode(said).decode() + "\n")


def _protocol_of(agent: str) -> str | None:
    """`0.169.0` of `NAME/0.169.0 (…)`."""
    return agent.partition("/")[2].partition(" ")[0] or None
