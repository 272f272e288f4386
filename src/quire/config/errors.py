"""What can be wrong with a configuration."""

from __future__ import annotations

from quire.core.errors import UsageError


class ConfigError(UsageError):
    """One line: `config: WHERE: KEY: what is wrong`; WHERE is a file or an option."""

    def __init__(self, message: str) -> None:
        super().__init__(one_line(message))


def one_line(text: str) -> str:
    """`text` with control characters spelt out: keys and values come from files of others."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
