"""`approval_policy = { granular = {...} }`: its table, looked at before the rest."""

from __future__ import annotations

import msgspec

from quire.config.errors import ConfigError
from quire.config.layers import as_table
from quire.config.overrides import Table
from quire.protocol.policy import GranularApproval


def granular_table(policy: Table, place: str) -> Table:
    """The inner table of `{"granular": {...}}`. Raises `ConfigError` when a switch is missing,
    unknown or no boolean: what may be asked is not guessed. `place` is where it was set."""
    where = f"config: {place}: approval_policy"
    switches = as_table(policy.get("granular"))
    if switches is None or len(policy) > 1:
        raise ConfigError(f'{where}: expected "on-request", "never" or a table `granular`')
    known = GranularApproval.__struct_fields__
    for name in switches:
        if name not in known:
            raise ConfigError(
                f"{where}.granular: unknown key `{name}`; its keys are {', '.join(known)}"
            )
    try:
        msgspec.convert(switches, GranularApproval)
    except msgspec.ValidationError as error:
        raise ConfigError(f"{where}.granular: {_words(str(error))}") from None
    return switches


def _words(fault: str) -> str:
    if "missing required field" in fault:
        return f"{fault.rpartition(' ')[2]} is missing (true or false)"
    return f"{fault.rpartition('$.')[2].strip('`')}: expected true or false"
