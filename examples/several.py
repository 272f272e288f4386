"""Several threads at once, on a server in a process of its own, the slow ones stopped."""

from __future__ import annotations

import asyncio
import sys

from quire.client import Quire

# `unix:///PATH` and `ws://127.0.0.1:PORT` reach a server that runs already.
SERVER = f"stdio:{sys.executable} -m quire app-server"


async def ask(q: Quire, prompt: str) -> str:
    thread = await q.thread(ephemeral=True)
    try:
        async with asyncio.timeout(5):
            return (await thread.ask(prompt)).text
    except TimeoutError:
        return "(took too long, and was interrupted)"


async def main(prompts: list[str]) -> None:
    async with Quire(connect=SERVER) as q:
        for answer in await asyncio.gather(*(ask(q, prompt) for prompt in prompts)):
            print(answer)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1:] or ["Name a tree", "Name a bird"]))
