"""`quire archive`, `unarchive`, `delete` and `rename`: stored threads by id or name (row D7)."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from quire.cli.home import quire_home
from quire.cli.options import CommandLineError, Option, Parsed, help_text, parse
from quire.core.errors import UsageError
from quire.rollout.library import Library
from quire.rollout.paths import is_thread_id

_HELP = Option(("--help", "-h"), "Show this help")
_FORCE = Option(("--force",), "Delete without asking. SESSION must be a UUID")
_SESSION = "SESSION is the id (UUID) of a thread or its name; an id wins."
_ABOUT = {
    "archive": f"Put a thread aside: it is kept, and no longer listed.\n{_SESSION}",
    "unarchive": f"Bring back a thread that was put aside.\n{_SESSION}",
    "delete": f"Delete a thread for good. Asks first.\n{_SESSION}",
    "rename": f"Give a thread a name, by which other commands find it.\n{_SESSION}",
}


def run(command: str, argv: list[str]) -> int:
    """Run `quire COMMAND ARGV`; the exit code. Raises `QuireError`."""
    options = (_FORCE, _HELP) if command == "delete" else (_HELP,)
    words = "<SESSION> <NAME>" if command == "rename" else "<SESSION>"
    parsed = parse(argv, options)
    if parsed.flag("help"):
        sys.stdout.write(help_text(f"quire {command} [OPTIONS] {words}", _ABOUT[command], options))
        return 0
    _check_words(command, parsed, words.split())
    library = Library(quire_home())
    match command:
        case "archive":
            _archive(library, parsed.words[0])
        case "unarchive":
            _unarchive(library, parsed.words[0])
        case "rename":
            _rename(library, *parsed.words)
        case _:
            return _delete(library, parsed.words[0], force=parsed.flag("force"))
    return 0


def _check_words(command: str, parsed: Parsed, wanted: Sequence[str]) -> None:
    missing = wanted[len(parsed.words) :]
    if missing:
        raise CommandLineError(f"`quire {command}` needs {' and '.join(missing)}")
    if len(parsed.words) > len(wanted):
        raise CommandLineError(f"unexpected argument '{parsed.words[len(wanted)]}' found")


def _archive(library: Library, session: str) -> None:
    thread_id = library.find(session, archived=False)
    library.archive(thread_id)
    _say(f"Archived session {_label(session, thread_id)}.")


def _unarchive(library: Library, session: str) -> None:
    thread_id = library.find(session, archived=True)
    library.unarchive(thread_id)
    name = library.thread(thread_id).name
    _say(f"Unarchived session {_label(name or session, thread_id)}.")


def _rename(library: Library, session: str, name: str) -> None:
    thread_id = library.find(session)
    _say(f"Renamed session {thread_id} to {library.rename(thread_id, name)}.")


def _delete(library: Library, session: str, *, force: bool) -> int:
    by_id = is_thread_id(session.lower())
    if force and not by_id:
        raise UsageError("--force requires a session UUID; names must be confirmed interactively")
    thread_id = library.find(session)
    label = _label(session, thread_id)
    if not force and not _confirmed(label):
        sys.stderr.write("Nothing was deleted.\n")
        return 1
    library.delete(thread_id)
    _say(f"Deleted session {label}.")
    return 0


def _confirmed(label: str) -> bool:
    """Raises `UsageError` when nobody can be asked."""
    if not sys.stdin.isatty() or not sys.stderr.isatty():
        raise UsageError(
            "cannot confirm session deletion without an interactive terminal; rerun with --force "
            "and a session UUID"
        )
    sys.stderr.write(f"Delete session {_shown(label)} for good? [y/N] ")
    sys.stderr.flush()
    return sys.stdin.readline().strip().lower() in ("y", "yes")


def _label(session: str, thread_id: str) -> str:
    """`ID`, or `NAME (ID)`."""
    return thread_id if session.lower() == thread_id else f"{session} ({thread_id})"


def _say(text: str) -> None:
    sys.stdout.write(f"{_shown(text)}\n")


def _shown(text: str) -> str:
    """A name may come from a client: nothing in it moves the cursor."""
    return "".join(
        letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in text
    )
