"""`quire exec`: options, prompt, and the run (rows E1-E10)."""

from __future__ import annotations

import os
import sys

from quire.cli.options import CommandLineError, Option, Parsed, help_text, parse
from quire.core.errors import UsageError

OPTIONS = (
    Option(("--config", "-c"), "Set a config key: KEY=VALUE, VALUE as in TOML", "KEY=VALUE", True),
    Option(("--enable",), "Switch a feature on", "FEATURE", True),
    Option(("--disable",), "Switch a feature off", "FEATURE", True),
    Option(("--strict-config",), "Treat unknown config keys as errors"),
    Option(("--image", "-i"), "Attach an image to the prompt", "FILE", True),
    Option(("--model", "-m"), "Model to use; `offline` is the embedded one", "MODEL"),
    Option(("--profile", "-p"), "Layer $QUIRE_HOME/NAME.config.toml over the config", "NAME"),
    Option(
        ("--sandbox", "-s"),
        "What commands may touch",
        "MODE",
        choices=("read-only", "workspace-write", "danger-full-access"),
    ),
    Option(
        ("--approve-for-me",), "Let an automatic reviewer answer, in the workspace-write sandbox"
    ),
    Option(("--cd", "-C"), "Folder to work in", "DIR"),
    Option(("--add-dir",), "A further folder that may be written", "DIR", True),
    Option(("--trust",), "Trust this project from now on: its config takes effect"),
    Option(("--skip-git-repo-check",), "Run outside a Git repository"),
    Option(("--ephemeral",), "Keep no session file"),
    Option(("--ignore-user-config",), "Do not read $QUIRE_HOME/config.toml"),
    Option(("--ignore-rules",), "Do not read rules files"),
    Option(("--output-schema",), "JSON Schema file that the final answer must fit", "FILE"),
    Option(("--output-last-message", "-o"), "Write the final message to a file", "FILE"),
    Option(("--max-seconds",), "Longest time for the turn; then it is interrupted", "SECONDS"),
    Option(("--color",), "Colours", "WHEN", choices=("auto", "always", "never")),
    Option(("--json",), "Print events as JSON lines on stdout"),
    Option(("--experimental-json",), "The same for SDKs: after SIGTERM nothing more is printed"),
    Option(("--thread-source",), "What started this thread, for statistics", "NAME"),
    Option(
        ("--dangerously-bypass-approvals-and-sandbox",),
        "Run every command without a sandbox. Only inside one of your own",
    ),
    Option(("--last",), "With resume and fork: the newest thread of this folder"),
    Option(("--help", "-h"), "Show this help"),
)
USAGE = (
    "quire exec [OPTIONS] [PROMPT]\n       quire exec [OPTIONS] resume|fork [ID|NAME] [PROMPT]\n"
    "       quire exec [OPTIONS] review [TARGET]"
)
ABOUT = (
    "Do one task without asking questions. Without a PROMPT (or with -) it is read from stdin;\n"
    "with one, piped input is added to it. `fork` without one only makes the copy."
)
SUBCOMMANDS = ("resume", "fork")


def run(argv: list[str]) -> int:
    """Run `quire exec ARGV`; the exit code. Raises `QuireError`."""
    if "review" in argv:
        from quire.cli.review import after_exec, run_review

        if (review := after_exec(argv)) is not None:
            return run_review(review, "quire exec review")
    parsed = parse(argv, OPTIONS)
    if parsed.flag("help"):
        sys.stdout.write(help_text(USAGE, ABOUT, OPTIONS))
        return 0
    subcommand, thread_id, words = _split_words(parsed)
    prompt = None if subcommand == "fork" and not words else _prompt(words)
    from quire.cli.exec_run import run_exec

    return run_exec(parsed, prompt, subcommand, thread_id)


def _split_words(parsed: Parsed) -> tuple[str | None, str | None, list[str]]:
    """(subcommand, thread id, the words left for the prompt)"""
    words = parsed.words
    last = parsed.flag("last")
    if not words or words[0] not in SUBCOMMANDS:
        if last:
            raise CommandLineError("--last goes with `resume` or `fork`")
        return None, None, words
    if last:
        return words[0], None, words[1:]
    if len(words) < 2:
        raise CommandLineError(f"`quire exec {words[0]}` needs the ID of a thread, or --last")
    return words[0], words[1], words[2:]


def _prompt(words: list[str]) -> str:
    from quire.cli.stdin import prompt_from_stdin, with_piped_input

    if len(words) > 1:
        raise CommandLineError(f"unexpected argument '{words[1]}' found; quote the prompt")
    if not words or words[0] == "-":
        return prompt_from_stdin(asked=bool(words))
    if not words[0].strip():
        raise UsageError("the prompt is empty")
    return with_piped_input(words[0])


def working_folder(given: str | None) -> str:
    """The absolute folder to work in. Raises `UsageError` when there is no such folder."""
    try:
        folder = os.path.abspath(given or ".")
        os.chdir(folder)
        folder = os.getcwd()
        folder.encode()
        return folder
    except UnicodeEncodeError:
        raise UsageError(
            "cannot work in a folder whose path is not valid UTF-8; choose another with -C"
        ) from None
    except OSError as exc:
        place = given or "the current folder"
        raise UsageError(
            f"cannot work in {place}: {exc.strerror}; choose another with -C"
        ) from None
