"""`quire doctor`: what works on this machine, what does not, and what to do about it."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable

import msgspec

from quire.cli.options import CommandLineError, Option, help_text, parse

OPTIONS = (
    Option(("--json",), "Print the report as JSON"),
    Option(("--help", "-h"), "Show this help"),
)


class Check(msgspec.Struct, frozen=True):
    """What one check found. `remedy` is the one thing to do; empty when all is well."""

    name: str
    ok: bool
    detail: str
    remedy: str = ""
    notes: tuple[str, ...] = ()


def run(argv: list[str]) -> int:
    """Print the report; 0 when all is well, else 1."""
    parsed = parse(argv, OPTIONS)
    if parsed.flag("help"):
        about = "Say what works on this machine and what does not"
        sys.stdout.write(help_text("quire doctor [--json]", about, OPTIONS))
        return 0
    if parsed.words:
        raise CommandLineError(f"unexpected argument '{parsed.words[0]}' found; see --help")
    checks = [check() for check in CHECKS]
    ok = all(check.ok for check in checks)
    if parsed.flag("json"):
        report = msgspec.json.encode({"ok": ok, "checks": checks})
        sys.stdout.write(msgspec.json.format(report).decode() + "\n")
    else:
        sys.stdout.write("".join(map(_lines, checks)))
    return 0 if ok else 1


def _lines(check: Check) -> str:
    text = f"{'ok ' if check.ok else 'BAD'}  {check.name}: {check.detail}\n"
    if check.remedy:
        text += f"       {check.remedy}\n"
    return text + "".join(f"       {note}\n" for note in check.notes)


def check_python() -> Check:
    """The interpreter."""
    version = ".".join(map(str, sys.version_info[:3]))
    ok = sys.version_info >= (3, 11)
    remedy = "" if ok else "Install Python 3.11 or later"
    return Check("python", ok, f"{version}, {sys.executable}", remedy)


def check_git() -> Check:
    """git, which the agent uses and most projects need."""
    import subprocess

    try:
        done = subprocess.run(["git", "--version"], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError) as exc:
        return Check("git", False, str(exc), "Install git")
    return Check("git", True, done.stdout.strip().removeprefix("git version "))


def check_home() -> Check:
    """The folder for config and sessions."""
    from quire.cli.home import quire_home

    home = quire_home()
    place = home
    while not os.path.exists(place):
        place = os.path.dirname(place)
    if not os.access(place, os.W_OK | os.X_OK):
        remedy = "Make it writable, or set QUIRE_HOME to a folder that is"
        return Check("home", False, f"{home}: {place} cannot be written", remedy)
    if os.path.realpath(home).startswith("/tmp/"):
        remedy = "Set QUIRE_HOME to a folder outside /tmp"
        return Check("home", False, f"{home} lies below /tmp, where commands may write", remedy)
    return Check("home", True, home)


def check_bubblewrap() -> Check:
    """The bubblewrap programs, best first. Without any, the sandbox has other layers."""
    from quire.sandbox.bubblewrap import find

    return Check("bubblewrap", True, ", ".join(find()) or "no bwrap program found")


def check_sandbox() -> Check:
    """The layer in force, found by running a command in it."""
    import asyncio

    from quire.cli.home import quire_home
    from quire.sandbox.single import try_sandbox

    trial = asyncio.run(try_sandbox(quire_home()))
    detail = f"layer {trial.detail}" if trial.ok else trial.detail
    notes = (*(f"did not work: {text}" for text in trial.failed if trial.ok),)
    notes += tuple(f"not guaranteed: {text}" for text in trial.not_held)
    return Check("sandbox", trial.ok, detail, trial.remedy, notes)


CHECKS: tuple[Callable[[], Check], ...] = (
    check_python,
    check_git,
    check_home,
    check_bubblewrap,
    check_sandbox,
)
"""In the order of the report; a new one goes here."""
