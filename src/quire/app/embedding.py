"""An app-server inside a program that uses Quire as a library."""

from __future__ import annotations

import os
from collections.abc import Mapping

from quire.app import App, Setup, choose_model
from quire.app.server import AppServer
from quire.config.load import ConfigSources, load
from quire.core.errors import UsageError


def open_server(
    home: str | None, cwd: str, env: Mapping[str, str], config: Mapping[str, object]
) -> AppServer:
    """A server with the configuration of `home` (`$QUIRE_HOME` of `env`, or `~/.quire`) and above
    it `config`, overrides by dotted key. Inside a running loop. Raises `UsageError` and
    `ConfigError`."""
    chosen = home or env.get("QUIRE_HOME") or "~/.quire"
    home = os.path.abspath(os.path.expanduser(chosen))
    if os.path.exists(home) and not os.path.isdir(home):
        raise UsageError(f"QUIRE_HOME: {home} is not a folder")
    if not os.path.isdir(cwd):
        raise UsageError(f"cwd: {cwd} is not a folder")
    loaded = load(ConfigSources(home=home, cwd=cwd, flags=config))
    env = dict(env)
    setup = Setup(home=home, cwd=cwd, env=env, loaded=loaded, source="vscode", interactive=True)
    return AppServer(App(setup, choose_model(loaded.config, env, home)))
