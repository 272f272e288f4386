"""Runs every check and says which failed: `python -m scripts.checks`."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BIN = Path(sys.executable).parent

CHECKS: tuple[tuple[str, list[str]], ...] = (
    ("format", [str(BIN / "ruff"), "format", "--check", "--quiet"]),
    ("lint", [str(BIN / "ruff"), "check", "--ignore-noqa", "--quiet", "--output-format=concise"]),
    ("layers", [sys.executable, "-m", "scripts.checks.layers"]),
    ("budgets", [sys.executable, "-m", "scripts.checks.budgets"]),
    ("links", [sys.executable, "-m", "scripts.checks.links"]),
    ("shell", [sys.executable, "-m", "scripts.checks.shell"]),
    ("types", [str(BIN / "pyright"), "--pythonpath", sys.executable]),
)


def main() -> int:
    failed: list[str] = []
    environment = {**os.environ, "PYRIGHT_PYTHON_IGNORE_WARNINGS": "1"}
    for name, command in CHECKS:
        start = time.monotonic()
        try:
            code = subprocess.run(command, cwd=ROOT, env=environment).returncode
        except FileNotFoundError:
            print(f"{command[0]} is missing: install requirements/dev.txt")
            code = 1
        verdict = "FAILED" if code else "ok"
        print(f"{name:8} {verdict:6} {time.monotonic() - start:5.1f} s", flush=True)
        if code:
            failed.append(name)
    if failed:
        print(f"failed: {', '.join(failed)}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
