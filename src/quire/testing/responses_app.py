"""A scripted model behind the Responses API: what it answers, and what it notes down."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable, Iterable

import h11
import msgspec
from msgspec import Raw, Struct
from msgspec.structs import replace

from quire.testing.responses_frames import turn_frames
from quire.testing.responses_http import HttpConnection, Received, chunk
from quire.testing.responses_request import ModelQuery, decode_query, find_play
from quire.testing.responses_script import (
    ItemSpec,
    Script,
    ScriptError,
    ScriptSource,
    TurnSpec,
    parse_script,
)

_OK = TurnSpec(items=(ItemSpec(text="ok"),))
_PLAY_ENDED = TurnSpec(items=(ItemSpec(text="(the script of this prompt is finished)"),))
_FAILURE = {"error": {"message": "scripted failure", "type": "server_error", "code": None}}
_BATCH = 32_768
_LONG_TEXT = 20_000
_SECRET_HEADERS = frozenset({"authorization", "proxy-authorization", "cookie", "x-api-key"})


class _Choice(Struct, frozen=True):
    """The turn that answers a request; its number when it is the server's own script's (not a
    prompt's), and how many `#play` prompts the request holds."""

    turn: TurnSpec
    key: int | None = None
    prompts: int = 0


class ScriptedApp:
    """Serves one script on any number of connections.

    `requests` holds every request, also while its answer is under way. `complaints` lists what a
    client did wrong: bad HTTP, bad JSON, requests beyond the script. Without a script, requests
    that carry no `#play` are answered `ok`. Bodies are kept unless `bodies` is false: long
    sessions would fill the memory with them."""

    def __init__(self, script: ScriptSource | None = None, *, bodies: bool = True) -> None:
        self.script: Script | None = None if script is None else parse_script(script)
        self.requests: list[Received] = []
        self.complaints: list[str] = []
        self.connections = 0
        self.open_connections = 0
        self.on_request: Callable[[], None] = lambda: None
        self.on_done: Callable[[Received], None] = lambda _: None
        self._keep_bodies = bodies
        self._tasks: set[asyncio.Task[None]] = set()
        self._encoded: dict[int, list[bytes]] = {}

    def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve a new connection in a task: the callback of `asyncio.start_server`."""
        task = asyncio.create_task(self._serve(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self.open_connections += 1
        connection = HttpConnection(reader, writer, self.connections)
        try:
            while (incoming := await connection.next_request()) is not None:
                await self._exchange(connection, *incoming)
        except h11.RemoteProtocolError as exc:
            self.complaints.append(f"connection {connection.number}: {exc}")
        except ConnectionError:
            pass  # The client left; the request's `done` stays empty.
        except asyncio.CancelledError:
            connection.abort()
            raise
        finally:
            self.open_connections -= 1
            connection.close()

    async def aclose(self) -> None:
        """Drop all connections."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await asyncio.sleep(0)  # Transports are closed one round later.

    def swap(self, script: ScriptSource | None) -> None:
        """Play another script from now on. Raises `ScriptError`."""
        self.script = None if script is None else parse_script(script)
        self._encoded.clear()

    def assert_done(self) -> None:
        """Fail when the script was not played to its end, or a client did something wrong."""
        if self.complaints:
            raise AssertionError("; ".join(self.complaints))
        if self.script is not None and self.script.unused:
            total = len(self.script.turns)
            raise AssertionError(f"{self.script.unused} of {total} turns were never asked for")

    async def _exchange(self, connection: HttpConnection, received: Received, body: bytes) -> None:
        received.number = len(self.requests) + 1
        if self._keep_bodies:
            received.body = _as_json(body)
        self.requests.append(received)
        self.on_request()
        try:
            await self._answer(connection, received, body)
            received.done = time.time()
        finally:
            self.on_done(received)

    async def _answer(self, connection: HttpConnection, received: Received, body: bytes) -> None:
        path = received.path.partition("?")[0].rstrip("/")
        status, document = 404, error_document(f"no such path: {path}")
        if received.headers.get("upgrade", "").lower() == "websocket":
            status, document = 426, error_document("no WebSocket here")
        elif received.method == "POST" and path.endswith("/responses"):
            await self._answer_model(connection, received, body)
            return
        elif path.endswith("/models"):
            status, document = 200, {"object": "list", "data": (), "models": ()}
        elif path == "/__script":
            status, document = self._swapped(body)
        elif path == "/__mark":
            received.mark = msgspec.json.decode(_as_json(body))
            status, document = 200, {}
        elif path == "/__stats":
            status, document = 200, self._stats()
        received.status = status
        await connection.send_document(status, document)

    def _swapped(self, body: bytes) -> tuple[int, object]:
        try:
            self.swap(body)
        except ScriptError as exc:
            return 400, error_document(str(exc))
        return 200, {}

    def _stats(self) -> dict[str, object]:
        return {
            "connections": self.connections,
            "open": self.open_connections,
            "requests": len(self.requests),
            "unused": 0 if self.script is None else self.script.unused,
            "complaints": self.complaints,
        }

    async def _answer_model(
        self, connection: HttpConnection, received: Received, body: bytes
    ) -> None:
        try:
            query = decode_query(body)
            choice = self._choose(query, received)
        except (msgspec.DecodeError, ScriptError) as exc:
            complaint = f"request {received.number}: {exc}"
            self.complaints.append(complaint)
            received.status = 400
            await connection.send_document(400, error_document(complaint))
            return
        turn = choice.turn
        received.final = turn.is_final
        received.last_output = query.newest_output_chars()
        received.status = turn.status
        if turn.delay:
            await asyncio.sleep(turn.delay)
        if turn.wire is not None:
            received.cut = True
            await connection.send_wire(turn.wire.encode("latin-1"))
        elif turn.status != 200:
            error = _FAILURE if turn.error is None else turn.error
            await connection.send_document(turn.status, error, turn.headers)
        else:
            connection.start_stream(turn.headers)
            frames = turn_frames(
                turn, query, f"{received.number}_{len(query.items)}", choice.prompts
            )
            if turn.is_plain:
                await self._stream_whole(connection, choice, frames)
            else:
                received.cut = await _stream_part(connection, turn, frames)

    def _choose(self, query: ModelQuery, received: Received) -> _Choice:
        play = find_play(query)
        if play is not None:
            received.turn = play.number
            return _Choice(play.step or _PLAY_ENDED, prompts=play.prompts)
        if self.script is None:
            return _Choice(_OK)
        received.turn = self.script.pick(query.outputs_since_prompt())
        if received.turn is None:
            raise ScriptError(f"the script has only {len(self.script.turns)} turns")
        return _Choice(self.script.turns[received.turn], key=received.turn)

    async def _stream_whole(
        self, connection: HttpConnection, choice: _Choice, frames: Iterable[bytes]
    ) -> None:
        """Frames, each a chunk of its own, in larger writes. A script's turn that is one long
        text is encoded only once: it then costs the server next to nothing, which benchmarks
        rely on."""
        items = choice.turn.items
        long = len(items) == 1 and len(items[0].text or "") * items[0].repeat > _LONG_TEXT
        if long and choice.key is not None:
            if choice.key not in self._encoded:
                self._encoded[choice.key] = list(_joined(frames))
            batches: Iterable[bytes] = self._encoded[choice.key]
        else:
            batches = _joined(frames)
        waiting = b""
        for batch in batches:
            if waiting:
                await connection.send_chunks(waiting)
            waiting = batch
        await connection.end_stream(waiting)


async def _stream_part(connection: HttpConnection, turn: TurnSpec, frames: Iterable[bytes]) -> bool:
    """A stream that is slow, stops or breaks, as the turn says. True when it was cut."""
    left = turn.cut_after_bytes
    for number, frame in enumerate(frames):
        if turn.cut_after == number or left == 0:
            break
        if turn.stall_after == number:
            await connection.until_client_leaves()
            return False
        piece = frame if left is None else frame[:left]
        left = None if left is None else left - len(piece)
        await connection.send_chunks(chunk(piece))
        await asyncio.sleep(turn.pace)
    else:
        await connection.end_stream()
        return False
    connection.close()
    return True


def error_document(message: str) -> dict[str, object]:
    """An error body of the Responses API."""
    return {"error": {"message": message, "type": "invalid_request_error", "code": None}}


def append_log(path: str) -> Callable[[Received], None]:
    """A function that appends requests to a JSONL file only its owner can read, without
    credentials. Raises `OSError` when the file cannot be opened."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    encoder = msgspec.json.Encoder()

    def append(received: Received) -> None:
        headers = {
            name: "(not logged)" if name in _SECRET_HEADERS else value
            for name, value in received.headers.items()
        }
        os.write(descriptor, encoder.encode(replace(received, headers=headers)) + b"\n")

    return append


def _joined(frames: Iterable[bytes]) -> Iterable[bytes]:
    batch = bytearray()
    for frame in frames:
        batch += chunk(frame)
        if len(batch) >= _BATCH:
            yield bytes(batch)
            batch.clear()
    if batch:
        yield bytes(batch)


def _as_json(body: bytes) -> Raw:
    """A body as one JSON value: itself, or as text when it is none."""
    try:
        msgspec.json.decode(body, type=Raw)
    except msgspec.DecodeError:
        return Raw(msgspec.json.encode(body.decode("utf-8", "replace")))
    return Raw(body)
