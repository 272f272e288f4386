"""A command vector as one line: the `command` of items, events and refusals (Codex 0.169)."""

from __future__ import annotations

WITH_NUL = "<command included NUL byte>"
"""Shown in place of a command that no shell could read back."""

_PLAIN = frozenset("+-./0123456789:@ABCDEFGHIJKLMNOPQRSTUVWXYZ]_abcdefghijklmnopqrstuvwxyz")
_NOT_IN_SINGLE = frozenset("'\\^")
_NOT_IN_DOUBLE = frozenset("$`!^")
_BARE, _SINGLE, _DOUBLE = 1, 2, 4


def command_line(argv: tuple[str, ...]) -> str:
    """The vector as one line that a shell reads back as the same words.

    A word is quoted in pieces, each as long as one way of quoting allows: bare, else single, else
    double quotes. Beyond POSIX, `!` stays out of double quotes (history), `\\` out of single ones
    (fish), and `^` comes only right after an opening single quote (fish, bash): Codex's choice."""
    if any("\0" in word for word in argv):
        return WITH_NUL
    return " ".join(_quoted(word) for word in argv)


def _quoted(word: str) -> str:
    if not word:
        return "''"
    if _PLAIN.issuperset(word):
        return word
    if _NOT_IN_SINGLE.isdisjoint(word):
        return f"'{word}'"
    pieces: list[str] = []
    start = 0
    while start < len(word):
        end, ways = _piece(word, start)
        pieces.append(_write(word[start:end], ways))
        start = end
    return "".join(pieces)


def _piece(word: str, start: int) -> tuple[int, int]:
    """Where the piece that begins at `start` ends, and the ways to quote it."""
    ways = _BARE | _SINGLE | _DOUBLE
    at = start
    if word[start] == "^":
        ways = _SINGLE
        at += 1
    while at < len(word):
        left = ways & _ways(word[at])
        if not left:
            break
        ways = left
        at += 1
    return at, ways


def _ways(character: str) -> int:
    return (
        (_BARE if character in _PLAIN else 0)
        | (0 if character in _NOT_IN_SINGLE else _SINGLE)
        | (0 if character in _NOT_IN_DOUBLE else _DOUBLE)
    )


def _write(piece: str, ways: int) -> str:
    if ways & _BARE:
        return piece
    if ways & _SINGLE:
        return f"'{piece}'"
    escaped = piece.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
