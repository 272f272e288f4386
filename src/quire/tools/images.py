"""Local images for the model, as data URLs."""

from __future__ import annotations

import os

from quire.core.errors import ToolError
from quire.protocol.items import InputImage

MAX_IMAGE_BYTES = 20 * 1024 * 1024
_SIGNATURES = (
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
)


def read_image(path: str) -> InputImage:
    """The image at `path` for the model. Raises `ToolError` in Codex 0.169's words. Only
    regular files are read, so that a device or a pipe cannot hang the caller."""
    try:
        if not os.path.isfile(path):
            os.stat(path)
            raise ToolError(f"image path `{path}` is not a file")
        with open(path, "rb") as file:
            data = file.read(MAX_IMAGE_BYTES + 1)
    except OSError as exc:
        raise ToolError(
            f"unable to locate image at `{path}`: {exc.strerror} (os error {exc.errno})"
        ) from None
    kind = _kind(data)
    if kind is None or len(data) > MAX_IMAGE_BYTES:
        raise ToolError("unable to process image: invalid or unsupported image data")
    from base64 import b64encode

    url = f"data:{kind};base64,{b64encode(data).decode('ascii')}"
    return InputImage(url, "original")


def _kind(data: bytes) -> str | None:
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "image/webp"
    return next((kind for head, kind in _SIGNATURES if data.startswith(head)), None)
