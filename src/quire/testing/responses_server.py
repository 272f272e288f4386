"""A scripted model server on the loopback: in a thread of a test, in a process, or by hand:

    python -m quire.testing.responses_server --script F.json --port 0 --log requests.jsonl

It speaks the Responses API over SSE (`POST */responses`), and `POST /__script` (another script),
`POST /__mark` (a line for the log) and `GET /__stats`. Scripts are described in
`responses_script`; the first line on stdout is the base URL.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import ssl
import sys
import threading
from types import TracebackType
from typing import Self

import msgspec

from quire.testing.responses_app import ScriptedApp, append_log
from quire.testing.responses_http import Received
from quire.testing.responses_script import ScriptError, ScriptSource

_START_TIMEOUT = 10.0
_BUFFER = 1 << 23  # a body of many megabytes is taken in as fast as it comes


class ResponsesServer:
    """The server in a thread, as a context manager: `url` is the base URL (ends in `/v1`).

    With `tls` it speaks HTTPS. Leaving the block does not check anything; call `assert_done()`
    where the script must have been played to its end."""

    def __init__(
        self, script: ScriptSource | None = None, *, tls: ssl.SSLContext | None = None
    ) -> None:
        self._app = ScriptedApp(script)
        self._app.on_request = self._note_request
        self._tls = tls
        self._arrived = threading.Condition()
        self._started = threading.Event()
        self._thread = threading.Thread(target=self._run, name="responses-server", daemon=True)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop = asyncio.Event()
        self.port = 0

    @property
    def url(self) -> str:
        return f"{'http' if self._tls is None else 'https'}://127.0.0.1:{self.port}/v1"

    @property
    def requests(self) -> list[Received]:
        """Requests to the model, in the order in which they came."""
        return [one for one in self._app.requests if one.path.rstrip("/").endswith("/responses")]

    @property
    def connections(self) -> int:
        """How many connections were opened so far."""
        return self._app.connections

    @property
    def complaints(self) -> list[str]:
        """What clients did wrong."""
        return list(self._app.complaints)

    def swap(self, script: ScriptSource | None) -> None:
        """Play another script from now on. Raises `ScriptError`."""
        self._app.swap(script)

    def assert_done(self) -> None:
        """Fail when the script was not played to its end, or a client did something wrong."""
        self._app.assert_done()

    def wait_for_requests(self, count: int, timeout: float = 10.0) -> None:
        """Return once so many requests to the model came. Raises `TimeoutError`."""
        with self._arrived:
            if not self._arrived.wait_for(lambda: len(self.requests) >= count, timeout):
                raise TimeoutError(f"{len(self.requests)} of {count} requests came")

    def __enter__(self) -> Self:
        self._thread.start()
        if not self._started.wait(_START_TIMEOUT) or not self.port:
            raise RuntimeError("the scripted model server did not start")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._loop is not None and self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()

    def _note_request(self) -> None:
        with self._arrived:
            self._arrived.notify_all()

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        finally:
            self._started.set()

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        server = await asyncio.start_server(
            self._app.accept, "127.0.0.1", 0, ssl=self._tls, limit=_BUFFER
        )
        self.port = server.sockets[0].getsockname()[1]
        self._started.set()
        await self._stop.wait()
        server.close()
        await self._app.aclose()


class ResponsesServerProcess:
    """The same server in a process of its own, for measurements: it does not share this
    interpreter. `requests()` reads its log."""

    def __init__(self, log: str, *, bodies: bool = False) -> None:
        self._log = log
        self._bodies = bodies
        self._position = 0
        self.url = ""

    def __enter__(self) -> Self:
        import subprocess

        package = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
        environment = {**os.environ, "PYTHONPATH": os.path.dirname(package)}
        command = [sys.executable, "-m", "quire.testing.responses_server", "--log", self._log]
        if not self._bodies:
            command.append("--no-bodies")
        self._process = subprocess.Popen(
            command, stdout=subprocess.PIPE, text=True, env=environment
        )
        stdout = self._process.stdout
        self.url = stdout.readline().strip() if stdout is not None else ""
        if not self.url:
            raise RuntimeError("the scripted model server did not start")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._process.terminate()
        self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()

    def swap(self, script: ScriptSource) -> None:
        """Play another script from now on, and forget the log so far."""
        self.post("/__script", script)
        self.requests()

    def post(self, path: str, document: object) -> bytes:
        """POST a document to the server's own paths. Raises `ValueError` when it is refused."""
        from http.client import HTTPConnection

        body = document if isinstance(document, bytes) else msgspec.json.encode(document)
        connection = HTTPConnection(self.url.removeprefix("http://").removesuffix("/v1"))
        try:
            connection.request("POST", path, body)
            answer = connection.getresponse()
            text = answer.read()
        finally:
            connection.close()
        if answer.status != 200:
            raise ValueError(f"{path}: {text.decode()}")
        return text

    def requests(self) -> list[Received]:
        """The model requests that were answered since the last call."""
        with open(self._log, "rb") as log:
            log.seek(self._position)
            lines = log.read().splitlines(keepends=True)
        whole = [line for line in lines if line.endswith(b"\n")]
        self._position += sum(map(len, whole))
        received = [msgspec.json.decode(line, type=Received) for line in whole]
        return [one for one in received if one.path.endswith("/responses")]


def provider_config(url: str, model: str = "gpt-5.3-codex", extra: str = "") -> str:
    """The text of a `config.toml` that points Quire (or Codex) at a scripted server. The key is
    read from the variable `MOCK_KEY`; `extra` goes into the provider's table."""
    return f"""model = "{model}"
model_provider = "mock"
check_for_update_on_startup = false

[model_providers.mock]
name = "mock"
base_url = "{url}"
wire_api = "responses"
env_key = "MOCK_KEY"
supports_websockets = false
{extra}"""


def main(arguments: list[str] | None = None) -> int:
    """Run the server until it is interrupted. Exit codes: 0, or 2 for a bad script or option."""
    import argparse

    parser = argparse.ArgumentParser(prog="python -m quire.testing.responses_server")
    parser.add_argument("--script", help="a JSON file; without it every request is answered 'ok'")
    parser.add_argument("--port", type=int, default=0, help="default: any free port")
    parser.add_argument("--log", help="append one JSON line for each request to this file")
    parser.add_argument("--no-bodies", action="store_true", help="leave bodies out of the log")
    options = parser.parse_args(arguments)
    script: bytes | None = None
    try:
        if options.script:
            with open(options.script, "rb") as file:
                script = file.read()
        app = ScriptedApp(script, bodies=bool(options.log) and not options.no_bodies)
        if options.log:
            app.on_done = append_log(options.log)
    except (OSError, ScriptError) as exc:
        print(f"responses_server: {exc}", file=sys.stderr)
        return 2
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_serve_process(app, options.port))
    return 0


async def _serve_process(app: ScriptedApp, port: int) -> None:
    import gc

    server = await asyncio.start_server(app.accept, "127.0.0.1", port, backlog=1024, limit=_BUFFER)
    print(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1", flush=True)
    # No pauses of the server's own inside a measured turn; reference counts free what it uses.
    gc.disable()
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    sys.exit(main())
