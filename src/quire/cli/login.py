"""`quire login` and `quire logout`: the API key kept in `$QUIRE_HOME/auth.json`.

Words and exit codes are those of Codex 0.169 (`login --with-api-key`, `login status`, `logout`).
"""

from __future__ import annotations

import os
import sys

from quire.cli.options import CommandLineError, Option, help_text, parse
from quire.models.auth import KEY_VARIABLES, remove_key, save_key, stored_key

_HELP = Option(("--help", "-h"), "Show this help")
_OPTIONS = (Option(("--with-api-key",), "Read the API key from standard input and keep it"), _HELP)
_USAGE = "quire login --with-api-key < FILE\n       quire login status"
_ABOUT = "Keep an API key for the built-in provider, or say whether one is kept."
_LONGEST = 64 * 1024
_CHECKED = "Authentication is checked when you send a request."


def run(argv: list[str]) -> int:
    """`quire login ARGS`; the exit code. Raises `UsageError` (`CommandLineError` for the words
    of the command line)."""
    parsed = parse(argv, _OPTIONS)
    if parsed.flag("help"):
        sys.stdout.write(help_text(_USAGE, _ABOUT, _OPTIONS))
        return 0
    if parsed.words == ["status"] and not parsed.flag("with-api-key"):
        return _status()
    if parsed.words:
        raise CommandLineError(f"unexpected argument '{parsed.words[0]}' found; see --help")
    if not parsed.flag("with-api-key"):
        raise CommandLineError("nothing to do: pass --with-api-key with a key on standard input")
    value = _read_key()
    if not value:
        sys.stderr.write("No API key provided via stdin.\n")
        return 1
    save_key(_home(), value)
    sys.stderr.write(f"API key saved. {_CHECKED}\n")
    return 0


def run_logout(argv: list[str]) -> int:
    """`quire logout`; the exit code. Raises as `run` does."""
    parsed = parse(argv, (_HELP,))
    if parsed.flag("help"):
        sys.stdout.write(help_text("quire logout", "Forget the stored API key.", (_HELP,)))
        return 0
    if parsed.words:
        raise CommandLineError(f"unexpected argument '{parsed.words[0]}' found; see --help")
    removed = remove_key(_home())
    sys.stderr.write("Successfully logged out\n" if removed else "Not logged in\n")
    _mention_variables("still used")
    return 0


def _status() -> int:
    stored = stored_key(_home()) is not None
    sys.stderr.write(f"API key configured - ***\n{_CHECKED}\n" if stored else "Not logged in\n")
    _mention_variables("used first")
    return 0 if stored else 1


def _mention_variables(how: str) -> None:
    """Keys in the environment come before the stored one: say so, or people search in vain."""
    for name in KEY_VARIABLES:
        if os.environ.get(name, "").strip():
            sys.stderr.write(f"{name} is set and {how}\n")
            return


def _read_key() -> str:
    """The first line of standard input; not shown while it is typed."""
    if os.isatty(0):
        from getpass import getpass

        return getpass("API key: ").strip()
    sys.stderr.write("Reading API key from stdin...\n")
    with open(0, "rb", closefd=False) as stdin:
        text = stdin.read(_LONGEST).decode(errors="replace").strip()
    return text.partition("\n")[0].strip()


def _home() -> str:
    return os.environ.get("QUIRE_HOME") or os.path.expanduser("~/.quire")
