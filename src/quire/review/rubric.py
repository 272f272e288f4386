"""What the reviewer is told in place of the base instructions: the file beside this one."""

from __future__ import annotations

import os.path


def review_rubric() -> str:
    """The text, without a line end behind it."""
    with open(os.path.join(os.path.dirname(__file__), "rubric.md"), encoding="utf-8") as file:
        return file.read().rstrip("\n")
