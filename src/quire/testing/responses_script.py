"""The script of a scripted model server: what it answers, turn by turn.

A script is a JSON document `{"turns": [STEP, ...], "by_history": bool, "loop": bool}`, or only
the list of steps. A step is a turn (an object with the members of `TurnSpec`), one item (an
object with the members of `ItemSpec`, and those of the turn beside them), or a list of items:

    [{"sh": "ls"}, [{"reasoning": "Hm."}, {"text": "Done."}], {"status": 500, "times": 2}]
"""

from __future__ import annotations

import bisect
import itertools
from collections.abc import Mapping, Sequence

import msgspec
from msgspec import Struct
from msgspec.structs import fields, replace

ScriptSource = bytes | str | Sequence[object] | Mapping[str, object]
"""JSON text, or what it would decode to."""


class ScriptError(ValueError):
    """The script is not as this module's docstring says; the message names the step."""


class ItemSpec(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One output item; exactly one of the first nine members says which.

    `text`: an assistant message, `repeat` times its text, streamed `chunk` characters a delta.
    `json`: an assistant message that holds this document. `sh`: a command, in the shape of the
    shell tool that the request offers (`args` adds parameters). `patch`: a patch, in the shape of
    the `apply_patch` that the request offers. `call`: a function call with `args` (text is sent
    as it is). `custom`: a freeform call with `input`. `reasoning`: a readable summary. `raw`: an
    item as it is. `count`: a message `turns=N`, the number of `#play` prompts in the request."""

    text: str | None = None
    json: object = None
    sh: str | None = None
    patch: str | None = None
    call: str | None = None
    custom: str | None = None
    reasoning: str | None = None
    raw: dict[str, object] | None = None
    count: str | None = None

    args: dict[str, object] | str = {}
    input: str = ""
    namespace: str | None = None
    call_id: str | None = None
    chunk: int = 24
    repeat: int = 1

    def __post_init__(self) -> None:
        members = [self.text, self.json, self.sh, self.patch, self.call]
        members += [self.custom, self.reasoning, self.raw, self.count]
        if sum(member is not None for member in members) != 1:
            raise ValueError(f"an item is one of {', '.join(ITEM_KINDS)}")
        if self.chunk < 1:
            raise ValueError("chunk is at least 1")

    @property
    def is_call(self) -> bool:
        """True when the client answers this item with an output."""
        if self.raw is not None:
            return str(self.raw.get("type", "")).endswith("_call")
        return any(kind is not None for kind in (self.sh, self.patch, self.call, self.custom))


class UsageSpec(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Token counts that a response reports."""

    input_tokens: int = 1000
    cached_tokens: int = 0
    output_tokens: int = 50
    reasoning_tokens: int = 0


class TurnSpec(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One answer. `times` repeats it (`{i}` in a `sh` becomes the number of the turn, from 0).

    `delay`: seconds before the answer. `pace`: seconds between frames. `status` other than 200
    answers with `error` (a document, or text) at once. `headers` go with any answer.
    `cut_after` / `cut_after_bytes`: close the connection after so many SSE frames, or bytes of
    SSE text. `stall_after`: fall silent after so many frames and wait for the client to leave.
    `end`: [[event, data], ...] in place of `response.completed` (none: the stream just ends).
    `wire`: these bytes (as latin-1 text) are the whole answer, then the connection closes."""

    items: tuple[ItemSpec, ...] = ()
    times: int = 1
    delay: float = 0.0
    pace: float = 0.0
    status: int = 200
    error: object = None
    headers: dict[str, str] = {}
    usage: UsageSpec = UsageSpec()
    cut_after: int | None = None
    cut_after_bytes: int | None = None
    stall_after: int | None = None
    end: tuple[tuple[str, dict[str, object]], ...] | None = None
    wire: str | None = None

    @property
    def calls(self) -> int:
        """How many of the items are calls."""
        return sum(item.is_call for item in self.items)

    @property
    def is_final(self) -> bool:
        """True when the client's turn should end with this answer."""
        return self.status == 200 and self.calls == 0

    @property
    def is_plain(self) -> bool:
        """True for a whole stream at full speed."""
        limits = (self.cut_after, self.cut_after_bytes, self.stall_after)
        return not self.pace and all(limit is None for limit in limits)


ITEM_KINDS = tuple(field.name for field in fields(ItemSpec))[:9]
_TURN_MEMBERS = frozenset(field.name for field in fields(TurnSpec))


class ScriptDocument(Struct, frozen=True, forbid_unknown_fields=True):
    turns: tuple[object, ...]
    by_history: bool = False
    loop: bool = False


class Script:
    """A script being played.

    In order, each request takes the next turn (`loop` starts again after the last). `by_history`
    takes the turn that follows from the request itself, by the number of tool outputs since the
    last user message, so that many clients and resumed sessions share one server."""

    def __init__(
        self, turns: Sequence[TurnSpec], *, by_history: bool = False, loop: bool = False
    ) -> None:
        self.turns = [
            _numbered(turn, number)
            for number, turn in enumerate(itertools.chain(*([t] * t.times for t in turns)))
        ]
        self.by_history = by_history
        self.taken = 0
        self._loop = loop
        self._calls_before = list(
            itertools.accumulate((turn.calls for turn in self.turns), initial=0)
        )

    @property
    def unused(self) -> int:
        """Turns that were never asked for; 0 for scripts that are not played in order."""
        return 0 if self.by_history or self._loop else max(0, len(self.turns) - self.taken)

    def pick(self, outputs: int) -> int | None:
        """The number of the turn for a request with so many `outputs`; None beyond the end."""
        if self.by_history:
            number = bisect.bisect_left(self._calls_before, outputs)
        else:
            number = self.taken % len(self.turns) if self._loop and self.turns else self.taken
        self.taken += 1
        return number if number < len(self.turns) else None


def parse_script(source: ScriptSource) -> Script:
    """Read a script. Raises `ScriptError`."""
    document: object = source
    try:
        if isinstance(source, bytes | str):
            document = msgspec.json.decode(source)
        whole = isinstance(document, Mapping)
        parsed = msgspec.convert(document if whole else {"turns": document}, ScriptDocument)
    except msgspec.DecodeError as exc:
        raise ScriptError(f"script: {exc}") from exc
    turns = [parse_step(step, f"turn {n}") for n, step in enumerate(parsed.turns)]
    return Script(turns, by_history=parsed.by_history, loop=parsed.loop)


def parse_step(step: object, where: str) -> TurnSpec:
    """Read one step in any of its three forms. Raises `ScriptError`, which names `where`."""
    try:
        if isinstance(step, Sequence):
            return msgspec.convert({"items": step}, TurnSpec)
        members = msgspec.convert(step, dict[str, object])
        turn = {name: value for name, value in members.items() if name in _TURN_MEMBERS}
        item = {name: value for name, value in members.items() if name not in _TURN_MEMBERS}
        if item:
            turn["items"] = [*msgspec.convert(turn.get("items", []), list[object]), item]
        return msgspec.convert(turn, TurnSpec)
    except msgspec.ValidationError as exc:
        raise ScriptError(f"script, {where}: {exc}") from exc


def _numbered(turn: TurnSpec, number: int) -> TurnSpec:
    items = tuple(
        item if item.sh is None else replace(item, sh=item.sh.replace("{i}", str(number)))
        for item in turn.items
    )
    return replace(turn, items=items)
