"""The commands by name. Each imports what it needs when it runs."""

from __future__ import annotations

import os
import sys
from typing import Never

from quire.core.errors import QuireError

HELP = """\
Quire: an open coding agent that you can trust with your machine

Usage: quire COMMAND [ARGS]

Commands:
  exec         Do one task without asking questions (alias: e)
  review       Review changes and report findings
  demo         Repair a small broken project, offline, and show how
  apply-patch  Apply a patch to files
  sandbox      Run a command in the sandbox
  doctor       Say what works on this machine and what does not
  execpolicy   Hold a command's words against rule files
  policy       Explain what your rules say of a command, or try changed ones
  debug        Show the prompt a model would get, or the model catalog
  rename       Give a thread a name
  archive      Put a thread aside
  unarchive    Bring back a thread that was put aside
  delete       Delete a thread for good
  app-server   Serve other programs: IDEs, SDKs, further front ends
  acp          Serve an editor that speaks the Agent Client Protocol
  mcp-server   Serve a client that speaks the Model Context Protocol
  login        Store an API key, or show whether one is stored
  logout       Forget the stored API key
  help         Show this help

Options:
  -V, --version  Show the version
  -h, --help     Show this help, or that of a command
"""
OPTIONS_BEFORE = ("-c", "--config", "--enable", "--disable")
EXIT_FAILED, EXIT_USAGE, EXIT_INTERRUPTED = 1, 2, 130


def run(argv: list[str]) -> int:
    """Run a command line (without the program's name); the exit code."""
    if not argv or argv[0] in ("-h", "--help", "help"):
        sys.stdout.write(HELP)
        return 0
    from quire.cli.options import CommandLineError

    try:
        name, words = _command_first(argv)
        return _command(name, words)
    except CommandLineError as exc:
        return _fail(str(exc), EXIT_USAGE)
    except QuireError as exc:
        return _fail(str(exc), EXIT_FAILED)
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        # Whoever read our output is gone; what is still buffered has nowhere to go.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_FAILED


def _command_first(argv: list[str]) -> tuple[str, list[str]]:
    """The command, and its words with the options that stood before it: SDKs of Codex start
    `codex --config KEY=VALUE … app-server`. Other options have no place there."""
    place = 0
    while place < len(argv) - 1:
        name, equals, _ = argv[place].partition("=")
        if name not in OPTIONS_BEFORE:
            break
        place += 1 if equals else 2
    if place >= len(argv):
        from quire.cli.options import CommandLineError

        raise CommandLineError("a command is missing; `quire help` lists them")
    return argv[place], argv[:place] + argv[place + 1 :]


def _command(name: str, argv: list[str]) -> int:
    match name:
        case "exec" | "e":
            from quire.cli.exec import run as run_exec

            _leave(run_exec(argv))
        case "archive" | "unarchive" | "delete" | "rename":
            from quire.cli.stored import run as run_stored

            return run_stored(name, argv)
        case "review":
            from quire.cli.review import run as run_review

            _leave(run_review(argv))
        case "apply-patch":
            from quire.cli import apply_patch as command
        case "sandbox":
            from quire.cli import sandbox as command
        case "doctor":
            from quire.cli import doctor as command
        case "demo":
            from quire.cli import demo as command
        case "debug":
            from quire.cli import debug as command
        case "app-server":
            from quire.cli import app_server as command
        case "acp":
            from quire.cli import acp as command
        case "mcp-server":
            from quire.cli import mcp_server as command
        case "execpolicy":
            from quire.cli import execpolicy as command
        case "policy":
            from quire.cli import policy as command
        case "login":
            from quire.cli import login as command
        case "logout":
            from quire.cli.login import run_logout

            return run_logout(argv)
        case _:
            from quire.cli.options import CommandLineError

            raise CommandLineError(f"there is no command '{name}'; `quire help` lists them")
    return command.run(argv)


def _leave(code: int) -> Never:
    """End the process without taking it apart: all is closed, written and flushed by now, and
    the interpreter's own clean-up would take a tenth of the run."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def _fail(message: str, code: int) -> int:
    from quire.config.errors import one_line

    sys.stderr.write(f"error: {one_line(message)}\n")
    return code
