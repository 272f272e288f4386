"""`quire acp`: an agent for editors that speak the Agent Client Protocol."""

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
    from quire.acp.serve import run as serve
    from quire.cli.extras import overrides
    from quire.client.errors import ClientError

    try:
        serve(os.getcwd(), overrides(parsed))
    except ClientError as exc:
        raise UsageError(str(exc)) from None
    return 0
