"""Local images for the model, as data URLs."""

from __future__ import annotations

import errno
import os
import stat

from quire.core.errors import ToolError
from quire.protocol.items import InputImage

MAX_IMAGE_BYTES = 20 * 1024 * 1024
UNPROCESSABLE = "unable to process image: invalid or unsupported image data"


def read_image(path: str) -> InputImage:
    """The image at `path` for the model. Raises `OSError` when the file cannot be read and
    `ToolError` when it is no image (Codex 0.169's words). Only regular files are read, so that a
    device or a pipe cannot hang the caller."""
    from quire.tools.image_check import media_type

    # Looked at first: opening alone can wake a device. What is opened may be another file.
    _require_file(os.stat(path), path)
    fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    with open(fd, "rb") as file:
        status = os.fstat(fd)
        _require_file(status, path)
        data = file.read(min(status.st_size, MAX_IMAGE_BYTES + 1))
    kind = media_type(data)
    if kind is None or len(data) > MAX_IMAGE_BYTES:
        raise ToolError(UNPROCESSABLE)
    from base64 import b64encode

    return InputImage(f"data:{kind};base64,{b64encode(data).decode('ascii')}", "original")


def _require_file(status: os.stat_result, path: str) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), path)
