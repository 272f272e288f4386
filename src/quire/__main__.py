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
    _load_msgspec()
    from quire.cli.main import run

    return run(argv)


def _load_msgspec() -> None:
    """msgspec takes two names from `typing_extensions` where some other package has brought it,
    and from `typing` where none has. They are the same, and the first costs 5 ms. It imports
    `uuid`, which imports `platform` (1 ms) to ask for the name of the system."""
    if "typing_extensions" in sys.modules or "platform" in sys.modules:
        return
    import os

    platform = type(sys)("platform")
    platform.__dict__["system"] = lambda: os.uname().sysname
    sys.modules["platform"] = platform
    sys.modules["typing_extensions"] = None  # type: ignore[assignment]  # fails to import
    try:
        import msgspec as msgspec
    finally:
        del sys.modules["typing_extensions"], sys.modules["platform"]


if __name__ == "__main__":
    sys.exit(main())
