"""`quire mcp-server`: an agent as tools of the Model Context Protocol."""

from __future__ import annotations

import os
import sys

from quire.cli.extras import require
from quire.cli.options import CommandLineError, Option, help_text, parse
from quire.core.errors import UsageError

OPTIONS = (
    Option(("--config", "-c"), "Set a config key: KEY=VALUE, VALUE as in TOML", "KEY=VALUE", True),
    Option(("--model", "-m"), "Model to use; `offline` is the embedded one", "MODEL"),
    Option(("--help", "-h"), "Show this help"),
)
USAGE = "quire mcp-server [OPTIONS]"
ABOUT = (
    "Serve a client of the Model Context Protocol, on standard input and output: the tools\n"
    "`quire` and `quire-reply` give an agent a task and go on with it."
)


def run(argv: list[str]) -> int:
    """Run `quire mcp-server ARGV`; the exit code. Raises `QuireError`."""
    parsed = parse(argv, OPTIONS)
    if parsed.flag("help"):
        sys.stdout.write(help_text(USAGE, ABOUT, OPTIONS))
        return 0
    if parsed.words:
        raise CommandLineError(f"unexpected argument '{parsed.words[0]}' found; see --help")
    require("mcp", "mcp", "quire mcp-server")
    from quire.cli.extras import overrides
    from quire.client.errors import ClientError
    from quire.mcp_server.server import run as serve

    try:
        serve(os.getcwd(), overrides(parsed))
    except ClientError as exc:
        raise UsageError(str(exc)) from None
    return 0
