"""`quire acp`: an agent for editors that speak the Agent Client Protocol."""

from __future__ import annotations

import sys

from quire.cli.extras import OPTIONS, require, run_server
from quire.cli.options import CommandLineError, help_text, parse

USAGE = "quire acp [OPTIONS]"
ABOUT = (
    "Serve an editor that speaks the Agent Client Protocol, on standard input and output.\n"
    "Editors start it themselves: name `quire` as the command and `acp` as its argument."
)


def run(argv: list[str]) -> int:
    """Run `quire acp ARGV`; the exit code. Raises `QuireError`."""
    parsed = parse(argv, OPTIONS)
    if parsed.flag("help"):
        sys.stdout.write(help_text(USAGE, ABOUT, OPTIONS))
        return 0
    if parsed.words:
        raise CommandLineError(f"unexpected argument '{parsed.words[0]}' found; see --help")
    require("acp", "acp", "quire acp")
    from quire.acp.serve import NAME, serve

    return run_server(NAME, parsed, serve)
