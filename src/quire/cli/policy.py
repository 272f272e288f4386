"""`quire policy`: why a command would run, ask or be refused, and what other rules would change."""

from __future__ import annotations

import os
import sys
import time
from typing import TYPE_CHECKING

from quire.cli.exec import working_folder
from quire.cli.execpolicy import split_command
from quire.cli.options import CommandLineError, Option, Parsed, help_text, parse

if TYPE_CHECKING:
    from quire.config.rules.rules import Rules

_SHARED = (
    Option(("--cd", "-C"), "The folder whose project's rules count", "DIR"),
    Option(("--config", "-c"), "Set a config key: KEY=VALUE, VALUE as in TOML", "KEY=VALUE", True),
    Option(("--json",), "Print JSON"),
    Option(("--help", "-h"), "Show this help"),
)
EXPLAIN_OPTIONS = (
    Option(("--rules", "-r"), "Judge by this file instead of yours (repeatable)", "PATH", True),
    *_SHARED,
)
SIMULATE_OPTIONS = (
    Option(("--last",), "How far back: 30d unless given; also 12h, 2w", "TIME"),
    Option(
        ("--rules", "-r"),
        "A changed rule file; it takes the place of the one of the same name (repeatable)",
        "PATH",
        True,
    ),
    *_SHARED,
)
HELP = """\
What your rules say

Usage: quire policy COMMAND [OPTIONS]

Commands:
  explain COMMAND  Why a command line would run, ask or be refused, part by part
  simulate         Which verdicts on your own past commands a changed rule file would flip
"""
_SECONDS = {"h": 3600, "d": 86_400, "w": 604_800}


def run(argv: list[str]) -> int:
    """Run `quire policy ARGV`; the exit code. Raises `QuireError`."""
    match argv[:1]:
        case ["explain"]:
            return _explain(argv[1:])
        case ["simulate"]:
            return _simulate(argv[1:])
        case [] | ["-h"] | ["--help"] | ["help"]:
            sys.stdout.write(HELP)
            return 0
        case _:
            raise CommandLineError(f"there is no `quire policy {argv[0]}`; see quire policy --help")


def _explain(argv: list[str]) -> int:
    parsed = split_command(argv, EXPLAIN_OPTIONS)
    if parsed.flag("help"):
        usage = "quire policy explain [OPTIONS] [--] COMMAND"
        about = "Explain the verdict on a command line: one quoted word, or its words."
        sys.stdout.write(help_text(usage, about, EXPLAIN_OPTIONS))
        return 0
    if not parsed.words:
        raise CommandLineError("a command is required: quire policy explain [OPTIONS] COMMAND")
    from quire.config.rules.explain import as_json, as_text, explain
    from quire.config.rules.policy import Policy
    from quire.config.rules.source import require_file
    from quire.protocol.quoting import command_line

    words = tuple(parsed.words)
    script = words[0] if len(words) == 1 else command_line(words)
    if files := parsed.all("rules"):
        policy = Policy()
        for path in files:
            policy = policy.joined(require_file(path, "option"))
        explanation = explain(policy, script)
    else:
        rules = _rules(parsed)
        explanation = explain(rules.policy, script, rules.problems, rules.warnings)
    sys.stdout.write(as_json(explanation) if parsed.flag("json") else as_text(explanation))
    return 0


def _simulate(argv: list[str]) -> int:
    parsed = parse(argv, SIMULATE_OPTIONS)
    if parsed.flag("help"):
        usage = "quire policy simulate [OPTIONS] --rules <PATH>"
        about = "Judge the commands of your stored threads by your rules and by changed ones."
        sys.stdout.write(help_text(usage, about, SIMULATE_OPTIONS))
        return 0
    if parsed.words:
        raise CommandLineError(f"unexpected argument '{parsed.words[0]}' found; see --help")
    files = parsed.all("rules")
    if not files:
        raise CommandLineError("--rules <PATH> is required: the changed rule file")
    since = time.time() - _period(parsed.one("last") or "30d")
    from collections import Counter

    from quire.cli.exec_run import quire_home
    from quire.config.rules.explain import as_json
    from quire.config.rules.simulate import as_text, simulate
    from quire.rollout.commands import stored_commands

    rules = _rules(parsed)
    changed = rules.with_changed(files)
    stored = stored_commands(quire_home(), since)
    simulation = simulate(
        Counter(stored.scripts).items(),
        (rules.policy, rules.problems),
        changed,
        threads=stored.threads,
        unreadable=stored.unreadable,
    )
    sys.stdout.write(as_json(simulation) if parsed.flag("json") else as_text(simulation))
    return 0


def _rules(parsed: Parsed) -> Rules:
    """The rules that would hold for a thread in the chosen folder."""
    from quire.cli.exec_run import load_config, quire_home
    from quire.config.rules.rules import rules_for

    home, cwd = quire_home(), working_folder(parsed.one("cd"))
    return rules_for(load_config(parsed, home, cwd), home, os.path.abspath(cwd))


def _period(text: str) -> float:
    """Seconds in `30d`, `12h` or `2w`."""
    number, unit = text[:-1], text[-1:]
    if unit not in _SECONDS or not number.isascii() or not number.isdigit():
        raise CommandLineError(f"invalid value '{text}' for '--last': expected 30d, 12h or 2w")
    return float(number) * _SECONDS[unit]
