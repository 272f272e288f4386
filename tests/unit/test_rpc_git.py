"""`gitDiffToRemote` over real repositories, also hostile ones."""

from __future__ import annotations

import asyncio
import os
import subprocess
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from quire.core.ports import SpawnSpec
from quire.protocol.policy import SandboxPolicy
from quire.sandbox.linux import LinuxSandbox
from quire.sandbox.process import RunningProcess
from quire.server.calls.git import GitCalls
from quire.workspace.git import Git
from quire.workspace.new_file import new_file_diff, quoted
from quire.workspace.remote_diff import MAX_UNTRACKED, RemoteDiffs
from tests.unit.rpc_caller import ScriptedCaller, call

PATH = "/usr/local/bin:/usr/bin:/bin"
CONTENTS = [b"", b"a", b"a\n", b"a\nb", b"\n\n", b"a\r\nb\r\n", b"\0\1\2", bytes(range(256)) * 9]


class Unsandboxed(LinuxSandbox):
    """What git starts could be seen here: nothing holds it back."""

    async def spawn(self, spec: SpawnSpec) -> RunningProcess:
        return await super().spawn(replace(spec, policy=SandboxPolicy(mode="danger-full-access")))


class Repository:
    """A clone at `work` of a bare repository, one commit each; `home` is empty."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.work = folder / "work"
        self.sandbox: type[LinuxSandbox] = LinuxSandbox
        self.environment = {
            "PATH": PATH,
            "HOME": str(folder),
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_AUTHOR_NAME": "a",
            "GIT_AUTHOR_EMAIL": "a@b",
            "GIT_COMMITTER_NAME": "a",
            "GIT_COMMITTER_EMAIL": "a@b",
        }
        self.work.mkdir()
        self.git("init", "-q", "-b", "main")
        self.commit("tracked", "one\n")
        self.git("init", "-q", "--bare", "../origin.git")
        self.git("remote", "add", "origin", "../origin.git")

    def git(self, *words: str, cwd: Path | None = None, data: bytes | None = None) -> str:
        done = subprocess.run(
            ["git", *words],
            cwd=cwd or self.work,
            env=self.environment,
            input=data,
            stdout=subprocess.PIPE,
            check=True,
        )
        return done.stdout.decode("utf-8", "surrogateescape").strip()

    def commit(self, name: str, text: str) -> str:
        (self.work / name).write_text(text)
        self.git("add", name)
        self.git("commit", "-qm", name)
        return self.git("rev-parse", "HEAD")

    def push(self, branch: str = "main") -> str:
        self.git("push", "-q", "origin", branch)
        return self.git("rev-parse", branch)

    def ask(self, cwd: str | None = None) -> Any:
        return self.run(lambda routes: call(routes, ScriptedCaller(), *self.question(cwd)))

    def question(self, cwd: str | None) -> tuple[str, dict[str, str]]:
        return "gitDiffToRemote", {"cwd": str(self.work) if cwd is None else cwd}

    def run(self, test: Callable[[Any], Awaitable[Any]]) -> Any:
        async def main() -> Any:
            sandbox = self.sandbox(str(self.folder / "quire"))
            inherited = {"PATH": PATH, "HOME": str(self.folder), "GIT_DIR": "/nowhere"}
            git = Git(sandbox, lambda: inherited)
            try:
                return await test(GitCalls(RemoteDiffs(git), str(self.folder)).routes())
            finally:
                await sandbox.aclose()

        return asyncio.run(main())

    def applied(self, answer: Any) -> None:
        """The diff makes out of a clone what is in the working tree."""
        clone = self.folder / "clone"
        self.git("clone", "-q", "../origin.git", str(clone))
        self.git("checkout", "-q", answer["sha"], cwd=clone)
        if answer["diff"]:
            self.git("apply", "--binary", "-", cwd=clone, data=answer["diff"].encode())
        assert tree(clone) == tree(self.work)


def tree(folder: Path) -> dict[str, tuple[int, bytes]]:
    found: dict[str, tuple[int, bytes]] = {}
    for path in folder.rglob("*"):
        name = str(path.relative_to(folder))
        if path.is_symlink():
            found[name] = (0o120000, os.fsencode(os.readlink(path)))
        elif path.is_file() and ".git" not in path.parts and path.suffix != ".ignored":
            found[name] = (path.stat().st_mode & 0o100, path.read_bytes())
    return {name: value for name, value in found.items() if not name.startswith(".git/")}


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return Repository(tmp_path)


def test_nothing_to_compare_with(repository: Repository, tmp_path: Path) -> None:
    for cwd in (str(repository.work), str(tmp_path), "/none", "", "none", "a\0b"):
        words = f'failed to compute git diff to remote for cwd: "{cwd}"'.replace("\0", "\\u0000")
        assert repository.ask(cwd) == {"error": {"code": -32600, "message": words}}


def test_everything_that_the_remote_lacks(repository: Repository) -> None:
    base = repository.push()
    assert repository.ask() == {"sha": base, "diff": ""}
    repository.commit("committed", "two\n")
    repository.git("checkout", "-qb", "feature")
    repository.commit("sub-module-like", "three\n")
    work = repository.work
    (work / "tracked").write_text("changed\n")
    (work / "committed").chmod(0o755)
    (work / "binary").write_bytes(bytes(range(256)) * 40)
    (work / "empty").write_bytes(b"")
    (work / "program").write_text("no end")
    (work / "program").chmod(0o755)
    (work / "link").symlink_to("tracked")
    (work / "sub").mkdir()
    (work / "sub" / 'a name\twith ünusual "letters"').write_text("x\n")
    (work / "sub" / "two words").write_text("x\n\n")
    (work / ".gitignore").write_text("*.ignored\n")
    (work / "x.ignored").write_text("not this")
    os.mkfifo(work / "pipe")
    for cwd in (str(work), str(work / "sub"), "work"):
        answer = repository.ask(cwd)
        assert answer["sha"] == base
        assert "not this" not in answer["diff"]
    repository.applied(answer)


def test_the_nearest_of_several_branches(repository: Repository) -> None:
    repository.push()
    repository.git("checkout", "-qb", "nearer")
    nearer = repository.commit("n", "n\n")
    repository.push("nearer")
    repository.git("checkout", "-qb", "mine", "main")
    repository.commit("m", "m\n")
    repository.git("merge", "-q", "--no-edit", "nearer")
    repository.git("checkout", "-q", "--detach")
    answer = repository.ask()
    assert answer["sha"] == nearer
    repository.applied(answer)


def test_a_clone_that_is_behind(repository: Repository) -> None:
    old = repository.git("rev-parse", "HEAD")
    repository.commit("newer", "x\n")
    repository.push()
    repository.git("reset", "-q", "--hard", old)
    assert repository.ask() == {"sha": old, "diff": ""}


def test_a_repository_runs_nothing(repository: Repository, tmp_path: Path) -> None:
    mark = tmp_path / "ran"
    program = tmp_path / "program"
    program.write_text(f'#!/bin/sh\necho "$0 $*" >> {mark}\ncat\n')
    program.chmod(0o755)
    repository.commit("file.txt", "text\n")
    repository.push()
    module = repository.work / "module"
    repository.git("init", "-q", str(module))
    (module / "in").write_text("in\n")
    repository.git("add", "in", cwd=module)
    repository.git("commit", "-qm", "x", cwd=module)
    repository.git("add", "module")
    repository.git("commit", "-qm", "module")
    hostile = (
        "core.fsmonitor core.sshCommand core.pager core.editor core.askPass diff.external "
        "core.alternateRefsCommand diff.evil.command diff.evil.textconv filter.evil.clean "
        "filter.evil.smudge filter.evil.process filter.a=b.clean filter.a=b.process gpg.program "
        "credential.helper pager.diff uploadpack.packObjectsHook"
    )
    for key in hostile.split():
        repository.git("config", key, str(program))
        repository.git("config", key, str(program), cwd=module)
    for key, value in (("filter.evil.required", "true"), ("core.hooksPath", str(tmp_path))):
        repository.git("config", key, value)
    repository.git("config", "remote.origin.url", f"ext::{program}")
    repository.git("config", "remote.origin.promisor", "true")
    repository.git("config", "diff.noprefix", "true")
    repository.git("config", "color.ui", "always")
    (repository.work / ".git" / "info" / "attributes").write_text(
        "file.txt filter=evil diff=evil\nother.txt filter=a=b diff=evil\n*.new filter=evil\n"
    )
    for hook in ("post-index-change", "fsmonitor-watchman", "post-checkout"):
        (tmp_path / hook).symlink_to(program)
        (repository.work / ".git" / "hooks" / hook).symlink_to(program)
    (repository.work / "file.txt").write_text("text 2\n")
    repository.git("config", "filter.inner.clean", str(program), cwd=module)
    (module / ".git" / "info" / "attributes").write_text("in filter=inner\n")
    (module / "in").write_text("on\n")
    (repository.work / "x.new").write_text("n\n")
    unsafe = ["git", "diff", "HEAD"]
    subprocess.run(unsafe, cwd=repository.work, env=repository.environment, check=False)
    assert mark.exists()  # The programs are there, and git would run them.
    mark.unlink()
    repository.sandbox = Unsandboxed
    answer = repository.ask()
    assert "+text 2" in answer["diff"]
    assert "diff --git a/file.txt b/file.txt" in answer["diff"]
    assert "+++ b/x.new" in answer["diff"]
    assert not mark.exists(), mark.read_text()


def test_a_filter_of_the_person_is_used(repository: Repository) -> None:
    repository.git("config", "--global", "filter.mine.clean", "tr a-z A-Z")
    (repository.work / ".gitattributes").write_text("*.up filter=mine\n")
    repository.commit("x.up", "text\n")
    repository.push()
    (repository.work / "x.up").write_text("Text\n")
    answer = repository.ask()
    assert "x.up" not in answer["diff"]


def test_too_many_new_files(repository: Repository) -> None:
    repository.push()
    (repository.work / "many").mkdir()
    for number in range(MAX_UNTRACKED + 1):
        os.close(os.open(repository.work / "many" / str(number), os.O_CREAT | os.O_WRONLY))
    assert repository.ask()["error"]["code"] == -32600


@pytest.mark.parametrize("data", CONTENTS)
@pytest.mark.parametrize("name", ["plain", "two words", "ünusual", 'a"b\\c\td\n'])
def test_a_new_file_is_shown_as_git_does(name: str, data: bytes, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(data)
    done = subprocess.run(
        ["git", "diff", "--no-index", "--binary", "--no-color", "--", "/dev/null", name],
        cwd=tmp_path,
        env={"PATH": PATH, "HOME": str(tmp_path), "GIT_CONFIG_NOSYSTEM": "1"},
        stdout=subprocess.PIPE,
        check=False,
    )
    assert new_file_diff(os.fsencode(name), "100644", data) == done.stdout


@settings(max_examples=30, deadline=None)
@given(st.binary(max_size=300), st.binary(max_size=5))
def test_a_new_file_can_be_applied(data: bytes, more: bytes) -> None:
    data += b"\0" * (len(more) % 2) + more
    shown = new_file_diff(b"name", "100644", data)
    counted = subprocess.run(
        ["git", "apply", "--numstat", "-"],
        cwd="/",
        env={"PATH": PATH},
        input=shown,
        stdout=subprocess.PIPE,
        check=True,
    )
    binary = b"\0" in data
    lines = len(data.split(b"\n")) - data.endswith(b"\n") if data else 0
    assert counted.stdout == (b"-\t-\tname\n" if binary else b"%d\t0\tname\n" % lines)


def test_names_are_quoted_like_git_does() -> None:
    assert quoted(b"a/plain name") == "a/plain name"
    assert quoted(b"a/\xc3\xbc\x01\n") == '"a/\\303\\274\\001\\n"'
