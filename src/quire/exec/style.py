"""Colours, and how a change is drawn."""

from __future__ import annotations

from quire.protocol.thread import FileChange


class Style:
    """ANSI colours, or none. `live` is true where a line can be drawn over."""

    def __init__(self, coloured: bool, live: bool) -> None:
        self._coloured = coloured
        self.live = live

    def _paint(self, code: str, text: str) -> str:
        return f"\x1b[{code}m{text}\x1b[0m" if self._coloured else text

    def bold(self, text: str) -> str:
        return self._paint("1", text)

    def dim(self, text: str) -> str:
        return self._paint("2", text)

    def red(self, text: str) -> str:
        return self._paint("31", text)

    def green(self, text: str) -> str:
        return self._paint("32", text)

    def yellow(self, text: str) -> str:
        return self._paint("33", text)

    def magenta(self, text: str) -> str:
        return self._paint("35", text)

    def cyan(self, text: str) -> str:
        return self._paint("36", text)


def diff_lines(change: FileChange) -> list[str]:
    """The lines of a change with `+`, `-` or a space before them, hunk heads as `@@`."""
    lines = [
        "".join(c if c.isprintable() else "\t" if c == "\t" else "" for c in line)
        for line in change.diff.splitlines()
    ]
    if change.kind == "add":
        return [f"+{line}" for line in lines]
    if change.kind == "delete":
        return [f"-{line}" for line in lines]
    return [line for line in lines if not line.startswith(("--- ", "+++ "))]


def diff_stat(change: FileChange) -> tuple[int, int]:
    """(lines added, lines removed)"""
    lines = diff_lines(change)
    added = sum(line.startswith("+") for line in lines)
    return added, sum(line.startswith("-") for line in lines)
