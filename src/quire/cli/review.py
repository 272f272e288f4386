"""`quire review` and `quire exec review`: what to review, and when that fails (rows V1, V2)."""

from __future__ import annotations

import sys

from quire.cli.exec import OPTIONS as EXEC_OPTIONS
from quire.cli.options import CommandLineError, Option, Parsed, help_text, parse
from quire.core.errors import UsageError
from quire.protocol.review import (
    BaseBranchReviewTarget,
    CommitReviewTarget,
    CustomReviewTarget,
    ReviewTarget,
    UncommittedChangesReviewTarget,
)

_NOT_HERE = ("image", "sandbox", "add-dir", "approve-for-me", "output-schema", "last")
_TARGETS = (
    Option(("--uncommitted",), "Review staged, unstaged and untracked changes"),
    Option(("--base",), "Review what changed since the work left this branch", "BRANCH"),
    Option(("--commit",), "Review what one commit changed", "SHA"),
    Option(("--title",), "The commit's title, to be shown (with --commit)", "TITLE"),
)
OPTIONS = (
    *_TARGETS,
    Option(
        ("--fail-on",),
        "Exit with 1 when a finding is this urgent or more so",
        "PRIORITY",
        choices=("P0", "P1", "P2", "P3"),
    ),
    *(option for option in EXEC_OPTIONS if option.key not in _NOT_HERE),
)
ABOUT = (
    "Let a reviewer that can read and not write look for defects in changes. What it finds goes\n"
    "to stdout. PROMPT says in your own words what to review; with - it is read from stdin."
)
NO_TARGET = "Specify --uncommitted, --base, --commit, or provide custom review instructions"


def run(argv: list[str]) -> int:
    """Run `quire review ARGV`; the exit code. Raises `QuireError`."""
    return run_review(parse(argv, OPTIONS), "quire review")


def after_exec(argv: list[str]) -> Parsed | None:
    """The rest of `quire exec [OPTIONS] review ...`; None when that is not what `argv` says.
    Raises `CommandLineError` for an option that does not go with a review."""
    try:
        parsed = parse(argv, (*OPTIONS, *(one for one in EXEC_OPTIONS if one.key in _NOT_HERE)))
    except CommandLineError:
        return None if argv[0] != "review" else parse(argv[1:], OPTIONS)
    if parsed.words[:1] != ["review"]:
        return None
    for key in _NOT_HERE:
        if parsed.flag(key) and key != "sandbox":
            raise CommandLineError(f"'--{key}' does not go with `review`")
    parsed.words.pop(0)
    return parsed


def run_review(parsed: Parsed, command: str) -> int:
    """Run a review; the exit code. Raises `QuireError`."""
    if parsed.flag("help"):
        sys.stdout.write(help_text(f"{command} [OPTIONS] [PROMPT]", ABOUT, OPTIONS))
        return 0
    target = review_target(parsed)
    from quire.cli.exec_run import run_exec

    return run_exec(parsed, None, None, None, target)


def review_target(parsed: Parsed) -> ReviewTarget:
    """What the command line wants reviewed. Raises `CommandLineError` for what does not go
    together, `UsageError` when something is missing or empty."""
    if len(parsed.words) > 1:
        raise CommandLineError(f"unexpected argument '{parsed.words[1]}' found; quote the prompt")
    given = [option for option in _TARGETS[:3] if parsed.flag(option.key)]
    named = [_spelled(option) for option in given] + (["[PROMPT]"] if parsed.words else [])
    if len(named) > 1:
        raise CommandLineError(f"the argument '{named[0]}' cannot be used with '{named[1]}'")
    title = parsed.one("title")
    commit, base = parsed.one("commit"), parsed.one("base")
    if title is not None and commit is None:
        raise CommandLineError("'--title <TITLE>' goes with '--commit <SHA>'")
    if parsed.flag("uncommitted"):
        return UncommittedChangesReviewTarget()
    if base is not None:
        return BaseBranchReviewTarget(_filled(base, "--base"))
    if commit is not None:
        return CommitReviewTarget(_filled(commit, "--commit"), title)
    if not parsed.words:
        raise UsageError(NO_TARGET)
    return CustomReviewTarget(_instructions(parsed.words[0]))


def _spelled(option: Option) -> str:
    return option.names[0] + (f" <{option.value}>" if option.value else "")


def _instructions(word: str) -> str:
    if word == "-":
        from quire.cli.stdin import prompt_from_stdin

        word = prompt_from_stdin(asked=True)
    if not word.strip():
        raise UsageError("Review prompt cannot be empty")
    return word.strip()


def _filled(value: str, option: str) -> str:
    if not value.strip():
        raise UsageError(f"{option}: the name is empty")
    return value.strip()
