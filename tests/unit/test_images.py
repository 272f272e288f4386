"""What is read as an image: regular files, and of those what they say of their size."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from quire.core.errors import ToolError
from quire.tools.images import MAX_IMAGE_BYTES, read_image

PIXEL = bytes.fromhex(
    "47494638396101000100800000000000ffffff21f90401000000002c000000000100010000020144003b"
)


def test_an_image_becomes_a_data_url(tmp_path: Path) -> None:
    (tmp_path / "pixel").write_bytes(PIXEL)
    assert read_image(str(tmp_path / "pixel")).image_url.startswith("data:image/gif;base64,R0lGOD")


@pytest.mark.parametrize("target", ["pipe", "/dev/zero", "/dev/tty", "."])
def test_what_is_no_file_is_not_opened(tmp_path: Path, target: str) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to(target)
    with pytest.raises(IsADirectoryError):
        read_image(str(tmp_path / "link"))


def test_a_file_of_any_size_costs_no_more_than_an_image(tmp_path: Path) -> None:
    with (tmp_path / "big").open("wb") as file:
        file.write(PIXEL)
        file.truncate(1 << 40)
    with pytest.raises(ToolError, match="unable to process image"):
        read_image(str(tmp_path / "big"))
    (tmp_path / "small").write_bytes(PIXEL + bytes(MAX_IMAGE_BYTES - len(PIXEL)))
    assert read_image(str(tmp_path / "small")).image_url


def test_a_missing_file(tmp_path: Path) -> None:
    for path in (str(tmp_path / "none"), f"{tmp_path}/{'n' * 300}"):
        with pytest.raises(OSError):
            read_image(path)
