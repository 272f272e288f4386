"""Edits as patches for `apply_patch`, forwards and backwards."""

from __future__ import annotations

from quire.models.offline.findings import Edit, Hunk


def patch_text(changes: tuple[Edit, ...], undo: bool = False) -> str:
    """The whole patch, from `*** Begin Patch` to `*** End Patch`; `undo` takes the changes back."""
    lines = ["*** Begin Patch"]
    for change in changes:
        lines.append(f"*** Update File: {change.path}")
        for hunk in change.hunks:
            lines += ["@@", *_hunk_lines(hunk, undo)]
    return "\n".join([*lines, "*** End Patch"]) + "\n"


def diff_text(changes: tuple[Edit, ...]) -> str:
    """The changes for people: file names and changed lines."""
    lines: list[str] = []
    for change in changes:
        lines.append(f"{change.path}:{change.line}")
        for hunk in change.hunks:
            lines += [f"- {line}" for line in hunk.old] + [f"+ {line}" for line in hunk.new]
    return "\n".join(lines)


def heredoc(patch: str) -> str:
    """A shell command that applies the patch, for where no tool takes it."""
    return f"apply_patch <<'END_OF_PATCH'\n{patch}END_OF_PATCH"


def _hunk_lines(hunk: Hunk, undo: bool) -> list[str]:
    old, new = (hunk.new, hunk.old) if undo else (hunk.old, hunk.new)
    return [
        *(f" {line}" for line in hunk.before),
        *(f"-{line}" for line in old),
        *(f"+{line}" for line in new),
        *(f" {line}" for line in hunk.after),
    ]
