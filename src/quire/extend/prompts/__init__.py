"""The texts that Quire itself puts before a model, as files beside this one."""

from __future__ import annotations

import os.path


def base_instructions() -> str:
    """What every model is told first."""
    with open(os.path.join(os.path.dirname(__file__), "base.md"), encoding="utf-8") as file:
        return file.read().rstrip("\n")
