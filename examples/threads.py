"""Threads that outlive a program: go on with one, copy it, list what is stored."""

from __future__ import annotations

import asyncio

from quire.client import Quire


async def main() -> None:
    async with Quire() as q:
        thread = await q.thread()
        await thread.ask("Remember the number 7")
        await thread.rename("numbers")
        thread_id = thread.id

    async with Quire() as q:
        thread = await q.resume(thread_id)
        print((await thread.ask("Which number?")).text)
        copy = await q.fork(thread_id)
        print((await copy.ask("And its double?")).text)
        async for stored in q.threads(limit=20):
            print(stored.name or stored.preview)


if __name__ == "__main__":
    asyncio.run(main())
