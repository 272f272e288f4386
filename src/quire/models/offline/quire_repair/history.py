"""Older states of the project, read from git and put into folders of their own. Nothing here writes
to the repository: objects are read, hooks and helpers of any kind are off."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tarfile
import tempfile
from typing import NamedTuple

from .project import is_test_file

GIT = (
    *("git", "--no-pager"),
    *("-c", "core.fsmonitor=", "-c", "core.hooksPath=/dev/null", "-c", "log.showSignature=false"),
    *("-c", "core.attributesFile=/dev/null", "-c", "protocol.allow=never"),
)
PLAIN_DIFF = ("--no-ext-diff", "--no-textconv", "--no-color", "--no-renames")
SECONDS = 30.0
MOST_COMMITS = 400
OVERLAID = ("conftest.py", "pytest.ini")
NOT_OVERLAID = ("setup.py", "noxfile.py")
SKIPPED = frozenset([".git", ".venv", "venv", "env", ".env", "node_modules", "__pycache__"])
HUNK = re.compile(r"^@@ -\d+(?:,\d+)? \+(\d+)(?:,(\d+))? @@")


class Commit(NamedTuple):
    hash: str
    date: str
    author: str
    subject: str


class Diff(NamedTuple):
    """Of a commit against its first parent: the files, and the hunks that matter as one text."""

    files: list[str]
    text: str
    is_merge: bool


class History:
    """The first-parent line from HEAD, newest first."""

    def __init__(self, root: str) -> None:
        self._root = root
        listed = self.git("rev-list", "--first-parent", f"--max-count={MOST_COMMITS}", "HEAD")
        self.commits = (listed or "").split()

    @property
    def exists(self) -> bool:
        """There is a git, and the project is in a repository."""
        return (self.git("rev-parse", "--is-inside-work-tree") or "").strip() == "true"

    def git(self, *words: str) -> str | None:
        """What it prints; None when it fails."""
        try:
            done = subprocess.run(
                [*GIT, *words],
                cwd=self._root,
                env=_environment(),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                timeout=SECONDS,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired):
            return None
        return done.stdout.decode("utf-8", "replace") if done.returncode == 0 else None

    def find(self, word: str) -> int | None:
        """The place in the line of a revision (where that branched off, if it is not in the line),
        or of a time like `last week`; None for what names neither."""
        if " " in word or word.lower() == "yesterday" or re.fullmatch(r"\d{4}-\d\d-\d\d", word):
            found = self.git("rev-list", "-1", "--first-parent", f"--before={word}", "HEAD")
            last = self.commits[-1] if self.commits else ""
            return self._place((found or "").strip() or last)
        resolved = self.git("rev-parse", "--verify", "--quiet", f"{word}^{{commit}}")
        if resolved is None:
            return None
        place = self._place(resolved.strip())
        if place is not None:
            return place
        base = self.git("merge-base", "HEAD", resolved.strip())
        return self._place((base or "").strip())

    def _place(self, full: str) -> int | None:
        return self.commits.index(full) if full in self.commits else None

    def commit(self, full: str) -> Commit:
        text = self.git("show", "-s", "--format=%H%x00%as%x00%an%x00%s", full) or full
        parts = [*text.strip("\n").split("\0"), "", "", ""]
        return Commit(*(part[:200] for part in parts[:4]))

    def diff(self, full: str, lines: dict[str, set[int]], longest: int) -> Diff:
        """`lines` by path are those that matter; a text longer than that is left out."""
        parent = f"{full}^1"
        names = self.git("diff", "--name-only", "-z", *PLAIN_DIFF, parent, full) or ""
        parents = (self.git("show", "-s", "--format=%P", full) or "").split()
        kept: list[str] = []
        for path in sorted(lines):
            words = ("diff", "-U2", "--relative", *PLAIN_DIFF, parent, full, "--", path)
            text = self.git(*words) or ""
            hunks = _hunks(text, lines[path])
            kept += [f"--- {path}", *hunks] if hunks else []
        text = "\n".join(kept) if len(kept) <= longest else ""
        return Diff([name for name in names.split("\0") if name], text, len(parents) > 1)

    def export(self, full: str, folder: str) -> bool:
        """Write that commit's files there. False when git or the disk does not let us."""
        try:
            with tempfile.TemporaryFile(dir=os.path.dirname(folder)) as archive:
                done = subprocess.run(
                    [*GIT, "archive", "--format=tar", full],
                    cwd=self._root,
                    env=_environment(),
                    stdin=subprocess.DEVNULL,
                    stdout=archive,
                    stderr=subprocess.DEVNULL,
                    timeout=SECONDS,
                    check=False,
                )
                if done.returncode != 0:
                    return False
                archive.seek(0)
                with tarfile.open(fileobj=archive) as members:
                    _extract(members, folder)
        except (OSError, subprocess.TimeoutExpired, tarfile.TarError):
            return False
        return True


def overlay_tests(root: str, folder: str) -> None:
    """Copy the tests as they are today, with whatever lies in their folders, over an older tree."""
    for place, folders, files in os.walk(root):
        folders[:] = [name for name in folders if name not in SKIPPED]
        inside = os.path.relpath(place, root).replace(os.sep, "/")
        prefix = "" if inside == "." else f"{inside}/"
        for name in files:
            path = prefix + name
            if name in NOT_OVERLAID or not (is_test_file(path) or name in OVERLAID):
                continue
            target = os.path.join(folder, *path.split("/"))
            if os.path.isfile(os.path.join(place, name)):
                os.makedirs(os.path.dirname(target), exist_ok=True)
                shutil.copyfile(os.path.join(place, name), target)


def _environment() -> dict[str, str]:
    """Without variables that point elsewhere or start other programs."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    return {
        **kept,
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_OPTIONAL_LOCKS": "0",
        "GIT_NO_LAZY_FETCH": "1",
        "LC_ALL": "C",
    }


def _extract(members: tarfile.TarFile, folder: str) -> None:
    """Files and folders; links only where they stay inside."""
    base = os.path.realpath(folder)
    for member in members:
        target = os.path.normpath(os.path.join(base, member.name))
        if not target.startswith(base + os.sep):
            continue
        os.makedirs(os.path.dirname(target), exist_ok=True)
        if member.isdir():
            os.makedirs(target, exist_ok=True)
        elif member.isfile():
            data = members.extractfile(member)
            if data is not None and not os.path.islink(os.path.dirname(target)):
                with open(target, "wb") as file:
                    shutil.copyfileobj(data, file)
                os.chmod(target, 0o755 if member.mode & 0o100 else 0o644)
        elif member.issym():
            leads = os.path.normpath(os.path.join(os.path.dirname(target), member.linkname))
            if leads.startswith(base + os.sep) and not os.path.lexists(target):
                os.symlink(member.linkname, target)


def _hunks(diff: str, lines: set[int]) -> list[str]:
    """The hunks whose new side has one of the lines, without the head of the file."""
    kept: list[str] = []
    keeping = False
    for line in diff.split("\n"):
        found = HUNK.match(line)
        if found:
            start, count = int(found.group(1)), int(found.group(2) or 1)
            keeping = not lines.isdisjoint(range(start, start + max(count, 1)))
        if keeping and line[:1] in ("@", "+", "-", " "):
            kept.append(line)
    return kept
