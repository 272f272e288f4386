"""The folder that goes before the PATH of commands: it holds `apply_patch`."""

from __future__ import annotations

import os
import sys

_SCRIPT = """\
#!/bin/sh
# Made by quire: the patch command for shell scripts.
exec '{python}' -I -c 'import sys; sys.path.insert(0, "{source}")
from quire.cli.apply_patch import run
sys.exit(run(sys.argv[1:]))' "$@"
"""


def shim_folder(home: str) -> str | None:
    """The folder, made if need be; None when it cannot be (commands then lack the shim). Several
    processes may do this at once: the file appears whole, or is left as it is."""
    folder = os.path.join(home, "bin")
    path = os.path.join(folder, "apply_patch")
    source = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    if any(character in sys.executable + source for character in "'\"\\"):
        return None
    wanted = _SCRIPT.format(python=sys.executable, source=source)
    try:
        with open(path, encoding="utf-8") as file:
            if file.read() == wanted:
                return folder
    except (OSError, UnicodeDecodeError):
        pass
    draft = f"{path}.{os.getpid()}"
    try:
        for needed in (home, folder):
            os.makedirs(needed, mode=0o700, exist_ok=True)  # the mode is the last one's alone
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
        with open(os.open(draft, flags, 0o700), "w", encoding="utf-8") as file:
            file.write(wanted)
        os.replace(draft, path)
    except OSError:
        return None
    return folder
