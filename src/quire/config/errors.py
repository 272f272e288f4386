"""What can be wrong with a configuration."""

from __future__ import annotations

from quire.core.errors import UsageError


class ConfigError(UsageError):
    """One line: `config: WHERE: KEY: what is wrong`; WHERE is a file or an option."""
