"""`quire execpolicy check`: hold a command's words against rule files (row A7)."""

from __future__ import annotations

import os
import sys

from quire.cli.options import CommandLineError, Option, Parsed, help_text, parse

OPTIONS = (
    Option(("--rules", "-r"), "A rule file to check against (may be repeated)", "PATH", True),
    Option(("--pretty",), "Indent the JSON"),
    Option(
        ("--resolve-host-executables",),
        "Let a program's path count as its name, within what host_executable() lists",
    ),
    Option(("--help", "-h"), "Show this help"),
)
USAGE = "quire execpolicy check [OPTIONS] --rules <PATH> [--] COMMAND..."
HELP = """\
Tools for rule files

Usage: quire execpolicy COMMAND [OPTIONS]

Commands:
  check  Which rules the words of a command meet, as JSON
"""


def run(argv: list[str]) -> int:
    """Run `quire execpolicy ARGV`; the exit code. Raises `QuireError`."""
    match argv[:1]:
        case ["check"]:
            return _check(argv[1:])
        case [] | ["-h"] | ["--help"] | ["help"]:
            sys.stdout.write(HELP)
            return 0
        case _:
            raise CommandLineError(
                f"there is no `quire execpolicy {argv[0]}`; see quire execpolicy --help"
            )


def _check(argv: list[str]) -> int:
    parsed = split_command(argv, OPTIONS)
    if parsed.flag("help"):
        about = "Say which rules the words of a command meet. No shell is read: quote nothing."
        sys.stdout.write(help_text(USAGE, about, OPTIONS))
        return 0
    files = parsed.all("rules")
    if not files:
        raise CommandLineError(f"--rules <PATH> is required: {USAGE}")
    if not parsed.words:
        raise CommandLineError(f"a command is required: {USAGE}")
    import msgspec

    from quire.config.rules.check import check
    from quire.config.rules.policy import Policy
    from quire.config.rules.source import require_file

    policy = Policy()
    for path in files:
        policy = policy.joined(require_file(path, "option"))
    resolve = parsed.flag("resolve-host-executables")
    document = msgspec.json.encode(check(policy, tuple(parsed.words), resolve, os.getcwd()))
    if parsed.flag("pretty"):
        document = msgspec.json.format(document, indent=2)
    sys.stdout.write(document.decode() + "\n")
    return 0


def split_command(argv: list[str], options: tuple[Option, ...]) -> Parsed:
    """Options up to the first word that is none; from there on all words are the command's, its
    own options too. Raises `CommandLineError`."""
    values = {name for option in options if option.value is not None for name in option.names}
    index = 0
    while index < len(argv) and argv[index].startswith("-") and argv[index] != "-":
        if argv[index] == "--":
            return Parsed(parse(argv[:index], options).values, argv[index + 1 :])
        index += 2 if argv[index] in values else 1
    parsed = parse(argv[:index], options)
    return Parsed(parsed.values, argv[index:])
