"""Whole images are told from broken ones: a thread that holds a broken one is lost."""

from __future__ import annotations

import struct
import time
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quire.tools.image_check import media_type


def png(width: int = 3, height: int = 2) -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    pixels = zlib.compress(b"".join(b"\0" + b"\x7f" * width for _ in range(height)))
    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    parts = chunk(b"IHDR", head) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + parts


def segment(marker: int, data: bytes) -> bytes:
    return bytes((0xFF, marker)) + struct.pack(">H", len(data) + 2) + data


JPEG = (
    b"\xff\xd8"
    + segment(0xE0, b"JFIF\0\x01\x01\0\0\x01\0\x01\0\0")
    + segment(0xC2, b"\x08\0\x01\0\x01\x01\x01\x11\0")
    + segment(0xDA, b"\x01\x01\0\0\x3f\0")
    + b"\x12\xff\x00\x34\xff\xd0\x56"
    + segment(0xDA, b"\x01\x01\0\0\x3f\0")
    + b"\x78\xff\xff\xd9"
)
GIF = (
    b"GIF89a\x01\0\x01\0\x80\0\0\0\0\0\xff\xff\xff"
    b"!\xf9\x04\0\0\0\0\0,\0\0\0\0\x01\0\x01\0\0\x02\x02D\x01\0"
)
VP8 = b"0\x01\0\x9d\x01*\x01\0\x01\0\x0e\xc0\xfe%\xa4\0\x03p\0\0\0\0"
WEBP = b"RIFF" + struct.pack("<I", 12 + len(VP8)) + b"WEBPVP8 " + struct.pack("<I", len(VP8)) + VP8
WHOLE = {"image/png": png(), "image/jpeg": JPEG, "image/gif": GIF, "image/webp": WEBP}


@pytest.mark.parametrize("kind", WHOLE)
def test_whole_images(kind: str) -> None:
    assert media_type(WHOLE[kind]) == kind
    assert media_type(WHOLE[kind] + b"what follows") == kind


@pytest.mark.parametrize("kind", WHOLE)
def test_no_part_of_an_image_is_one(kind: str) -> None:
    data = WHOLE[kind]
    assert [n for n in range(len(data)) if media_type(data[:n]) is not None] == []


def test_a_changed_byte_breaks_a_png() -> None:
    data = png()
    for at in range(8, len(data)):
        assert media_type(data[:at] + bytes((data[at] ^ 1,)) + data[at + 1 :]) is None


@pytest.mark.parametrize(
    "data", [b"", b"BM" + b"\0" * 60, b"<svg/>", b"\x89PNG\r\n\x1a\n" + b"\0" * 20, png(0, 1)]
)
def test_what_is_no_image(data: bytes) -> None:
    assert media_type(data) is None


@given(st.sampled_from(sorted(WHOLE)), st.binary(max_size=60))
def test_garbage_is_judged_without_fail(kind: str, garbage: bytes) -> None:
    assert media_type(WHOLE[kind][:12] + garbage) in (None, *WHOLE)


@pytest.mark.parametrize(
    "data",
    [
        png()[:33] + (b"\0\0\0\0tEXt" + struct.pack(">I", zlib.crc32(b"tEXt"))) * 1_500_000,
        b"\xff\xd8" + b"\xff" * 18_000_000,
        b"\xff\xd8" + b"\xff\xfe\0\x02" * 4_500_000,
        JPEG[:40] + b"\xff\0" * 9_000_000,
        GIF[:19] + b"!\xfe\0" * 6_000_000,
        GIF[:19] + b"!\xfe" + b"\x01a" * 9_000_000,
    ],
    ids=["chunks", "padding", "segments", "scan", "extensions", "blocks"],
)
def test_a_hostile_image_costs_little(data: bytes) -> None:
    started = time.process_time()
    assert media_type(data) is None
    assert time.process_time() - started < 1.5
