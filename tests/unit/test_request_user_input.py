"""`request_user_input`: when it may ask, what it asks, what the model is told (row T11)."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from msgspec.structs import replace

from quire.core.errors import ToolError
from quire.core.ports import InputRequest
from quire.protocol.items import FunctionCall
from quire.testing import ScriptedApprover, ScriptedModel, call, say, turn_context
from quire.tools.registry import Registry
from quire.tools.request_user_input import RequestUserInput
from tests.loop.support import World

QUESTION = {
    "id": "q1",
    "header": "Colour",
    "question": "Which one?",
    "options": [{"label": "A", "description": "a"}, {"label": "B", "description": "b"}],
}
PLAN = replace(turn_context(), mode="plan")


def answered(approver: ScriptedApprover, arguments: Any, **options: bool) -> str:
    async def body() -> str:
        model = ScriptedModel([[call("request_user_input", arguments)], [say("done")]])
        world = World(model, Registry([RequestUserInput(approver, **options)]))
        await world.run(context=PLAN)
        return json.loads(model.prompts[1][-1])["output"]

    return asyncio.run(body())


def test_the_answers_reach_the_model() -> None:
    approver = ScriptedApprover(answers={"q1": ("A",)})
    assert json.loads(answered(approver, {"questions": [QUESTION]})) == {
        "answers": {"q1": {"answers": ["A"]}}
    }
    request = approver.asked[0]
    assert isinstance(request, InputRequest)
    assert request.questions[0].options[1].label == "B"


def test_no_answer_is_said_so() -> None:
    text = answered(ScriptedApprover(), {"questions": [QUESTION]})
    assert text == "request_user_input was cancelled before receiving a response"


@pytest.mark.parametrize(
    ("arguments", "fault"),
    [
        ({"questions": [QUESTION] * 4}, "at most 3 questions"),
        ({"questions": [{**QUESTION, "options": []}]}, "non-empty options"),
        ({}, "failed to parse function arguments: missing field `questions`"),
        ({"questions": []}, "failed to parse function arguments"),
    ],
)
def test_wrong_questions_are_not_asked(arguments: Any, fault: str) -> None:
    approver = ScriptedApprover()
    assert fault in answered(approver, arguments)
    assert approver.asked == []


def test_it_asks_in_plan_mode_only_unless_it_may() -> None:
    given = FunctionCall("request_user_input", json.dumps({"questions": [QUESTION]}), "c")
    tool = RequestUserInput(ScriptedApprover())
    with pytest.raises(ToolError, match="request_user_input is unavailable in Default mode"):
        tool.prepare(given, turn_context())
    RequestUserInput(ScriptedApprover(), in_default_mode=True).prepare(given, turn_context())
