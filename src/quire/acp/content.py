"""What a client puts into a prompt, as the input of a turn."""

from __future__ import annotations

from collections.abc import Iterable
from urllib.parse import unquote, urlsplit

from acp.exceptions import RequestError
from acp.schema import (
    AudioContentBlock,
    BlobResourceContents,
    EmbeddedResourceContentBlock,
    ImageContentBlock,
    ResourceContentBlock,
    TextContentBlock,
    TextResourceContents,
)

from quire.protocol.rpc.items import (
    ImageUserInput,
    LocalImageUserInput,
    MentionUserInput,
    TextUserInput,
    UserInput,
)

Block = (
    TextContentBlock
    | ImageContentBlock
    | AudioContentBlock
    | ResourceContentBlock
    | EmbeddedResourceContentBlock
)


def user_input(blocks: Iterable[Block]) -> list[UserInput]:
    """Raises `RequestError` (invalid params) for audio, which no model here takes."""
    return [_part(block) for block in blocks]


def file_path(uri: str) -> str | None:
    """The path of a `file:` URI of this machine, or of what is a path already."""
    if uri.startswith("/"):
        return uri
    parts = urlsplit(uri)
    if parts.scheme != "file" or parts.netloc not in ("", "localhost"):
        return None
    return unquote(parts.path)


def _part(block: Block) -> UserInput:
    match block:
        case TextContentBlock():
            return TextUserInput(text=block.text)
        case ImageContentBlock():
            return _image(block)
        case ResourceContentBlock():
            return _link(block.name, block.uri)
        case EmbeddedResourceContentBlock():
            return _resource(block.resource)
        case AudioContentBlock():
            raise RequestError.invalid_params({"details": "audio cannot be sent to this agent"})


def _image(block: ImageContentBlock) -> UserInput:
    if block.data:
        return ImageUserInput(url=f"data:{block.mime_type};base64,{block.data}")
    path = file_path(block.uri or "")
    return ImageUserInput(url=block.uri or "") if path is None else LocalImageUserInput(path=path)


def _link(name: str, uri: str) -> UserInput:
    path = file_path(uri)
    if path is None:
        return TextUserInput(text=f"[{name}]({uri})")
    return MentionUserInput(name=name, path=path)


def _resource(resource: TextResourceContents | BlobResourceContents) -> UserInput:
    """An embedded text stands between tags that name it."""
    if isinstance(resource, TextResourceContents):
        uri = resource.uri.replace('"', "%22")
        return TextUserInput(text=f'<context ref="{uri}">\n{resource.text}\n</context>')
    kind = resource.mime_type or ""
    if kind.startswith("image/"):
        return ImageUserInput(url=f"data:{kind};base64,{resource.blob}")
    return _link(resource.uri.rpartition("/")[2] or resource.uri, resource.uri)
