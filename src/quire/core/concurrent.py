"""Running several things at once, so that the caller sees one plain error."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterable

from quire.core.errors import AgentError


async def run_all(work: Iterable[Coroutine[None, None, None]]) -> None:
    """Run all to their end. The first failure cancels the others. When every failure is an
    `AgentError`, the first is raised bare; anything else (a bug) is raised as the group it is."""
    try:
        async with asyncio.TaskGroup() as group:
            for coroutine in work:
                group.create_task(coroutine)
    except BaseExceptionGroup as failures:
        expected, unexpected = failures.split(AgentError)
        if expected is not None and unexpected is None:
            raise _first(expected) from None
        raise


def _first(group: BaseExceptionGroup[AgentError]) -> AgentError:
    first = group.exceptions[0]
    return _first(first) if isinstance(first, BaseExceptionGroup) else first
