"""Where the server's unix socket is. Light: a proxy imports nothing else of the transports."""

from __future__ import annotations

import os

FOLDER, NAME = "app-server-control", "app-server-control.sock"
MAX_PATH = 100
"""Bytes; what the kernel takes is 108 on Linux and 104 on macOS, its end included."""


def default_path(home: str) -> str:
    """Where `unix://` listens and `proxy` looks, below `$QUIRE_HOME`."""
    return os.path.join(home, FOLDER, NAME)


def connectable(path: str) -> str:
    """`path`, or what the link there leads to, when it is too long for the kernel."""
    return path if len(os.fsencode(path)) <= MAX_PATH else os.path.realpath(path)


def make_private_folder(folder: str) -> None:
    """Make a folder and those above it, each 0700; existing ones stay as they are. Raises
    `OSError`."""
    if os.path.isdir(folder):
        return
    make_private_folder(os.path.dirname(folder))
    try:
        os.mkdir(folder, 0o700)
    except FileExistsError:
        if not os.path.isdir(folder):
            raise
