"""What git is asked for a review, in friendly and in hostile repositories."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import TypeVar

import pytest
from msgspec.structs import replace

from quire.core.errors import ToolError
from quire.core.ports import SpawnSpec
from quire.protocol.policy import SandboxPolicy
from quire.protocol.review import (
    BaseBranchReviewTarget,
    CommitReviewTarget,
    CustomReviewTarget,
    Patch,
    ReviewTarget,
    UncommittedChangesReviewTarget,
)
from quire.review.diff import changed_lines
from quire.review.findings import keep_within, read_answer
from quire.sandbox.linux import LinuxSandbox
from quire.sandbox.process import RunningProcess
from quire.workspace.git import Git
from quire.workspace.review_diff import ReviewDiffs

Answer = TypeVar("Answer")


class Unsandboxed(LinuxSandbox):
    """What git starts could be seen here: nothing holds it back."""

    async def spawn(self, spec: SpawnSpec) -> RunningProcess:
        return await super().spawn(replace(spec, policy=SandboxPolicy(mode="danger-full-access")))


def asked(
    question: Callable[[ReviewDiffs], Awaitable[Answer]],
    kind: type[LinuxSandbox] = Unsandboxed,
    env: dict[str, str] | None = None,
) -> Answer:
    async def ask() -> Answer:
        sandbox = kind(os.environ["QUIRE_HOME"])
        try:
            return await question(ReviewDiffs(Git(sandbox, lambda: env or dict(os.environ))))
        finally:
            await sandbox.aclose()

    return asyncio.run(ask())


class Repo:
    """A repository with one commit, whose `f` has the lines 1 to 9."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.mkdir()
        self.git("init", "-q", "-b", "main")
        self.write("f", "123456789")
        self.commit("one")

    def git(self, *words: str) -> str:
        done = subprocess.run(
            ["git", *words], cwd=self.path, check=True, capture_output=True, text=True
        )
        return done.stdout.strip()

    def write(self, name: str, lines: Sequence[str]) -> None:
        (self.path / name).parent.mkdir(exist_ok=True)
        (self.path / name).write_text("".join(f"{line}\n" for line in lines))

    def commit(self, title: str) -> str:
        self.git("add", "--all")
        self.git("commit", "-qm", title)
        return self.git("rev-parse", "HEAD")

    def patch(self, target: ReviewTarget, base: str | None = None, cwd: str = "") -> Patch:
        found = asked(lambda diffs: diffs.patch(cwd or str(self.path), target, base))
        assert found is not None
        return found

    def merge_base(self, branch: str) -> str | None:
        return asked(lambda diffs: diffs.merge_base(str(self.path), branch))


@pytest.fixture
def repo(tmp_path: Path) -> Repo:
    return Repo(tmp_path / "repo")


def lines(patch: Patch) -> dict[str, list[tuple[int, int]]]:
    return {name: found.ranges for name, found in changed_lines(patch.diff).items()}


def test_uncommitted_changes_are_staged_unstaged_and_untracked(repo: Repo):
    repo.write("g", "abc")
    repo.git("add", "g")
    repo.write("f", "12345x789")
    repo.write("täb\tle", "x")
    repo.write("out/in", "x")
    (repo.path / ".gitignore").write_text("out\n")
    patch = repo.patch(UncommittedChangesReviewTarget())
    assert lines(patch) == {"f": [(6, 6)], "g": [(1, 3)]}
    assert set(patch.untracked) == {"täb\tle", ".gitignore"}


def test_nothing_was_committed_yet(tmp_path: Path):
    folder = tmp_path / "new"
    folder.mkdir()
    subprocess.run(["git", "init", "-q"], cwd=folder, check=True)
    (folder / "f").write_text("a\n")
    subprocess.run(["git", "add", "f"], cwd=folder, check=True)
    found = asked(
        lambda diffs: diffs.patch(str(folder), UncommittedChangesReviewTarget(), None),
        kind=LinuxSandbox,
    )
    assert found is not None
    assert lines(found) == {"f": [(1, 1)]}


def test_a_commit_against_its_first_parent(repo: Repo):
    first = repo.git("rev-parse", "HEAD")
    repo.write("f", "1234y6789")
    second = repo.commit("two")
    repo.git("mv", "f", "h")
    repo.commit("three")
    assert lines(repo.patch(CommitReviewTarget(second[:9]))) == {"f": [(5, 5)]}
    assert lines(repo.patch(CommitReviewTarget(first))) == {"f": [(1, 9)]}
    assert list(lines(repo.patch(CommitReviewTarget("HEAD")))) == ["h"]


def test_a_base_branch(repo: Repo):
    start = repo.git("rev-parse", "HEAD")
    repo.git("checkout", "-qb", "feature")
    repo.write("f", "1234567zz")
    repo.commit("feature")
    repo.git("checkout", "-q", "main")
    repo.write("other", "x")
    repo.commit("main goes on")
    repo.git("checkout", "-q", "feature")
    assert repo.merge_base("main") == start
    assert repo.merge_base("nope") is None
    assert repo.merge_base("--all") is None
    assert repo.merge_base("bad\0name") is None
    repo.write("new", "x")
    patch = repo.patch(BaseBranchReviewTarget("main"), start)
    assert lines(patch) == {"f": [(8, 9)]}
    assert patch.untracked == ("new",)


def test_the_upstream_of_the_base_counts_when_it_is_ahead(tmp_path: Path):
    upstream = Repo(tmp_path / "up")
    subprocess.run(["git", "clone", "-q", str(upstream.path), "loc"], cwd=tmp_path, check=True)
    upstream.write("f", "2")
    ahead = upstream.commit("two")
    local = Repo.__new__(Repo)
    local.path = tmp_path / "loc"
    local.git("checkout", "-qb", "feature")
    local.git("fetch", "-q")
    local.git("merge", "-q", "origin/main")
    assert local.merge_base("main") == ahead
    assert local.merge_base("origin/main") == ahead


def test_a_folder_below_and_a_link_to_the_repository(repo: Repo, tmp_path: Path):
    repo.write("sub/x", "a")
    repo.commit("sub")
    repo.write("f", "x23456789")
    repo.write("sub/y", "a")
    link = tmp_path / "link"
    link.symlink_to(repo.path)
    patch = repo.patch(UncommittedChangesReviewTarget(), cwd=f"{link}/sub")
    assert patch.roots == (str(repo.path.resolve()), str(link))
    assert list(lines(patch)) == ["f"]
    assert patch.untracked == ("sub/y",)


def test_what_git_cannot_tell_is_an_error_with_a_reason(tmp_path: Path, repo: Repo):
    with pytest.raises(ToolError, match="git rev-parse failed"):
        repo.patch(UncommittedChangesReviewTarget(), cwd=str(tmp_path))
    with pytest.raises(ToolError, match="git rev-parse failed"):
        repo.patch(CommitReviewTarget("--output=/x"))
    with pytest.raises(ToolError, match="merge base"):
        repo.patch(BaseBranchReviewTarget("main"))
    assert asked(lambda diffs: diffs.patch("/", CustomReviewTarget("x"), None)) is None
    with pytest.raises(ToolError, match="git rev-parse failed"):
        asked(
            lambda diffs: diffs.patch(str(repo.path), UncommittedChangesReviewTarget(), None),
            env={"PATH": "/nowhere"},
        )


def test_missing_objects_are_not_fetched(repo: Repo, tmp_path: Path):
    trap, trace = tmp_path / "trap", tmp_path / "trace"
    trap.write_text(f"#!/bin/sh\necho run > {trace}\n")
    trap.chmod(0o755)
    repo.git("config", "remote.origin.url", f"ext::{trap}")
    repo.git("config", "remote.origin.promisor", "true")
    repo.git("config", "remote.origin.partialclonefilter", "blob:none")
    repo.git("config", "protocol.ext.allow", "always")
    blob = repo.git("rev-parse", "HEAD:f")
    (repo.path / ".git/objects" / blob[:2] / blob[2:]).unlink()
    repo.write("f", "x")
    with pytest.raises(ToolError, match="git diff failed"):
        repo.patch(UncommittedChangesReviewTarget())
    assert not trace.exists()
    subprocess.run(["git", "diff"], cwd=repo.path, check=False, capture_output=True)
    assert trace.exists()


def test_a_hostile_repository_runs_nothing(repo: Repo, tmp_path: Path):
    trap, trace = tmp_path / "trap", tmp_path / "trace"
    trap.write_text(f'#!/bin/sh\necho "$0 $*" >> {trace}\ncat\n')
    trap.chmod(0o755)
    submodule = Repo(tmp_path / "module")
    repo.git("-c", "protocol.file.allow=always", "submodule", "add", "-q", "../module", "sub")
    repo.commit("submodule")
    for folder in (repo.path, repo.path / "sub"):
        for key in (
            *("core.fsmonitor", "core.pager", "core.sshCommand", "core.editor", "core.askPass"),
            *("diff.external", "diff.evil.command", "diff.evil.textconv", "gpg.program"),
            *("filter.evil.clean", "filter.evil.smudge", "filter.p=q.process"),
            *("filter.e vil.clean", "credential.helper", "alias.diff", "alias.ls-files"),
        ):
            subprocess.run(["git", "config", key, str(trap)], cwd=folder, check=True)
        for key in ("filter.evil.required", "log.showSignature"):
            subprocess.run(["git", "config", key, "true"], cwd=folder, check=True)
    repo.git("config", "core.hooksPath", str(tmp_path))
    (tmp_path / "post-index-change").symlink_to(trap)
    (repo.path / ".gitattributes").write_text(
        "f filter=evil diff=evil\ng filter=p=q diff=evil\n*.c filter=evil\n"
    )
    submodule.write("f", "x")
    (repo.path / "sub" / "f").write_text("dirty\n")
    (repo.path / "f").write_text("x\n")
    (repo.path / "g").write_text("x\n")
    trace.unlink(missing_ok=True)  # what `git config` itself set off does not count
    patch = repo.patch(UncommittedChangesReviewTarget())
    assert "f" in lines(patch)
    assert "g" in patch.untracked
    repo.patch(CommitReviewTarget("HEAD"))
    repo.patch(BaseBranchReviewTarget("main"), repo.git("rev-parse", "HEAD"))
    assert not trace.exists(), trace.read_text()
    # The traps do work: git on its own falls into them.
    subprocess.run(["git", "status"], cwd=repo.path, check=False, capture_output=True)
    assert trace.exists()


def test_of_planted_faults_all_are_kept_and_of_decoys_none(repo: Repo):
    """20 findings on changed lines and 30 beside them, over ten changed files."""
    planted: list[tuple[str, int]] = []
    decoys: list[tuple[str, int]] = []
    for number in range(10):
        name = f"dir {number % 3}/m{number}.py"
        repo.write(name, [f"line {n}" for n in range(1, 61)])
        if number < 8:
            planted += [(name, 10 + number), (name, 50 - number)]
            decoys += [(name, 30), (name, 9 + number - 1), (name, 59)]
        else:
            decoys += [(name, 10), (name, 11), (name, 12)]
    repo.commit("all of it")
    for name, line in planted:
        text = (repo.path / name).read_text().split("\n")
        text[line - 1] = "changed"
        (repo.path / name).write_text("\n".join(text))
    repo.write("new.py", "abcd")
    planted += [("new.py", line) for line in range(1, 5)]
    findings = [
        {
            "title": f"[P1] {kind}",
            "body": "",
            "confidence_score": 1,
            "code_location": {
                "absolute_file_path": str(repo.path / name),
                "line_range": {"start": line, "end": line},
            },
        }
        for kind, places in (("planted", planted), ("decoy", decoys))
        for name, line in places
    ]
    output = read_answer(json.dumps({"findings": findings}))
    assert output is not None
    checked = keep_within(output, repo.patch(UncommittedChangesReviewTarget()))
    assert [one.title for one in checked.findings] == ["[P1] planted"] * len(planted)
    assert [one.title for one in checked.dropped] == ["[P1] decoy"] * len(decoys)
    assert (len(planted), len(decoys)) == (20, 30)
