"""Scripted doubles of the core's ports, and a scripted model server, for tests of Quire and of
what is built on it. `docs/testing.md` shows them at work.

The HTTP server is in `quire.testing.responses_server`; nothing here imports it.
"""

from __future__ import annotations

from quire.testing.builders import (
    assistant,
    call,
    custom,
    developer,
    function_output,
    patch,
    raw,
    reasoning,
    say,
    shell,
    turn_context,
    user,
)
from quire.testing.doubles import CountingIds, FixedClock, MemoryRollout
from quire.testing.fake_sandbox import FakeProcess, FakeSandbox, Run
from quire.testing.scripted_approver import ScriptedApprover
from quire.testing.scripted_model import (
    Pause,
    ScriptedModel,
    broken_after,
    error,
    pause,
    retrying,
)
from quire.testing.scripted_tools import ScriptedTools

__all__ = [
    "CountingIds",
    "FakeProcess",
    "FakeSandbox",
    "FixedClock",
    "MemoryRollout",
    "Pause",
    "Run",
    "ScriptedApprover",
    "ScriptedModel",
    "ScriptedTools",
    "assistant",
    "broken_after",
    "call",
    "custom",
    "developer",
    "error",
    "function_output",
    "patch",
    "pause",
    "raw",
    "reasoning",
    "retrying",
    "say",
    "shell",
    "turn_context",
    "user",
]
