"""P110-P136: questions to the person, and what each answer does."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.protocol.conftest import NewProgram, NewTalk
from tests.protocol.program import Message
from tests.protocol.talk import Talk, decide

COMMAND = "item/commandExecution/requestApproval"
PATCH = "item/fileChange/requestApproval"
RESOLVED = "serverRequest/resolved"
ASKING = "active waitingOnApproval"


@pytest.fixture
def asking(new_talk: NewTalk) -> Talk:
    return new_talk(approvalPolicy="on-request")


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    """A file that the sandbox lets nobody write."""
    return tmp_path / "outside.txt"


def escalated(line: str, **more: object) -> dict:
    given = {"sandbox_permissions": "require_escalated", "justification": "it must", **more}
    return {"sh": line, "args": {"login": False, **given}}


def patch(path: Path) -> dict:
    return {"patch": f"*** Begin Patch\n*** Add File: {path}\n+hello\n*** End Patch\n"}


# --- commands ----------------------------------------------------------------------------------


def test_p110_the_question(asking: Talk, outside: Path, folder: Path) -> None:
    asking.play(escalated(f"touch {outside}"), {"text": "ok"})
    turn = asking.run(answers=decide("accept"))
    (asked,) = turn.requests(COMMAND)
    assert (asked["threadId"], asked["turnId"]) == (asking.id, turn.turn["id"])
    assert asked["command"] == f"/bin/bash -c 'touch {outside}'"
    assert (asked["cwd"], asked["reason"]) == (str(folder), "it must")
    assert asked["proposedExecpolicyAmendment"] == ["touch", str(outside)]
    assert asked["commandActions"] == [{"type": "unknown", "command": f"touch {outside}"}]
    items = [params["item"]["id"] for params in turn.params("item/started")]
    assert asked["itemId"] in items


def test_p111_accept_runs_it_outside(asking: Talk, outside: Path) -> None:
    asking.play(escalated(f"echo x > {outside}"), {"text": "ok"})
    turn = asking.run(answers=decide("accept"))
    assert turn.status == "completed"
    assert outside.read_text() == "x\n"
    (item,) = turn.completed("commandExecution")
    assert (item["status"], item["exitCode"]) == ("completed", 0)


def test_p112_the_thread_waits_for_the_answer(asking: Talk, outside: Path) -> None:
    asking.play(escalated(f"touch {outside}"), {"text": "ok"})
    story = asking.run(answers=decide("accept")).story
    order = [ASKING, COMMAND, RESOLVED, "active", "completed commandExecution"]
    places = [story.index(order[0])]
    for words in order[1:]:
        places.append(story.index(words, places[-1]))
    assert places == sorted(places)


def test_p113_that_it_was_answered_is_told(asking: Talk, outside: Path) -> None:
    asking.play(escalated(f"touch {outside}"), {"text": "ok"})
    turn = asking.run(answers=decide("accept"))
    asked = next(message for message in turn.said if "id" in message)
    assert turn.params(RESOLVED) == [{"threadId": asking.id, "requestId": asked["id"]}]


def test_p114_accept_once_asks_again(asking: Talk, outside: Path) -> None:
    command = escalated(f"touch {outside}")
    asking.play(command, {"text": "ok"}, command, {"text": "ok"})
    for _ in range(2):
        assert len(asking.run(answers=decide("accept")).requests(COMMAND)) == 1


def test_p115_accept_for_session_asks_no_more(asking: Talk, outside: Path) -> None:
    command = escalated(f"touch {outside}")
    asking.play(command, {"text": "ok"}, command, {"text": "ok"})
    assert len(asking.run(answers=decide("acceptForSession")).requests(COMMAND)) == 1
    outside.unlink()
    assert asking.run().requests(COMMAND) == []
    assert outside.exists()


def test_p116_a_rule_is_kept(asking: Talk, tmp_path: Path, new_talk: NewTalk) -> None:
    def remember(request: Message) -> Message:
        amendment = request["params"]["proposedExecpolicyAmendment"]
        choice = {"execpolicy_amendment": amendment}
        return {"decision": {"acceptWithExecpolicyAmendment": choice}}

    tool = f"mktemp-{tmp_path.name}"
    asking.play(escalated(f"{tool} a", prefix_rule=[tool]), {"text": "ok"})
    asking.run(answers=remember)
    rules = (asking.program.home / "rules" / "default.rules").read_text()
    assert f'prefix_rule(pattern=["{tool}"], decision="allow")\n' in rules
    asking.play(escalated(f"{tool} b"), {"text": "ok"})
    assert asking.run().requests(COMMAND) == []
    other = new_talk(approvalPolicy="on-request")
    other.play(escalated(f"{tool} c"), {"text": "ok"})
    assert other.run().requests(COMMAND) == []


def test_p117_decline_goes_on(asking: Talk, outside: Path) -> None:
    asking.play(escalated(f"touch {outside}"), {"text": "ok"})
    turn = asking.run(answers=decide("decline"))
    assert turn.status == "completed"
    assert [item["status"] for item in turn.completed("commandExecution")] == ["declined"]
    assert not outside.exists()
    assert len(asking.program.model.requests) > 0
    assert turn.story[-2:] == ["idle", "turn/completed"]


def test_p118_cancel_ends_the_turn(asking: Talk, outside: Path) -> None:
    asking.play(escalated(f"touch {outside}"), {"text": "ok"})
    before = len(asking.program.model.requests)
    turn = asking.run(answers=decide("cancel"))
    assert turn.status == "interrupted"
    assert [item["status"] for item in turn.completed("commandExecution")] == ["declined"]
    assert len(asking.program.model.requests) == before + 1
    assert not outside.exists()


def test_p119_after_a_cancel_the_thread_goes_on(asking: Talk, outside: Path) -> None:
    asking.play(escalated(f"touch {outside}"), {"text": "ok"})
    asking.run(answers=decide("cancel"))
    assert asking.run().status == "completed"


@pytest.mark.ours_only("the peer leaves the question standing on the client's screen")
def test_p120_an_interrupt_takes_the_question_back(asking: Talk, outside: Path) -> None:
    asking.play(escalated(f"touch {outside}"), {"text": "ok"})
    program, since = asking.program, len(asking.program.heard)
    turn_id = asking.begin()
    asked = program.wait_for(COMMAND, since)
    program.call("turn/interrupt", {"threadId": asking.id, "turnId": turn_id})
    turn = asking.end(turn_id, program.heard.index(asked) + 1)
    assert turn.status == "interrupted"
    assert {"threadId": asking.id, "requestId": asked["id"]} in turn.params(RESOLVED)


@pytest.mark.parametrize("policy", ["never", "on-request"])
def test_p121_within_the_sandbox_nobody_is_asked(new_talk: NewTalk, policy: str) -> None:
    talk = new_talk(approvalPolicy=policy)
    talk.play({"sh": "touch inside", "args": {"login": False}}, {"text": "ok"})
    assert talk.run().requests(COMMAND) == []
    assert (talk.folder / "inside").exists()


def test_p122_never_asks_nobody(talk: Talk, outside: Path) -> None:
    talk.play(escalated(f"touch {outside}"), {"text": "ok"})
    assert talk.run().requests(COMMAND) == []
    assert not outside.exists()


@pytest.mark.parametrize("line", ["rm -f x", "rm -rf x", "(rm -fr x)", "sh -c 'rm -f x'"])
def test_p123_forced_removal_asks(asking: Talk, line: str) -> None:
    (asking.folder / "x").write_text("kept")
    asking.play({"sh": line, "args": {"login": False}}, {"text": "ok"})
    turn = asking.run(answers=decide("decline"))
    assert len(turn.requests(COMMAND)) == 1
    assert (asking.folder / "x").exists()


@pytest.mark.ours_only("the peer is evaded by these spellings")
@pytest.mark.parametrize("line", ["\\rm -f x", "command rm -f x", "echo x | xargs rm -f"])
def test_p124_forced_removal_in_other_spellings(asking: Talk, line: str) -> None:
    test_p123_forced_removal_asks(asking, line)


def test_p125_forced_removal_under_never_is_refused(talk: Talk) -> None:
    (talk.folder / "x").write_text("kept")
    talk.play({"sh": "rm -f x", "args": {"login": False}}, {"text": "ok"})
    talk.run()
    assert (talk.folder / "x").exists()


def test_p126_granular_without_sandbox_approval(new_talk: NewTalk, outside: Path) -> None:
    granular = {
        "sandbox_approval": False,
        "rules": True,
        "skill_approval": True,
        "request_permissions": True,
        "mcp_elicitations": True,
    }
    talk = new_talk(approvalPolicy={"granular": granular})
    talk.play(escalated(f"touch {outside}"), {"text": "ok"})
    assert talk.run().requests(COMMAND) == []
    assert not outside.exists()


def test_p127_granular_with_sandbox_approval(new_talk: NewTalk, outside: Path) -> None:
    granular = {"sandbox_approval": True, "rules": False, "mcp_elicitations": False}
    talk = new_talk(approvalPolicy={"granular": granular})
    talk.play(escalated(f"touch {outside}"), {"text": "ok"})
    assert len(talk.run(answers=decide("accept")).requests(COMMAND)) == 1
    assert outside.exists()


def test_p128_rules_of_the_person(new_program: NewProgram, folder: Path, tmp_path: Path) -> None:
    home = tmp_path / "ruled"
    (home / "rules").mkdir(parents=True)
    (home / "rules" / "mine.rules").write_text(
        'prefix_rule(pattern=["touch"], decision="prompt")\n'
        'prefix_rule(pattern=["mkdir"], decision="forbidden")\n'
    )
    program = new_program(home)
    program.initialize()
    talk = Talk(program, folder, approvalPolicy="on-request")
    lines = [{"sh": line, "args": {"login": False}} for line in ("touch made", "mkdir dir")]
    talk.play(lines[0], lines[1], {"text": "ok"})
    turn = talk.run(answers=decide("accept"))
    assert [asked["command"] for asked in turn.requests(COMMAND)] == ["/bin/bash -c 'touch made'"]
    assert (folder / "made").exists()
    assert not (folder / "dir").exists()


# --- patches -----------------------------------------------------------------------------------


def test_p129_a_patch_within_asks_nobody(asking: Talk) -> None:
    asking.play(patch(asking.folder / "new.txt"), {"text": "ok"})
    assert asking.run().requests(PATCH) == []
    assert (asking.folder / "new.txt").exists()


def test_p130_a_patch_outside_asks(asking: Talk, outside: Path) -> None:
    asking.play(patch(outside), {"text": "ok"})
    turn = asking.run(answers=decide("accept"))
    (asked,) = turn.requests(PATCH)
    story = turn.story
    assert story.index("started fileChange") < story.index(ASKING) < story.index(PATCH)
    (item,) = turn.completed("fileChange")
    assert (item["id"], item["status"]) == (asked["itemId"], "completed")
    assert outside.read_text() == "hello\n"


def test_p131_a_declined_patch(asking: Talk, outside: Path) -> None:
    asking.play(patch(outside), {"text": "ok"})
    turn = asking.run(answers=decide("decline"))
    assert turn.status == "completed"
    assert [item["status"] for item in turn.completed("fileChange")] == ["declined"]
    assert not outside.exists()


def test_p132_a_cancelled_patch(asking: Talk, outside: Path) -> None:
    asking.play(patch(outside), {"text": "ok"})
    turn = asking.run(answers=decide("cancel"))
    assert turn.status == "interrupted"
    assert not outside.exists()


def test_p133_a_patch_accepted_for_the_session(asking: Talk, outside: Path) -> None:
    remove = {"patch": f"*** Begin Patch\n*** Delete File: {outside}\n*** End Patch\n"}
    asking.play(patch(outside), remove, {"text": "ok"})
    turn = asking.run(answers=decide("acceptForSession"))
    assert len(turn.requests(PATCH)) == 1
    assert not outside.exists()


def test_p134_a_patch_outside_under_never(talk: Talk, outside: Path) -> None:
    talk.play(patch(outside), {"text": "ok"})
    turn = talk.run()
    assert turn.requests(PATCH) == []
    assert turn.status == "completed"
    assert not outside.exists()


# --- answers that are none ---------------------------------------------------------------------


@pytest.mark.parametrize(
    "answer", [{"error": {"code": -32000, "message": "no"}}, {"decision": "bogus"}, {}]
)
def test_p135_what_is_no_answer_is_a_refusal(asking: Talk, outside: Path, answer: Message) -> None:
    asking.play(escalated(f"touch {outside}"), {"text": "ok"})
    asking.begin()
    asked = asking.program.wait_for(COMMAND, threadId=asking.id)
    reply = answer if "error" in answer else {"result": answer}
    asking.program.send({"id": asked["id"], **reply}, sound=False)
    asking.program.wait_for("turn/completed", threadId=asking.id)
    assert not outside.exists()


def test_p136_questions_of_the_model(new_talk: NewTalk) -> None:
    talk = new_talk(config={"features.default_mode_request_user_input": True})
    options = [{"label": "Red", "description": "warm"}, {"label": "Blue", "description": "cold"}]
    question = {"id": "q", "header": "Colour", "question": "Which?", "options": options}
    talk.play({"call": "request_user_input", "args": {"questions": [question]}}, {"text": "ok"})
    turn = talk.run(answers=lambda request: {"answers": {"q": {"answers": ["Blue"]}}})
    (asked,) = turn.requests("item/tool/requestUserInput")
    assert asked["questions"][0]["question"] == "Which?"
    assert "active waitingOnUserInput" in turn.story
    assert b"Blue" in bytes(talk.program.model.requests[-1].body)
