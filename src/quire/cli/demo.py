"""`quire demo`: the main job on a small real repository, with the embedded offline model.

Nothing is canned: the repository is made by Git, its tests fail because of a real mistake, and what
follows is `quire exec` as anybody runs it. Edit the mistake (`--dir`) and see another outcome.
"""

from __future__ import annotations

import os
import sys

from quire.cli.options import CommandLineError, Option, help_text, parse
from quire.core.errors import UsageError

OPTIONS = (
    Option(
        ("--dir",), "Work in this folder and keep it; a repository in it is used as it is", "DIR"
    ),
    Option(("--color",), "Colours", "WHEN", choices=("auto", "always", "never")),
    Option(("--help", "-h"), "Show this help"),
)
ABOUT = "Make a small repository with failing tests, repair it offline, and show the result."
PROMPT = "make the failing tests pass"
_TESTS = ("-B", "-m", "unittest")


def run(argv: list[str]) -> int:
    """Run `quire demo ARGV`; 0 when the tests pass in the end. Raises `QuireError`."""
    parsed = parse(argv, OPTIONS)
    if parsed.flag("help"):
        sys.stdout.write(help_text("quire demo [OPTIONS]", ABOUT, OPTIONS))
        return 0
    if parsed.words:
        raise CommandLineError(f"unexpected argument '{parsed.words[0]}' found; see --help")
    folder = parsed.one("dir")
    if folder is not None:
        return _demonstrate(os.path.abspath(folder), parsed.one("color"))
    from tempfile import TemporaryDirectory

    with TemporaryDirectory(prefix="quire-demo-") as temporary:
        return _demonstrate(os.path.join(temporary, "shop"), parsed.one("color"))


def _demonstrate(folder: str, color: str | None) -> int:
    if not os.path.isdir(os.path.join(folder, ".git")):
        _make_repository(folder)
        _say(f"Made a repository whose tests fail: {folder}")
    command = [sys.executable, "-m", "quire", "exec", "--ignore-user-config", "-m", "offline"]
    command += ["-s", "workspace-write", "--ephemeral"]
    command += ["--color", color] if color else []
    _say(f'Running: quire exec -s workspace-write "{PROMPT}"\n')
    code = _call([*command, PROMPT], folder)
    _say("\nWhat changed (git diff):")
    _call(["git", "--no-pager", "diff", "--no-ext-diff", *_color(color)], folder)
    _say("\nThe tests now:")
    passed = _call([sys.executable, *_TESTS], folder) == 0
    return code or (0 if passed else 1)


def _make_repository(folder: str) -> None:
    from quire.tools.patch_apply import ApplyError, apply_in_order
    from quire.tools.patch_parser import parse_patch

    template = os.path.join(os.path.dirname(__file__), "demo_data", "project.patch")
    with open(template, encoding="utf-8") as file:
        patch = parse_patch(file.read())
    try:
        if os.path.isdir(folder) and os.listdir(folder):
            raise UsageError(f"--dir: {folder} holds files and is no Git repository; name another")
        os.makedirs(folder, exist_ok=True)
        apply_in_order(patch, folder)
    except (OSError, ApplyError) as exc:
        raise UsageError(f"cannot make the repository in {folder}: {exc}") from None
    _git(folder, "init", "-q")
    _git(folder, "add", ".")
    identity = ("-c", "user.name=Quire Demo", "-c", "user.email=demo@example.invalid")
    _git(folder, *identity, "commit", "-q", "-m", "A small shop")


def _git(folder: str, *words: str) -> None:
    if _call(["git", *words], folder) != 0:
        raise UsageError(f"`git {words[-1]}` failed in {folder}; the demo needs a working git")


def _call(command: list[str], folder: str) -> int:
    import subprocess

    sys.stdout.flush()
    try:
        return subprocess.run(command, cwd=folder, stdin=subprocess.DEVNULL, check=False).returncode
    except FileNotFoundError:
        raise UsageError(f"the demo needs `{command[0]}` on the PATH") from None


def _color(color: str | None) -> tuple[str, ...]:
    return (f"--color={color}",) if color else ()


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
