"""Which lines of which files a call runs."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from types import FrameType
from typing import Any

from .limits import Outcome, attempt

Line = tuple[str, int]


class Tracer:
    """Collects (path, line) of the project's own files. One call at a time, one thread."""

    def __init__(self, files: dict[str, str]) -> None:
        """`files` maps real absolute paths to the paths to report."""
        self._files = files
        self._known: dict[str, str] = {}
        self.lines: set[Line] = set()

    def run(
        self, call: Callable[[], object], seconds: float, waiting: float
    ) -> tuple[set[Line], Outcome]:
        """Run under the tracer for at most so much CPU time, and time without using it; what was
        seen until then counts."""
        self.lines = set()

        def traced() -> None:
            sys.settrace(self._on_call)
            try:
                call()
            finally:
                sys.settrace(None)

        outcome = attempt(traced, seconds, waiting)
        sys.settrace(None)
        return self.lines, outcome

    def _path(self, name: str) -> str:
        if name not in self._known:
            self._known[name] = self._files.get(os.path.realpath(name), "")
        return self._known[name]

    def _on_call(self, frame: FrameType, _event: str, _arg: object) -> Any:
        path = self._path(frame.f_code.co_filename)
        if not path:
            return None
        lines = self.lines

        def on_line(inner: FrameType, event: str, _arg: object) -> Any:
            if event == "line" and inner.f_lineno:
                lines.add((path, inner.f_lineno))
            return on_line

        return on_line
