"""Channels over asyncio transports: what is common to all, and the JSONL framing.

A channel is the transport's protocol object itself: bytes are cut into frames as they come, with
no task and no stream object between. Frames that are sent within one pass of the event loop leave
in one write.
"""

from __future__ import annotations

import asyncio
from abc import abstractmethod
from collections import deque

from quire.server.channel import MAX_FRAME

WRITE_AT = 64 * 1024
"""Bytes that wait for the end of the pass at most; more are written at once."""
READ_AHEAD = 1024 * 1024
"""Bytes of frames nobody took yet; at more, reading stops."""
CLOSE_SECONDS = 2.0
"""How long a client may take to read what is left when its channel is closed."""
_FRAME_COST = 64
GONE = "the client is gone"


class FrameChannel(asyncio.Protocol):
    """Implements `quire.server.channel.Channel`; a subclass says what a frame looks like."""

    def __init__(self) -> None:
        self.loop = asyncio.get_running_loop()
        self.lost = asyncio.Event()
        self.half_open = False
        """A subclass knows: a socket's client that says no more is gone as a rule."""
        self.stalled = False
        """True while the client does not read what is written."""
        self._transport: asyncio.Transport | None = None
        self._frames: deque[bytes] = deque()
        self._ahead = 0
        self._ended = False
        self._reading = True
        self._taker: asyncio.Future[None] | None = None
        self._out: list[bytes] = []
        self._out_size = 0
        self._flush_due = False
        self._room: asyncio.Future[None] | None = None

    # --- the contract ----------------------------------------------------------------------

    async def receive(self) -> bytes | None:
        """The next frame; None when there will be no more."""
        while not self._frames:
            if self._ended:
                return None
            self._taker = self.loop.create_future()
            await self._taker
        frame = self._frames.popleft()
        self._ahead -= len(frame) + _FRAME_COST
        if not self._reading and self._ahead < READ_AHEAD // 2 and not self.stalled:
            self.hold_reading(False)
        return frame

    async def send(self, frame: bytes) -> None:
        """Write `frame`; wait while the client does not read. Raises `ConnectionError`."""
        if self.lost.is_set():
            raise ConnectionResetError(GONE)
        self._out.append(frame)
        self._out_size += len(frame)
        if self._out_size >= WRITE_AT:
            self.flush()
        elif not self._flush_due:
            self._flush_due = True
            self.loop.call_soon(self.flush)
        while self.stalled and not self.lost.is_set():
            if self._room is None:
                self._room = self.loop.create_future()
            await asyncio.shield(self._room)
        if self.lost.is_set():
            raise ConnectionResetError(GONE)

    async def aclose(self) -> None:
        """Close it once the client has read what was sent, or does not read any more."""
        self.end()
        if self._transport is None or self.lost.is_set():
            return
        self.flush()
        self.say_goodbye(self._transport)
        try:
            async with asyncio.timeout(CLOSE_SECONDS):
                await self.lost.wait()
        except TimeoutError:
            return
        finally:
            self._transport.abort()

    # --- for subclasses --------------------------------------------------------------------

    @abstractmethod
    def encode(self, frames: list[bytes]) -> bytes:
        """`frames` as they travel, in one piece."""
        ...

    def say_goodbye(self, transport: asyncio.Transport) -> None:
        """Begin to close; what was written still goes out."""
        transport.close()

    def received(self, frames: list[bytes]) -> None:
        """Keep `frames` for `receive`; stop reading when too much is kept."""
        if self._ended:
            return
        self._frames.extend(frames)
        self._ahead += sum(map(len, frames)) + _FRAME_COST * len(frames)
        if self._ahead > READ_AHEAD and self._reading:
            self.hold_reading(True)
        self._wake()

    def end(self) -> None:
        """No more frames will come; those that came are still given out."""
        self._ended = True
        self._wake()

    def write(self, data: bytes) -> None:
        """Write bytes that are framed already, after what was sent before."""
        self.flush()
        if self._transport is not None and not self.lost.is_set():
            self._transport.write(data)

    def flush(self) -> None:
        """Write what was sent."""
        self._flush_due = False
        if not self._out:
            return
        frames, self._out, self._out_size = self._out, [], 0
        if self._transport is not None and not self.lost.is_set():
            data = self.encode(frames)
            if data:
                self._transport.write(data)

    def hold_reading(self, hold: bool) -> None:
        """Stop or go on reading from the client."""
        if self._transport is None or self._transport.is_closing() or self._reading is not hold:
            return
        self._reading = not hold
        if hold:
            self._transport.pause_reading()
        else:
            self._transport.resume_reading()

    # --- what asyncio calls ----------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def eof_received(self) -> bool:
        """The client says no more; it may still read, so the transport stays open."""
        self.end()
        return True

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost.set()
        self.half_open = False
        self.end()
        self.resume_writing()

    def pause_writing(self) -> None:
        self.stalled = True

    def resume_writing(self) -> None:
        self.stalled = False
        room, self._room = self._room, None
        if room is not None and not room.done():
            room.set_result(None)
        if self._ahead < READ_AHEAD // 2 and not self.lost.is_set():
            self.hold_reading(False)

    def _wake(self) -> None:
        if self._taker is not None and not self._taker.done():
            self._taker.set_result(None)


class Lines:
    """Cuts a byte stream into lines. Memory is bounded by `limit` and one chunk."""

    def __init__(self, limit: int = MAX_FRAME) -> None:
        self.skipped = 0
        """Lines that were longer than `limit` and therefore left out."""
        self._limit = limit
        self._tail = bytearray()
        self._skipping = False

    def feed(self, data: bytes) -> list[bytes]:
        """The lines that `data` completes, without their ends; blank ones are left out."""
        pieces = data.split(b"\n")
        self._keep(pieces[0])
        if len(pieces) == 1:
            return []
        pieces[0] = self._taken()
        self._keep(pieces.pop())
        fitting = [piece for piece in pieces if len(piece) <= self._limit]
        self.skipped += len(pieces) - len(fitting)
        return [piece for piece in fitting if piece and not piece.isspace()]

    def end(self) -> list[bytes]:
        """The last line, if it has no end."""
        last = self._taken()
        return [last] if last and not last.isspace() else []

    def _keep(self, piece: bytes) -> None:
        if self._skipping:
            return
        if len(self._tail) + len(piece) > self._limit:
            self._skipping = True
            self._tail = bytearray()
            self.skipped += 1
        else:
            self._tail += piece

    def _taken(self) -> bytes:
        line, self._tail, self._skipping = bytes(self._tail), bytearray(), False
        return line


class LineChannel(FrameChannel):
    """One message per line (JSONL)."""

    def __init__(self, limit: int = MAX_FRAME) -> None:
        super().__init__()
        self._lines = Lines(limit)
        self._limit = limit

    def data_received(self, data: bytes) -> None:
        before = self._lines.skipped
        frames = self._lines.feed(data)
        if frames:
            self.received(frames)
        if self._lines.skipped > before:
            self.write(too_long(self._limit) + b"\n")

    def eof_received(self) -> bool:
        self.received(self._lines.end())
        return super().eof_received()

    def encode(self, frames: list[bytes]) -> bytes:
        frames.append(b"")
        return b"\n".join(frames)


def too_long(limit: int) -> bytes:
    """The answer to a message that was skipped: nobody read its id."""
    text = f"Invalid request: a message is longer than {limit} bytes and was skipped"
    return b'{"id":null,"error":{"code":-32600,"message":"%s"}}' % text.encode()
