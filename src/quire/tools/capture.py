"""What is kept of a command's output, and how it is shown to the model.

Formats are Codex 0.169's (exec_command): the header lines, `Warning: truncated output`, the
`…N tokens truncated…` mark and `... N bytes omitted ...`. A token counts as 4 bytes.
"""

from __future__ import annotations

from collections import deque

CAPTURE_BYTES = 1024 * 1024
BYTES_PER_TOKEN = 4


class Capture:
    """The first and the last half MiB of a byte stream; what lies between is only counted.
    Memory stays bounded whatever is appended."""

    def __init__(self, limit: int = CAPTURE_BYTES) -> None:
        self._half = limit // 2
        self._head = bytearray()
        self._tail: deque[bytes] = deque()
        self._tail_bytes = 0
        self.total = 0

    def append(self, data: bytes) -> None:
        self.total += len(data)
        room = self._half - len(self._head)
        if room > 0:
            self._head += data[:room]
            data = data[room:]
        if not data:
            return
        self._tail.append(data)
        self._tail_bytes += len(data)
        while self._tail_bytes - len(self._tail[0]) >= self._half:
            self._tail_bytes -= len(self._tail.popleft())

    @property
    def omitted(self) -> int:
        """How many bytes were left out."""
        return self.total - len(self._head) - min(self._tail_bytes, self._half)

    @property
    def parts(self) -> tuple[bytes, int, bytes]:
        """Head, number of bytes left out between, tail."""
        tail = b"".join(self._tail)[-self._half :]
        return bytes(self._head), self.total - len(self._head) - len(tail), tail

    def text(self) -> str:
        """All that was kept, with a mark where something is missing. Invalid UTF-8, and a
        character that the mark divides, becomes U+FFFD."""
        head, omitted, tail = self.parts
        mark = f"\n... {omitted} bytes omitted ...\n".encode() if omitted else b""
        return b"".join((head, mark, tail)).decode("utf-8", "replace")

    def take(self) -> Capture:
        """Hand over what was captured and start anew."""
        taken = Capture(self._half * 2)
        taken._head, taken._tail, taken._tail_bytes = self._head, self._tail, self._tail_bytes
        taken.total = self.total
        self._head, self._tail, self._tail_bytes, self.total = bytearray(), deque(), 0, 0
        return taken


def _whole_end(data: bytes) -> str:
    """Decode, leaving out a character that was cut at the end."""
    for cut in range(1, min(4, len(data) + 1)):
        byte = data[-cut]
        if byte < 0x80:
            break
        if byte >= 0xC0:
            width = 2 if byte < 0xE0 else 3 if byte < 0xF0 else 4
            data = data if width <= cut else data[:-cut]
            break
    return data.decode("utf-8", "replace")


def _whole_start(data: bytes) -> str:
    """Decode, leaving out the rest of a character that was cut at the start."""
    start = 0
    while start < min(3, len(data)) and 0x80 <= data[start] < 0xC0:
        start += 1
    return data[start:].decode("utf-8", "replace")


def excerpt(captured: Capture, max_tokens: int) -> tuple[str, int]:
    """The text for the model within `max_tokens`, and the original size in tokens. The budget is
    for the decoded text, split between head and tail."""
    original = -(-captured.total // BYTES_PER_TOKEN)
    text = captured.text()
    whole = text.encode()
    budget = max_tokens * BYTES_PER_TOKEN
    if len(whole) <= budget:
        return text, original
    omitted = captured.omitted
    size = original if omitted else -(-len(whole) // BYTES_PER_TOKEN)
    warning = f"Warning: truncated output (original token count: {size})\n"
    if omitted:
        warning += f"... {omitted} bytes omitted ...\n\n"
    else:
        lines = whole.count(b"\n") + (not whole.endswith(b"\n"))
        warning += f"Total output lines: {lines}\n\n"
    left = budget // 2
    cut = -(-(len(whole) - budget) // BYTES_PER_TOKEN)
    first = _whole_end(whole[:left])
    last = _whole_start(whole[len(whole) - (budget - left) :])
    return f"{warning}{first}…{cut} tokens truncated…{last}", original


def report(chunk_id: str, seconds: float, outcome: str, captured: Capture, max_tokens: int) -> str:
    """The output of one call as the model gets it. `outcome` is the line that tells the exit code
    or the session id."""
    text, original = excerpt(captured, max_tokens)
    return (
        f"Chunk ID: {chunk_id}\nWall time: {seconds:.4f} seconds\n{outcome}\n"
        f"Original token count: {original}\nOutput:\n{text}"
    )
