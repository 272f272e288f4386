"""Commands of a thread that people deal with: their own, and those that outlive a call."""

from __future__ import annotations

from msgspec import Struct


class Terminal(Struct, frozen=True, kw_only=True):
    """A command of the model that runs. `process_id` is the id told to the model, `os_pid` that
    of the process in its sandbox."""

    item_id: str
    process_id: int
    script: str
    cwd: str
    os_pid: int


class CommandEnd(Struct, frozen=True):
    """How a person's command ended. `output` is what people see of it (at most about 1 MiB),
    `told` what the model does (within the turn's budget)."""

    exit_code: int
    output: str
    told: str
    seconds: float
