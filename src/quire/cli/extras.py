"""What commands that stand on the SDK share: their extras, and their overrides."""

from __future__ import annotations

from quire.cli.options import Parsed
from quire.core.errors import UsageError


def require(module: str, extra: str, command: str) -> None:
    """Raises `UsageError` with the install line when the package of an extra is missing."""
    from importlib.util import find_spec

    if find_spec(module) is None:
        raise UsageError(f"{command} needs more than the base: pip install 'quire[{extra}]'")


def overrides(parsed: Parsed) -> dict[str, object]:
    """`-c` and `--model` by dotted key. Raises `ConfigError`."""
    from quire.config.overrides import parse_override, write_path

    found = {write_path(path): value for path, value in map(parse_override, parsed.all("config"))}
    model = parsed.one("model")
    return found if model is None else found | {"model": model}
