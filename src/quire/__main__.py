"""The `quire` command. What a command does not need is not imported."""

from __future__ import annotations

import sys


def main() -> int:
    """Run the command line in `sys.argv`; the exit code."""
    argv = sys.argv[1:]
    if argv in (["--version"], ["-V"]):
        from quire import __version__

        sys.stdout.write(f"quire {__version__}\n")
        return 0
    # Start-up makes no garbage worth looking for; `quire exec` turns the collector on again.
    import gc

    gc.disable()
    from quire.cli.main import run

    return run(argv)


if __name__ == "__main__":
    sys.exit(main())
