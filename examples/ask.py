"""One question, one answer: what a turn said, did and cost."""

from __future__ import annotations

import asyncio
import sys

from quire.client import CommandExecution, Quire, TurnFailed


async def main(prompt: str) -> int:
    async with Quire() as q:
        thread = await q.thread(sandbox="read-only", approval_policy="never")
        try:
            result = await thread.ask(prompt)
        except TurnFailed as exc:
            print(f"failed: {exc}", file=sys.stderr)
            return 1
        for item in result.items:
            if isinstance(item, CommandExecution):
                print(f"$ {item.command} -> {item.exit_code}")
        print(result.text)
        if result.usage is not None:
            print(f"{result.usage.total.total_tokens} tokens", file=sys.stderr)
        return 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main(" ".join(sys.argv[1:]) or "What is this project?")))
