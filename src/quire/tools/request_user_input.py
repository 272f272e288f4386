"""`request_user_input`: questions of the model to the person (Codex 0.169, row T11)."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from quire.core.errors import ToolError
from quire.core.ports import (
    Approver,
    InputOption,
    InputQuestion,
    InputRequest,
    Invocation,
    NoAction,
    ToolContext,
    ToolResult,
)
from quire.protocol.items import FunctionCall, ToolCall
from quire.protocol.policy import TurnContext
from quire.tools.base import decode_arguments, load_description
from quire.tools.spec import function_spec

UNAVAILABLE = "request_user_input is unavailable in {} mode"
MAX_QUESTIONS = 3
_PARAMETERS = b"""{"type":"object","properties":{"questions":{"type":"array","description":\
"One to three questions.","items":{"type":"object","properties":{\
"id":{"type":"string","description":"Name of the answer, in snake_case."},\
"header":{"type":"string","description":"Heading of at most 12 characters."},\
"question":{"type":"string","description":"One sentence."},\
"options":{"type":"array","description":"Two or three answers; leave out \\"Other\\".","items":\
{"type":"object","properties":{"label":{"type":"string","description":"One to five words."},\
"description":{"type":"string","description":"What choosing it means, in one sentence."}},\
"required":["label","description"],"additionalProperties":false}}},\
"required":["id","header","question","options"],"additionalProperties":false}}},\
"required":["questions"],"additionalProperties":false}"""


class Option(Struct, frozen=True):
    label: str
    description: str


class Question(Struct, frozen=True):
    id: str
    header: str
    question: str
    options: tuple[Option, ...] = ()


class Arguments(Struct, frozen=True):
    questions: Annotated[tuple[Question, ...], Meta(min_length=1)]


class _Answer(Struct, frozen=True):
    answers: tuple[str, ...]


class _Output(Struct, frozen=True):
    answers: dict[str, _Answer]


class RequestUserInput:
    """The tool. It asks only in Plan mode, unless `in_default_mode`."""

    name = "request_user_input"
    parallel = True

    def __init__(self, approver: Approver, *, in_default_mode: bool = False) -> None:
        self._approver = approver
        self._in_default_mode = in_default_mode

    def spec(self) -> bytes:
        return function_spec(self.name, load_description(self.name), _PARAMETERS)

    def prepare(self, call: ToolCall, ctx: TurnContext) -> Invocation:
        if not isinstance(call, FunctionCall):
            raise ToolError(f"unsupported custom tool call: {self.name}")
        if ctx.mode != "plan" and not self._in_default_mode:
            raise ToolError(UNAVAILABLE.format(ctx.mode.capitalize()))
        arguments = decode_arguments(Arguments, call.arguments)
        if len(arguments.questions) > MAX_QUESTIONS:
            raise ToolError(f"request_user_input takes at most {MAX_QUESTIONS} questions")
        if any(not question.options for question in arguments.questions):
            raise ToolError("request_user_input requires non-empty options for every question")
        return Asking(self._approver, call.call_id, arguments)


class Asking:
    """Validated questions."""

    action = NoAction()

    def __init__(self, approver: Approver, call_id: str, arguments: Arguments) -> None:
        self._approver = approver
        self._call_id = call_id
        self._arguments = arguments

    async def run(self, ctx: ToolContext) -> ToolResult:
        questions = tuple(
            InputQuestion(
                id=question.id,
                header=question.header,
                question=question.question,
                options=tuple(InputOption(o.label, o.description) for o in question.options),
            )
            for question in self._arguments.questions
        )
        answers = await self._approver.ask(InputRequest(self._call_id, questions), ctx)
        if not answers:
            return ToolResult("request_user_input was cancelled before receiving a response")
        output = _Output({name: _Answer(given) for name, given in answers.items()})
        return ToolResult(msgspec.json.encode(output).decode())

    def proposed(self, ctx: ToolContext) -> None:
        """Nobody is ever asked about it."""

    def declined(self, ctx: ToolContext, reason: str) -> None:
        """Nothing to show."""
