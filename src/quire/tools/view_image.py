"""`view_image`: show a local image to the model (row T10)."""

from __future__ import annotations

import os
from errno import EACCES

from msgspec import Struct

from quire.core.errors import ToolError
from quire.core.ports import Invocation, NoAction, ToolContext, ToolResult
from quire.protocol.items import FunctionCall, ToolCall
from quire.protocol.policy import TurnContext
from quire.protocol.thread import ImageViewItem
from quire.tools.base import decode_arguments, load_description
from quire.tools.images import read_image
from quire.tools.spec import function_spec

_PARAMETERS = b"""{"type":"object","properties":{"path":{"type":"string",\
"description":"Path of the image file."}},"required":["path"],"additionalProperties":false}"""


WRONG_DETAIL = (
    "view_image.detail only supports `high` or `original`; omit `detail` for default high resized "
    "behavior"
)


class ViewArguments(Struct, frozen=True):
    """`detail` is not offered: every image is sent in full. Codex's two words for it are taken."""

    path: str
    detail: str | None = None


class ViewImage:
    """The tool."""

    name = "view_image"
    parallel = True

    def spec(self) -> bytes:
        return function_spec(self.name, load_description(self.name), _PARAMETERS)

    def prepare(self, call: ToolCall, ctx: TurnContext) -> Invocation:
        if not isinstance(call, FunctionCall):
            raise ToolError(f"unsupported custom tool call: {self.name}")
        arguments = decode_arguments(ViewArguments, call.arguments)
        if arguments.detail not in (None, "high", "original"):
            raise ToolError(f"{WRONG_DETAIL}, got `{arguments.detail}`")
        path = os.path.normpath(os.path.join(ctx.cwd, arguments.path))
        return ViewInvocation(call.call_id, path)


class ViewInvocation:
    def __init__(self, call_id: str, path: str) -> None:
        self._call_id = call_id
        self._path = path

    @property
    def action(self) -> NoAction:
        return NoAction()

    def proposed(self, ctx: ToolContext) -> None:
        """Nobody is ever asked about it."""

    def declined(self, ctx: ToolContext, reason: str) -> None:
        """Never refused: what may not be read is an error of its own."""

    async def run(self, ctx: ToolContext) -> ToolResult:
        try:
            if ctx.turn.sandbox.hides(self._path, os.path.realpath):
                raise PermissionError(EACCES, os.strerror(EACCES))
            image = read_image(self._path)
        except IsADirectoryError:
            raise ToolError(f"image path `{self._path}` is not a file") from None
        except (OSError, ValueError) as exc:
            raise ToolError(f"unable to locate image at `{self._path}`: {_reason(exc)}") from None
        ctx.finish(ImageViewItem(self._call_id, self._path))
        return ToolResult((image,))


def _reason(exc: OSError | ValueError) -> str:
    return f"{exc.strerror} (os error {exc.errno})" if isinstance(exc, OSError) else str(exc)
