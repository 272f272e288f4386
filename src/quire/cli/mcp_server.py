"""`quire mcp-server`: an agent as tools of the Model Context Protocol."""

from __future__ import annotations

import sys

from quire.cli.extras import OPTIONS, require, run_server
from quire.cli.options import CommandLineError, help_text, parse

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
    from quire.mcp_server.server import NAME, serve

    return run_server(NAME, parsed, serve)
