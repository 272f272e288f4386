"""The configuration as a long-lived process needs it: read again whenever it is asked for."""

from __future__ import annotations

from msgspec.structs import replace

from quire.config.load import ConfigSources, LoadedConfig, load


class ConfigStore:
    """Files change while a server runs, by its own clients too: nothing is kept. Loading takes
    about a millisecond."""

    def __init__(self, sources: ConfigSources) -> None:
        self.sources = sources

    def load(self, cwd: str | None = None) -> LoadedConfig:
        """The configuration as seen from a folder (the server's own without one). Raises
        `ConfigError`."""
        return load(self.sources if cwd is None else replace(self.sources, cwd=cwd))
