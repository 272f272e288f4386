"""What people and programs see of `quire exec`, from the same events."""

from __future__ import annotations

import io

from quire.exec.human import Human
from quire.exec.jsonl import JsonDisplay
from quire.exec.style import Style
from quire.protocol.events import Event, ItemStarted, ItemUpdated, StreamError
from quire.protocol.local import ThreadInfo
from quire.protocol.policy import SandboxPolicy
from quire.protocol.records import (
    ItemCompleted,
    ResponseCompleted,
    TurnCompleted,
    TurnStarted,
)
from quire.protocol.thread import (
    AgentMessageItem,
    CommandExecutionItem,
    ErrorInfo,
    FileChange,
    FileChangeItem,
    PlanStep,
    ReasoningItem,
    TodoListItem,
    Usage,
    UserMessageItem,
)
from tests.golden import assert_golden

INFO = ThreadInfo(
    id="0199-thread",
    cwd="/srv/demo",
    model="gpt-5.5",
    model_provider="mock",
    approval_policy="never",
    sandbox=SandboxPolicy(mode="workspace-write"),
)
RUN = CommandExecutionItem("c1", ("/bin/bash", "-lc", "pytest -q"), "/srv/demo")
RAN = CommandExecutionItem(
    "c1",
    ("/bin/bash", "-lc", "pytest -q"),
    "/srv/demo",
    status="failed",
    aggregated_output="".join(f"line {n}\n" for n in range(9)) + "\x1b[31m1 failed\x1b[0m\n",
    exit_code=1,
    duration_ms=2345,
)
DIFF = "--- a/x.py\n+++ b/x.py\n@@ -1,2 +1,2 @@\n def f():\n-    return 1\n+    return 2\n"
EDIT = FileChangeItem(
    "p1",
    (FileChange("/srv/demo/x.py", "update", DIFF), FileChange("/srv/demo/n.txt", "add", "a\n")),
    status="completed",
)
PLAN = TodoListItem("plan", (PlanStep("look", "completed"), PlanStep("mend", "in_progress")))


def done(item) -> ItemCompleted:
    return ItemCompleted("t1", item, 0, 0)


EVENTS: list[Event] = [
    TurnStarted("t1", 0, 1000),
    done(UserMessageItem("u", "make the tests pass")),
    done(ReasoningItem("r", ("**Looking** around",))),
    done(AgentMessageItem("m1", "I'll run the tests.")),
    ItemStarted("t1", PLAN, 0),
    ItemUpdated("t1", PLAN),
    ItemStarted("t1", RUN, 0),
    done(RAN),
    StreamError("t1", "Reconnecting... 1/5 (cut)", ErrorInfo("cut", "responseStreamDisconnected")),
    ItemStarted("t1", EDIT, 0),
    done(EDIT),
    done(AgentMessageItem("m2", "Fixed `x.py`.")),
    ResponseCompleted("t1", "resp", Usage(), Usage(1000, 10, 0, 50, 5, 1050)),
    TurnCompleted(turn_id="t1", status="completed", last_agent_message="Fixed `x.py`."),
]
FAILED = TurnCompleted(
    turn_id="t1", status="failed", error=ErrorInfo("401: check KEY", "unauthorized", 401)
)


def human(events: list[Event], final: str | None, *, coloured: bool = False) -> tuple[str, str]:
    err, out = io.StringIO(), io.StringIO()
    display = Human(err, out, Style(coloured, live=False))
    display.opened(INFO, ("something to know",))
    for event in events:
        display.event(event)
    display.closed(final)
    return err.getvalue(), out.getvalue()


def json_lines(events: list[Event]) -> str:
    stream = io.BytesIO()
    display = JsonDisplay(stream)
    display.opened(INFO, ("something to know",))
    for event in events:
        display.event(event)
    display.closed(None)
    return stream.getvalue().decode()


def test_a_person_sees_activity_on_stderr_and_the_result_on_stdout() -> None:
    err, out = human(EVENTS, "Fixed `x.py`.")
    assert out == "Fixed `x.py`.\n"
    assert_golden("exec_human.txt", err)


def test_a_failure_is_one_line() -> None:
    err, out = human([TurnStarted("t1", 0, 1000), FAILED], None)
    assert out == ""
    assert err.splitlines()[-1] == "error: 401: check KEY"


def test_foreign_escape_sequences_never_reach_the_terminal() -> None:
    err, _ = human(EVENTS, None)
    assert "\x1b" not in err
    assert "\x1b[31m1 failed" not in human(EVENTS, None, coloured=True)[0]


def test_a_program_sees_lines() -> None:
    assert_golden("exec.jsonl", json_lines(EVENTS))


def test_a_program_sees_why_it_failed() -> None:
    assert_golden("exec_failed.jsonl", json_lines([TurnStarted("t1", 0, 1000), FAILED]))


def test_an_interrupt_has_a_cause_too() -> None:
    end = TurnCompleted(turn_id="t1", status="interrupted")
    assert '"code":"interrupted"' in json_lines([end])
