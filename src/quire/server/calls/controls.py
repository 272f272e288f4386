"""What a client does to its running processes: `command/exec/*` and `process/*` alike."""

from __future__ import annotations

from quire.protocol.rpc.method import Empty
from quire.server.calls.per_client import PerClient
from quire.server.calls.running import Job, Jobs, input_bytes, quoted
from quire.server.errors import INVALID_PARAMS, InvalidRequest, RpcError
from quire.server.routes import Caller


class Controls:
    """Finds processes among the `jobs` of a client. `what` names them for people (`process`),
    `absent` says that there is none of a name."""

    def __init__(self, jobs: PerClient[Jobs], what: str, absent: str) -> None:
        self._jobs = jobs
        self._what = what
        self._absent = absent

    async def write(
        self, caller: Caller, name: str, method: str, text: str | None, *, close: bool
    ) -> Empty:
        """To its stdin: `text` in base64, then the end with `close`. Raises `RpcError`."""
        data = input_bytes(text, close=close, method=method)
        job = await self.find(caller, name)
        await job.write(data, close=close, what=self._what)
        return Empty()

    async def kill(self, caller: Caller, name: str) -> Empty:
        (await self.find(caller, name)).kill()
        return Empty()

    async def resize(self, caller: Caller, name: str, size: tuple[int, int]) -> Empty:
        """Give its terminal another size (columns, rows), which `checked_size` took."""
        (await self.find(caller, name)).resize(size)
        return Empty()

    async def find(self, caller: Caller, name: str) -> Job:
        """Raises `InvalidRequest` when there is none."""
        job = await self._jobs.of(caller).find(name)
        if job is None:
            raise InvalidRequest(f"{self._absent} {quoted(name)}")
        return job

    def checked_size(self, cols: int, rows: int) -> tuple[int, int]:
        """Columns and rows. Raises `RpcError` when one is 0."""
        if not rows or not cols:
            raise RpcError(
                f"{self._what} size rows and cols must be greater than 0", INVALID_PARAMS
            )
        return cols, rows
