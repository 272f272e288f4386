"""P070-P100: turns."""

from __future__ import annotations

import base64
import json
from pathlib import Path

from tests.protocol.conftest import NewTalk
from tests.protocol.talk import Talk, text

BEGUN = ["active", "turn/started", "started userMessage", "completed userMessage"]
ENDED = ["idle", "turn/completed"]
SAID = ["started agentMessage", "item/agentMessage/delta", "completed agentMessage"]
QUICK = {"login": False}
ADD = "*** Begin Patch\n*** Add File: new.txt\n+hello\n*** End Patch\n"
PIXEL = (
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJ"
    "RU5ErkJggg=="
)


def command(line: str) -> dict:
    return {"sh": line, "args": QUICK}


def body(talk: Talk) -> bytes:
    """The last request to the model."""
    return bytes(talk.program.model.requests[-1].body)


def running(talk: Talk, line: str = "sleep 30") -> str:
    """A turn in which a command runs; its id."""
    since = len(talk.program.heard)
    turn_id = talk.begin()
    while True:
        params = talk.program.wait_for("item/started", since, threadId=talk.id)["params"]
        if params["item"]["type"] == "commandExecution":
            return turn_id
        since += 1


# --- the order of things -----------------------------------------------------------------------


def test_p070_a_plain_turn(talk: Talk) -> None:
    talk.play({"text": "hello there"})
    turn = talk.run()
    assert turn.story == [*BEGUN, *SAID, *ENDED]
    assert turn.status == "completed"


def test_p071_start_is_answered_first(talk: Talk) -> None:
    talk.play({"text": "ok"})
    since = len(talk.program.heard)
    turn_id = talk.begin()
    first = talk.end(turn_id, since).said[0]
    heard = talk.program.heard[since:]
    answer = next(message for message in heard if "result" in message)
    assert answer["result"]["turn"]["status"] == "inProgress"
    assert heard.index(answer) < heard.index(first)


def test_p072_the_end_holds_the_last_message(talk: Talk) -> None:
    talk.play({"text": "first"})
    ended = talk.run().turn
    assert [item["text"] for item in ended["items"]] == ["first"]
    assert ended["itemsView"] == "summary"
    assert ended["error"] is None
    assert ended["completedAt"] >= ended["startedAt"] > 0
    assert ended["durationMs"] >= 0


def test_p073_deltas_make_up_the_text(talk: Talk) -> None:
    words = "A text of some length, streamed in pieces. " * 5
    talk.play({"text": words, "chunk": 10})
    turn = talk.run()
    deltas = [params["delta"] for params in turn.params("item/agentMessage/delta")]
    assert "".join(deltas) == words
    assert len(deltas) > 5
    assert [item["text"] for item in turn.completed("agentMessage")] == [words]


def test_p074_items_carry_their_turn_and_times(talk: Talk) -> None:
    talk.play({"text": "ok"})
    turn = talk.run()
    for started, completed in zip(
        turn.params("item/started"), turn.params("item/completed"), strict=True
    ):
        assert started["turnId"] == completed["turnId"] == turn.turn["id"]
        assert started["item"]["id"] == completed["item"]["id"]
        assert completed["completedAtMs"] >= started["startedAtMs"]


def test_p075_what_the_person_said(talk: Talk) -> None:
    talk.play({"text": "ok"})
    (message,) = talk.run("héllo", clientUserMessageId="mine").completed("userMessage")
    (content,) = message["content"]
    assert (content["type"], content["text"], message["clientId"]) == ("text", "héllo", "mine")


def test_p076_tokens(talk: Talk) -> None:
    usage = {"input_tokens": 900, "cached_tokens": 100, "output_tokens": 60, "reasoning_tokens": 10}
    talk.play({"items": [{"text": "ok"}], "usage": usage})
    (told,) = talk.run().params("thread/tokenUsage/updated")
    last = told["tokenUsage"]["last"]
    assert (last["inputTokens"], last["cachedInputTokens"]) == (900, 100)
    assert (last["outputTokens"], last["reasoningOutputTokens"]) == (60, 10)
    assert last["totalTokens"] == 960
    assert told["tokenUsage"]["modelContextWindow"] > 0


def test_p077_tokens_add_up(talk: Talk) -> None:
    talk.play({"text": "one"}, {"text": "two"})
    talk.run()
    (told,) = talk.run().params("thread/tokenUsage/updated")
    assert told["tokenUsage"]["total"]["totalTokens"] == 2100
    assert told["tokenUsage"]["last"]["totalTokens"] == 1050


def test_p078_reasoning(talk: Talk) -> None:
    talk.play([{"reasoning": "Thinking hard"}, {"text": "ok"}])
    turn = talk.run()
    begun = ["started reasoning", "item/reasoning/summaryPartAdded"]
    thought = [*begun, "item/reasoning/summaryTextDelta", "completed reasoning"]
    assert turn.story == [*BEGUN, *thought, *SAID, *ENDED]
    assert turn.completed("reasoning")[0]["summary"] == ["Thinking hard"]


# --- tools -------------------------------------------------------------------------------------


def test_p079_a_command(talk: Talk, folder: Path) -> None:
    talk.play(command("echo out; exit 3"), {"text": "ok"})
    turn = talk.run()
    ran = ["started commandExecution", "completed commandExecution"]
    assert turn.story == [*BEGUN, *ran, *SAID, *ENDED]
    (item,) = turn.completed("commandExecution")
    assert (item["status"], item["exitCode"], item["aggregatedOutput"]) == ("failed", 3, "out\n")
    assert item["command"] == "/bin/bash -c 'echo out; exit 3'"
    assert item["cwd"] == str(folder)
    assert item["durationMs"] >= 0


def test_p080_output_while_it_runs(talk: Talk) -> None:
    talk.play(command("for i in 1 2 3; do echo $i; sleep 0.2; done"), {"text": "ok"})
    turn = talk.run()
    deltas = [params["delta"] for params in turn.params("item/commandExecution/outputDelta")]
    assert len(deltas) > 1
    assert "".join(deltas) in ("1\n2\n3\n", "2\n3\n")
    (item,) = turn.completed("commandExecution")
    assert item["aggregatedOutput"] == "1\n2\n3\n"


def test_p081_what_a_command_does(talk: Talk) -> None:
    talk.play(command("cat a.txt"), {"text": "ok"})
    (item,) = talk.run().completed("commandExecution")
    (action,) = item["commandActions"]
    assert (action["type"], action["command"]) == ("read", "cat a.txt")


def test_p082_two_commands_at_once(talk: Talk) -> None:
    talk.play([command("echo a"), command("echo b")], {"text": "ok"})
    turn = talk.run()
    outputs = sorted(item["aggregatedOutput"] for item in turn.completed("commandExecution"))
    assert outputs == ["a\n", "b\n"]


def test_p083_a_patch(talk: Talk, folder: Path) -> None:
    talk.play({"patch": ADD}, {"text": "ok"})
    turn = talk.run()
    (item,) = turn.completed("fileChange")
    assert item["status"] == "completed"
    (change,) = item["changes"]
    assert change["path"] == str(folder / "new.txt")
    assert change["kind"]["type"] == "add"
    assert (folder / "new.txt").read_text() == "hello\n"
    assert turn.story.index("started fileChange") < turn.story.index("completed fileChange")


def test_p084_the_diff_of_a_turn(talk: Talk) -> None:
    talk.play({"patch": ADD}, {"text": "ok"})
    diff = talk.run().params("turn/diff/updated")[-1]["diff"]
    assert diff.startswith("diff --git a/new.txt b/new.txt\nnew file mode 100644\n")
    assert diff.endswith("@@ -0,0 +1 @@\n+hello\n")


def test_p085_a_patch_that_does_not_fit(talk: Talk) -> None:
    wrong = "*** Begin Patch\n*** Update File: none.txt\n@@\n-a\n+b\n*** End Patch\n"
    talk.play({"patch": wrong}, {"text": "ok"})
    assert talk.run().status == "completed"
    assert b"apply_patch verification failed" in body(talk)


def test_p086_a_tool_that_is_not_there(talk: Talk) -> None:
    talk.play({"call": "nothing_like_it"}, {"text": "ok"})
    turn = talk.run()
    assert turn.story == [*BEGUN, *SAID, *ENDED]
    assert b"unsupported call: nothing_like_it" in body(talk)


def test_p087_plans(new_talk: NewTalk) -> None:
    talk = new_talk(config={"tools.update_plan.enabled": True})
    steps = [{"step": "look", "status": "completed"}, {"step": "mend", "status": "in_progress"}]
    talk.play({"call": "update_plan", "args": {"plan": steps}}, {"text": "ok"})
    (told,) = talk.run().params("turn/plan/updated")
    assert told["plan"] == [
        {"step": "look", "status": "completed"},
        {"step": "mend", "status": "inProgress"},
    ]


# --- input and settings ------------------------------------------------------------------------


def test_p088_pictures(talk: Talk, folder: Path) -> None:
    (folder / "dot.png").write_bytes(base64.b64decode(PIXEL))
    talk.play({"text": "ok"})
    local = {"type": "localImage", "path": str(folder / "dot.png")}
    remote = {"type": "image", "url": f"data:image/png;base64,{PIXEL}"}
    turn = talk.run(input=[*text("look"), local, remote])
    assert turn.status == "completed"
    assert body(talk).count(b'"input_image"') == 2
    kinds = [part["type"] for part in turn.completed("userMessage")[0]["content"]]
    assert kinds[:2] == ["text", "localImage"]


def test_p089_an_output_schema_holds_for_one_turn(talk: Talk) -> None:
    schema = {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]}
    schema["additionalProperties"] = False
    talk.play({"json": {"a": "b"}}, {"text": "ok"})
    talk.run(outputSchema=schema)
    asked = json.loads(body(talk))["text"]["format"]
    assert (asked["type"], asked["schema"]) == ("json_schema", schema)
    talk.run()
    assert "format" not in json.loads(body(talk)).get("text", {})


def test_p090_settings_stay(talk: Talk) -> None:
    talk.play({"text": "one"}, {"text": "two"})
    talk.run(model="gpt-5.3-codex", effort="high")
    talk.run()
    asked = json.loads(body(talk))
    assert asked["model"] == "gpt-5.3-codex"
    assert asked["reasoning"]["effort"] == "high"


def test_p091_a_sandbox_for_turns(talk: Talk, folder: Path) -> None:
    talk.play(command("touch made"), {"text": "ok"})
    talk.run(sandboxPolicy={"type": "readOnly"})
    assert not (folder / "made").exists()


def test_p092_a_folder_for_turns(talk: Talk, folder: Path) -> None:
    (folder / "sub").mkdir()
    talk.play(command("pwd"), {"text": "ok"})
    (item,) = talk.run(cwd=str(folder / "sub")).completed("commandExecution")
    assert item["aggregatedOutput"] == f"{folder / 'sub'}\n"


# --- steer, interrupt, fail --------------------------------------------------------------------


def test_p093_steer(talk: Talk) -> None:
    talk.play(command("sleep 0.5"), {"text": "ok"})
    since = len(talk.program.heard)
    turn_id = running(talk)
    given = {"threadId": talk.id, "expectedTurnId": turn_id, "input": text("rather so")}
    assert talk.program.call("turn/steer", given) == {"turnId": turn_id}
    turn = talk.end(turn_id, since)
    said = [message["content"][0]["text"] for message in turn.completed("userMessage")]
    assert said == ["go", "rather so"]
    assert b"rather so" in body(talk)


def test_p094_steer_needs_the_turn_that_runs(talk: Talk) -> None:
    given = {"threadId": talk.id, "expectedTurnId": "x", "input": text("a")}
    error = talk.program.fault("turn/steer", given, sound=True)
    assert error == {"code": -32600, "message": "no active turn to steer"}
    talk.play(command("sleep 30"))
    since = len(talk.program.heard)
    turn_id = running(talk)
    error = talk.program.fault("turn/steer", given, sound=True)
    assert error["message"] == f"expected active turn id `x` but found `{turn_id}`"
    talk.program.call("turn/interrupt", {"threadId": talk.id, "turnId": turn_id})
    assert talk.end(turn_id, since).status == "interrupted"


def test_p095_interrupt(talk: Talk) -> None:
    talk.play(command("sleep 30"), {"text": "ok"})
    since = len(talk.program.heard)
    turn_id = running(talk)
    asked = talk.program.ask("turn/interrupt", {"threadId": talk.id, "turnId": turn_id})
    turn = talk.end(turn_id, since)
    assert (turn.status, turn.turn["error"]) == ("interrupted", None)
    assert turn.story[-2:] == ENDED
    heard = talk.program.heard[since:]
    answer = next(message for message in heard if message.get("id") == asked)
    assert heard.index(answer) < heard.index(turn.said[-1])


def test_p096_interrupt_of_nothing(talk: Talk) -> None:
    given = {"threadId": talk.id, "turnId": "x"}
    error = talk.program.fault("turn/interrupt", given, sound=True)
    assert error == {"code": -32600, "message": "no active turn to interrupt"}


def test_p097_after_an_interrupt_the_thread_goes_on(talk: Talk) -> None:
    talk.play(command("sleep 30"), {"text": "ok"})
    since = len(talk.program.heard)
    turn_id = running(talk)
    talk.program.call("turn/interrupt", {"threadId": talk.id, "turnId": turn_id})
    talk.end(turn_id, since)
    talk.play({"text": "here again"})
    assert talk.run().status == "completed"
    asked = json.loads(body(talk))["input"]
    calls = {item["call_id"] for item in asked if item["type"] == "function_call"}
    outputs = {item["call_id"] for item in asked if item["type"] == "function_call_output"}
    assert calls == outputs


def test_p098_a_turn_that_fails(talk: Talk) -> None:
    talk.play({"status": 400, "error": {"error": {"message": "no such thing"}}}, {"text": "ok"})
    turn = talk.run()
    assert turn.story == [*BEGUN, "systemError", "error", "turn/completed"]
    assert turn.status == "failed"
    assert "no such thing" in turn.turn["error"]["message"]
    (error,) = turn.params("error")
    assert (error["willRetry"], error["turnId"]) == (False, turn.turn["id"])
    assert talk.read()["status"] == {"type": "systemError"}
    assert talk.run().story == [*BEGUN, *SAID, *ENDED]
    assert talk.read()["status"] == {"type": "idle"}


def test_p099_the_status_while_a_turn_runs(talk: Talk) -> None:
    talk.play(command("sleep 30"))
    since = len(talk.program.heard)
    turn_id = running(talk)
    assert talk.read()["status"] == {"type": "active", "activeFlags": []}
    talk.program.call("turn/interrupt", {"threadId": talk.id, "turnId": turn_id})
    talk.end(turn_id, since)


def test_p100_a_turn_that_is_started_while_one_runs_joins_it(talk: Talk) -> None:
    talk.play(command("sleep 0.5"), {"text": "ok"})
    since = len(talk.program.heard)
    turn_id = running(talk)
    assert talk.begin("and this") == turn_id
    turn = talk.end(turn_id, since)
    said = [message["content"][0]["text"] for message in turn.completed("userMessage")]
    assert said == ["go", "and this"]
