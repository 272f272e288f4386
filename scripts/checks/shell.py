"""The shell scripts parse with the system's sh and may be executed.

python -m scripts.checks.shell [ROOT]
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from scripts.checks.files import sources

SHEBANG = "#!/bin/sh"


def check(root: Path) -> list[str]:
    """All faults below `root`, as lines for people."""
    lines: list[str] = []
    for source in sources(root):
        path = root / source.path
        if source.text.startswith("#!") and not os.access(path, os.X_OK):
            lines.append(f"{source.path}:1: has a #! line but may not be executed; chmod +x")
        if source.text.startswith(SHEBANG) or source.path.endswith(".sh"):
            parsed = subprocess.run(["sh", "-n", path], capture_output=True, text=True)
            lines += [f"{source.path}: {line}" for line in parsed.stderr.splitlines()]
    return lines


def main(arguments: list[str]) -> int:
    root = Path(arguments[0]) if arguments else Path(__file__).resolve().parents[2]
    lines = check(root)
    for line in lines:
        print(line)
    return 1 if lines else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
