"""`apply_patch`: change files by a patch (Codex 0.169, row T7).

Offered as freeform text with a grammar, or as a function; a call of either kind is taken.
"""

from __future__ import annotations

import msgspec
from msgspec import Struct

from quire.core.ports import Invocation
from quire.protocol.items import CustomToolCall, ToolCall
from quire.protocol.policy import PatchTool, TurnContext
from quire.tools.base import decode_arguments, load_description
from quire.tools.spec import function_spec

_PARAMETERS = b"""{"type":"object","properties":{"input":{"type":"string","description":"The \
whole patch, from *** Begin Patch to *** End Patch."}},"required":["input"],\
"additionalProperties":false}"""
_GRAMMAR = r"""start: "*** Begin Patch" LF operation+ "*** End Patch" LF?

operation: addition | deletion | update
addition: "*** Add File: " path LF added+
deletion: "*** Delete File: " path LF
update: "*** Update File: " path LF move? (lines | place) place*

move: "*** Move to: " path LF
place: ("@@" | "@@ " /(.+)/) LF lines
lines: line+ end?
line: (" " | "-" | "+") /(.*)/ LF
end: "*** End of File" LF
added: "+" /(.*)/ LF
path: /(.+)/

%import common.LF
"""


class PatchArguments(Struct, frozen=True):
    input: str


class ApplyPatch:
    """The tool, in the form that the model is offered."""

    name = "apply_patch"
    parallel = False

    def __init__(self, form: PatchTool = "freeform") -> None:
        self._form = form

    def spec(self) -> bytes:
        description = load_description(self.name)
        if self._form == "function":
            return function_spec(self.name, description, _PARAMETERS)
        grammar = {"type": "grammar", "syntax": "lark", "definition": _GRAMMAR}
        entry = {"type": "custom", "name": self.name, "description": description}
        return msgspec.json.encode({**entry, "format": grammar})

    def prepare(self, call: ToolCall, ctx: TurnContext) -> Invocation:
        from quire.tools.patch_invocation import prepare_patch

        if isinstance(call, CustomToolCall):
            text = call.input
        else:
            text = decode_arguments(PatchArguments, call.arguments).input
        return prepare_patch(call.call_id, text, ctx.cwd)
