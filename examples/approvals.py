"""Questions answered by a callback: what may leave the sandbox, what may be patched."""

from __future__ import annotations

import asyncio
import os
import sys

from quire.client import ApprovalRequest, Decision, Quire

KEPT = os.path.abspath("generated")


async def approve(request: ApprovalRequest) -> Decision:
    """Patches may touch one folder beside the workspace; commands stay in the sandbox."""
    if request.kind == "patch" and all(c.path.startswith(KEPT) for c in request.changes):
        return "accept"
    print(f"no: {request.command or [change.path for change in request.changes]}")
    print(f"    because: {request.reason}")
    return "decline"


async def main(prompt: str) -> None:
    async with Quire(approve=approve) as q:
        thread = await q.thread(sandbox="read-only", approval_policy="on-request")
        result = await thread.ask(prompt)
        print(result.text)


if __name__ == "__main__":
    asyncio.run(main(" ".join(sys.argv[1:]) or "Tidy up"))
