"""A turn as it happens, taken apart with `match`."""

from __future__ import annotations

import asyncio
import sys

from quire.client import (
    AgentMessageDelta,
    CommandExecution,
    FileChange,
    ItemCompleted,
    ItemStarted,
    Quire,
    TurnCompleted,
)


async def main(prompt: str) -> None:
    async with Quire() as q:
        thread = await q.thread(sandbox="workspace-write", approval_policy="never")
        async for event in thread.run(prompt):
            match event:
                case ItemStarted(item=CommandExecution(command=command)):
                    print(f"$ {command}")
                case ItemCompleted(item=FileChange(changes=changes, status="completed")):
                    for change in changes:
                        print(f"wrote {change.path}")
                case AgentMessageDelta(delta=text):
                    print(text, end="", flush=True)
                case TurnCompleted(turn=turn):
                    print(f"\n{turn.status}")
                case _:
                    pass


if __name__ == "__main__":
    asyncio.run(main(" ".join(sys.argv[1:]) or "Add a line to the README"))
