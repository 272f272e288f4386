"""Words that look like others: letters of other alphabets, wide letters, invisible characters."""

from __future__ import annotations

import unicodedata

from quire.config.programs import UNKNOWN

_LIKE = {
    "a": "\u0430\u0251\u03b1\uff41",
    "b": "\u042c\u0185",
    "c": "\u0441\u03f2",
    "d": "\u0501",
    "e": "\u0435\u04bd",
    "g": "\u0261\u0581",
    "h": "\u04bb\u0570",
    "i": "\u0456\u0131\u03b9",
    "j": "\u0458\u03f3",
    "k": "\u03ba\u043a",
    "l": "\u04cf\u217c\u01c0",
    "m": "\u043c",
    "n": "\u0578\u043f",
    "o": "\u043e\u03bf\u0585",
    "p": "\u0440\u03c1",
    "q": "\u051b\u0566",
    "r": "\u0433",
    "s": "\u0455",
    "t": "\u0442\u03c4",
    "u": "\u057d\u03c5",
    "v": "\u0475\u03bd",
    "w": "\u051d\u0461",
    "x": "\u0445\u03c7",
    "y": "\u0443\u03b3\u04af",
    "z": "\u1d22",
    "-": "\u2010\u2011\u2012\u2013\u2014\u2015\u2212",
    "/": "\u2215\u2044",
    ".": "\u2024",
    "B": "\u0412\u0392",
    "A": "\u0410\u0391",
    "C": "\u0421",
    "E": "\u0415\u0395",
    "H": "\u041d\u0397",
    "I": "\u0406\u0399",
    "K": "\u041a\u039a",
    "M": "\u041c\u039c",
    "N": "\u039d",
    "O": "\u041e\u039f",
    "P": "\u0420\u03a1",
    "S": "\u0405",
    "T": "\u0422\u03a4",
    "X": "\u0425\u03a7",
    "Y": "\u04ae\u03a5",
    "Z": "\u0396",
}
_LATIN = {ord(other): letter for letter, others in _LIKE.items() for other in others}


def as_it_looks(words: tuple[str, ...]) -> tuple[str, ...]:
    """The words that a reader takes these for; the same words when nothing in them deceives."""
    if all(word.isascii() for word in words):
        return words
    return tuple(seen for word in words for seen in _seen(word))


def _seen(word: str) -> list[str]:
    if word.isascii() or UNKNOWN in word:
        return [word]
    shown = "".join(
        character
        for character in unicodedata.normalize("NFKC", word.translate(_LATIN))
        if unicodedata.category(character) not in ("Cf", "Mn")
    )
    return shown.translate(_LATIN).split() or [word]
