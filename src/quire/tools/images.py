"""Local images for the model, as data URLs."""

from __future__ import annotations

import os

from quire.core.errors import ToolError
from quire.protocol.items import InputImage

MAX_IMAGE_BYTES = 20 * 1024 * 1024
UNPROCESSABLE = "unable to process image: invalid or unsupported image data"


def read_image(path: str) -> InputImage:
    """The image at `path` for the model. Raises `OSError` when the file cannot be read and
    `ToolError` when it is no image (Codex 0.169's words). Only regular files are read, so that a
    device or a pipe cannot hang the caller."""
    from quire.tools.image_check import media_type

    if not os.path.isfile(path):
        os.stat(path)
        raise IsADirectoryError(21, os.strerror(21), path)
    with open(path, "rb") as file:
        data = file.read(MAX_IMAGE_BYTES + 1)
    kind = media_type(data)
    if kind is None or len(data) > MAX_IMAGE_BYTES:
        raise ToolError(UNPROCESSABLE)
    from base64 import b64encode

    return InputImage(f"data:{kind};base64,{b64encode(data).decode('ascii')}", "original")
