"""Calls that may run beside others, and calls that run alone."""

from __future__ import annotations

import asyncio

from hypothesis import given
from hypothesis import strategies as st

from quire.tools.ordering import FairLock


def test_a_lone_call_waits_for_those_before_it_and_holds_up_those_after() -> None:
    async def body() -> list[str]:
        lock = FairLock()
        seen: list[str] = []

        async def call(name: str, *, alone: bool) -> None:
            async with lock.held(alone=alone):
                seen.append(f"{name}+")
                await asyncio.sleep(0.01)
                seen.append(f"{name}-")

        async with asyncio.TaskGroup() as group:
            for name in "abCd":
                group.create_task(call(name, alone=name.isupper()))
        return seen

    assert asyncio.run(body()) == ["a+", "b+", "a-", "b-", "C+", "C-", "d+", "d-"]


def test_a_cancelled_wait_is_forgotten() -> None:
    async def body() -> None:
        lock = FairLock()
        async with lock.held(alone=True):
            waiting = asyncio.create_task(_hold(lock))
            await asyncio.sleep(0)
            waiting.cancel()
            await asyncio.wait([waiting])
        async with asyncio.timeout(1), lock.held(alone=True):
            pass

    asyncio.run(body())


async def _hold(lock: FairLock) -> None:
    async with lock.held(alone=True):
        raise AssertionError("it was cancelled")


@given(st.lists(st.tuples(st.booleans(), st.booleans()), max_size=12))
def test_whatever_is_cancelled_all_others_get_their_turn(calls: list[tuple[bool, bool]]) -> None:
    async def body() -> None:
        lock = FairLock()
        shared = lone = done = 0

        async def call(alone: bool) -> None:
            nonlocal shared, lone, done
            async with lock.held(alone=alone):
                assert not lone
                assert not (alone and shared)
                lone += alone
                shared += not alone
                try:
                    await asyncio.sleep(0)
                    done += 1
                finally:
                    lone -= alone
                    shared -= not alone

        tasks = [asyncio.create_task(call(alone)) for alone, _ in calls]
        await asyncio.sleep(0)
        for task, (_, cancelled) in zip(tasks, calls, strict=True):
            if cancelled:
                task.cancel()
        async with asyncio.timeout(5):
            await asyncio.wait(tasks) if tasks else None
        assert [task.exception() for task in tasks if not task.cancelled()] == [None] * done
        assert done >= sum(not cancelled for _, cancelled in calls)

    asyncio.run(body())
