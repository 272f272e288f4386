"""Makes the environment that the scripts run in, from hash-pinned requirements.

    python scripts/environment.py runtime|dev

Uses the active virtual environment when it holds what is pinned, else makes or mends `.venv` in the
checkout. The package itself is installed editable. Prints the folder of the environment's commands
on stdout, progress on stderr; 1 and one line when something is missing on the machine.
Needs nothing but the standard library; where packages come from is pip's configuration.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import re
import shutil
import subprocess
import sys
from importlib import metadata
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
LOCAL = ROOT / ".venv"
KINDS = ("runtime", "dev")
# A change in any of these means: install again.
BUILD_INPUTS = ("pyproject.toml", "bin/quire", "src/quire/__init__.py")
PIN = re.compile(r"^([A-Za-z0-9._-]+)==([^\s;]+)\s*(;?)")
PIP_QUIET = ("--quiet", "--disable-pip-version-check", "--no-input")


class Missing(Exception):
    """The machine lacks something; the text says what, and what to do."""


def main(arguments: list[str]) -> int:
    kind = arguments[0] if arguments else "dev"
    if kind not in KINDS:
        print(f"usage: {Path(__file__).name} {'|'.join(KINDS)}", file=sys.stderr)
        return 2
    try:
        print(prepare(kind))
    except Missing as exc:
        print(exc, file=sys.stderr)
        return 1
    return 0


def prepare(kind: str) -> Path:
    """Give the folder of commands of an environment that holds `kind`."""
    if in_active_environment(kind):
        return Path(sys.prefix) / "bin"
    stamp = LOCAL / f"quire-{kind}.stamp"
    wanted = fingerprint(kind)
    if not stamp.is_file() or stamp.read_text("utf-8") != wanted or not _works(LOCAL):
        say(f"Installing what Quire needs ({kind}) into {LOCAL.name} ...")
        if not _works(LOCAL):
            create(LOCAL)
        install(LOCAL, kind)
        for other in KINDS:
            (LOCAL / f"quire-{other}.stamp").unlink(missing_ok=True)
        for covered in KINDS[: KINDS.index(kind) + 1]:
            (LOCAL / f"quire-{covered}.stamp").write_text(fingerprint(covered), "utf-8")
    return LOCAL / "bin"


def in_active_environment(kind: str) -> bool:
    """Whether this Python is a virtual environment that has every pin and this checkout."""
    if sys.prefix == sys.base_prefix or Path(sys.prefix) == LOCAL:
        return False
    spec = importlib.util.find_spec("quire")
    if spec is None or spec.origin is None or ROOT not in Path(spec.origin).parents:
        return False
    for name, version in pins(kind):
        try:
            if metadata.version(name) != version:
                return False
        except metadata.PackageNotFoundError:
            return False
    return True


def pins(kind: str) -> list[tuple[str, str]]:
    """Name and version of what is installed on every platform."""
    text = (ROOT / "requirements" / f"{kind}.txt").read_text("utf-8")
    found = (PIN.match(line) for line in text.splitlines())
    return [(pin[1], pin[2]) for pin in found if pin is not None and not pin[3]]


def fingerprint(kind: str) -> str:
    names = [f"requirements/{kind}.txt", "requirements/build.txt", *BUILD_INPUTS]
    whole = hashlib.sha256()
    for name in names:
        whole.update((ROOT / name).read_bytes())
    return f"{whole.hexdigest()} {sys.version_info[0]}.{sys.version_info[1]}\n"


def create(folder: Path) -> None:
    """Make an empty environment of this Python."""
    shutil.rmtree(folder, ignore_errors=True)
    if importlib.util.find_spec("venv") is None:
        raise Missing(
            f"{sys.executable} has no venv module: install it (Debian, Ubuntu: python3-venv)."
        )
    flags = [] if _has_bundled_pip() else ["--without-pip"]
    run([sys.executable, "-m", "venv", *flags, str(folder)])


def _has_bundled_pip() -> bool:
    """Debian ships the ensurepip module without the wheels it installs."""
    return succeeds([sys.executable, "-c", "import ensurepip; ensurepip.version()"])


def install(folder: Path, kind: str) -> None:
    """Put the pinned packages in, then this checkout."""
    installer = _installer(folder)
    pinned = [f"requirements/{name}.txt" for name in dict.fromkeys((kind, "build"))]
    if kind == "dev":
        pinned = ["requirements/dev.txt"]
    files = [part for name in pinned for part in ("-r", name)]
    run([*installer, "--no-deps", "--require-hashes", *files])  # the pins are all there is
    run([*installer, "--no-deps", "--no-build-isolation", "--editable", "."])


def _installer(folder: Path) -> list[str]:
    """The command that installs into `folder`: its own pip, this Python's pip, or uv's."""
    python = str(folder / "bin" / "python")
    if succeeds([python, "-m", "pip", "--version"]):
        return [python, "-m", "pip", *PIP_QUIET, "install"]
    if succeeds([sys.executable, "-m", "pip", "--version"]):
        return [sys.executable, "-m", "pip", "--python", python, *PIP_QUIET, "install"]
    uv = shutil.which("uv")
    if uv is not None:
        return [uv, "--quiet", "pip", "install", "--python", python]
    shutil.rmtree(folder)  # so that the next run, with ensurepip there, begins anew
    raise Missing(
        f"{sys.executable} has neither ensurepip nor pip: "
        "install one of them (Debian, Ubuntu: python3-venv) or uv."
    )


def run(command: list[str]) -> None:
    environment = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "VIRTUAL_ENV")}
    try:
        subprocess.run(command, cwd=ROOT, env=environment, stdout=sys.stderr, check=True)
    except subprocess.CalledProcessError as exc:
        shown = " ".join(command)
        raise Missing(f"`{shown}` failed with exit code {exc.returncode}, see above.") from exc


def succeeds(command: list[str]) -> bool:
    return subprocess.run(command, capture_output=True).returncode == 0


def _works(folder: Path) -> bool:
    """Whether it holds a Python of this version that starts."""
    python = folder / "bin" / "python"
    probe = "import sys; print(*sys.version_info[:2])"
    if not python.exists():
        return False
    answer = subprocess.run([python, "-c", probe], capture_output=True, text=True)
    return answer.stdout.split() == [str(number) for number in sys.version_info[:2]]


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
