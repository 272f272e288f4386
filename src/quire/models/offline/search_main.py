"""Entry of the repair search, run by path with the interpreter of the project to repair.

    python search_main.py look | test | search [--option value ...]

Needs Python 3.9 and its standard library. Only the package beside it is imported; the folder is
taken off the module path again, so that no name of Quire's hides one of the project's.
"""

from __future__ import annotations

import os
import sys


def _start() -> int:
    folder = os.path.dirname(os.path.realpath(__file__))
    sys.path.insert(0, folder)
    from quire_repair.main import main

    sys.path[:] = [path for path in sys.path if os.path.realpath(path or ".") != folder]
    return main(sys.argv[1:])


if __name__ == "__main__":
    sys.exit(_start())
