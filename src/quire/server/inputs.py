"""What a person typed and attached, as the content of a message (rows P8, P9)."""

from __future__ import annotations

import os
from collections.abc import Callable

from quire.core.errors import ToolError
from quire.protocol.items import ContentPart, InputImage, InputText
from quire.protocol.local import ImageInput, InputPart, LocalImageInput, TextInput
from quire.protocol.ops import UserInput

ReadImage = Callable[[str], InputImage]
"""Reads a local image. Raises `OSError` when it cannot be read, `ToolError` when it is none."""


def user_input(parts: tuple[InputPart, ...], cwd: str, read_image: ReadImage) -> UserInput:
    """Images come first, each between tags that name it; a file that cannot be read is told to
    the model instead (Codex 0.169), never an error."""
    content: list[ContentPart] = []
    paths: list[str] = []
    texts: list[str] = []
    for part in parts:
        match part:
            case LocalImageInput(path):
                path = os.path.normpath(os.path.join(cwd, path))
                paths.append(path)
                content += _image(path, len(paths), read_image)
            case ImageInput(url, detail):
                content.append(InputImage(url, detail))
            case TextInput(text):
                texts.append(text)
    content += [InputText(text) for text in texts]
    return UserInput("\n\n".join(texts), tuple(content), tuple(paths))


def _image(path: str, number: int, read_image: ReadImage) -> tuple[ContentPart, ...]:
    try:
        image: ContentPart = read_image(path)
    except OSError as exc:
        reason = f"{exc.strerror} (os error {exc.errno})"
        return (InputText(f"Quire could not read the local image at `{path}`: {reason}"),)
    except ToolError:
        image = InputText("image content omitted because it could not be processed")
    return (
        InputText(f'<image name=[Image #{number}] path="{path}">'),
        image,
        InputText("</image>"),
    )
