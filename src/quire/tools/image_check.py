"""Is this file a whole image? A provider refuses a request that holds a broken one, and with it
every later request of the thread, so the structure is read to its end; pixels are not decoded."""

from __future__ import annotations

from collections.abc import Iterator

_MAX_PARTS = 400_000
"""More than any image of the largest size has; a hostile file is given up there."""


class Broken(Exception):
    """The data is no image of a known kind, or not a whole one."""


def media_type(data: bytes) -> str | None:
    """The media type of a PNG, JPEG, GIF or WebP image that is complete; None for anything else.
    What follows the image is not looked at."""
    try:
        if data.startswith(b"\x89PNG\r\n\x1a\n"):
            _png(data)
            return "image/png"
        if data.startswith(b"\xff\xd8\xff"):
            _jpeg(data)
            return "image/jpeg"
        if data.startswith((b"GIF87a", b"GIF89a")):
            _gif(data)
            return "image/gif"
        if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
            _webp(data)
            return "image/webp"
    except Broken:
        pass
    return None


def _steps() -> Iterator[int]:
    """One for each part of an image, shared by all loops over it."""
    yield from range(_MAX_PARTS)
    raise Broken


def _part(data: bytes, start: int, length: int) -> bytes:
    part = data[start : start + length]
    if len(part) < length:
        raise Broken
    return part


def _number(data: bytes, start: int, length: int) -> int:
    return int.from_bytes(_part(data, start, length), "big")


def _png(data: bytes) -> None:
    """Chunks with their checksums, from IHDR over IDAT to IEND."""
    from zlib import crc32

    at = 8
    kinds: list[bytes] = []
    for _ in _steps():
        if kinds[-1:] == [b"IEND"]:
            break
        length = _number(data, at, 4)
        body = _part(data, at + 4, 4 + length)
        if crc32(body) != _number(data, at + 8 + length, 4):
            raise Broken
        kinds.append(body[:4])
        at += 12 + length
    empty = 0 in (_number(data, 16, 4), _number(data, 20, 4))
    if kinds[0] != b"IHDR" or b"IDAT" not in kinds or empty:
        raise Broken


def _jpeg(data: bytes) -> None:
    """Segments up to the end of the image, with a frame and a scan among them."""
    import re

    padding = re.compile(rb"\xff+")
    marker_in_scan = re.compile(rb"\xff[^\x00\xd0-\xd7]", re.DOTALL)
    at = 2
    frame = scan = False
    for _ in _steps():
        found = padding.match(data, at)
        if found is None:
            raise Broken
        at = found.end() + 1
        marker = _number(data, at - 1, 1)
        if marker == 0xD9:
            break
        if marker == 0x01 or 0xD0 <= marker <= 0xD7:
            continue
        at += max(2, _number(data, at, 2))
        frame = frame or (0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC))
        if marker == 0xDA:
            scan = True
            # Past the compressed data, in which FF is followed by 00 or a restart.
            found = marker_in_scan.search(data, at)
            if found is None:
                raise Broken
            at = found.start()
    if not (frame and scan):
        raise Broken


def _gif(data: bytes) -> None:
    """Blocks up to the end of the first picture."""
    steps = _steps()
    at = 13 + _colours(_number(data, 10, 1))
    while _part(data, at, 1) == b"!":
        at = _sub_blocks(data, at + 2, steps)
    if _part(data, at, 1) != b",":
        raise Broken
    at += 10 + _colours(_number(data, at + 9, 1))
    _sub_blocks(data, at + 1, steps)


def _colours(flags: int) -> int:
    """The size of a colour table."""
    return 3 << ((flags & 7) + 1) if flags & 0x80 else 0


def _sub_blocks(data: bytes, at: int, steps: Iterator[int]) -> int:
    for _ in steps:
        length = _number(data, at, 1)
        at += 1 + length
        if not length:
            break
    return at


def _webp(data: bytes) -> None:
    """A RIFF file that is all there and begins with a picture."""
    length = int.from_bytes(data[4:8], "little")
    first = int.from_bytes(_part(data, 16, 4), "little")
    _part(data, 8, length)
    if _part(data, 12, 4) not in (b"VP8 ", b"VP8L", b"VP8X") or 12 + first > length:
        raise Broken
