"""P020-P061: threads."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.protocol.conftest import NewProgram, NewTalk
from tests.protocol.program import Message, Program
from tests.protocol.talk import Talk, Turn

UNKNOWN = "01a1f929-a04b-7532-81c5-b8d0bff3f0e3"
INVALID = "invalid character: expected an optional prefix of `urn:uuid:` followed by [0-9a-fA-F-]"


def told(program: Program, since: int, *, seconds: float = 0.3) -> list[Message]:
    """Notifications about threads from now on, and since number `since`."""
    program.listen(seconds)
    return [m for m in program.heard[since:] if m.get("method", "").startswith("thread/")]


def two_turns(talk: Talk) -> tuple[Turn, Turn]:
    talk.play({"text": "one"}, {"text": "two"})
    return talk.run("first words"), talk.run("second words")


# --- start -------------------------------------------------------------------------------------


def test_p020_start_answers_the_settings(new_talk: NewTalk, folder: Path) -> None:
    opened = new_talk(sandbox="workspace-write", approvalPolicy="on-request").opened
    assert opened["cwd"] == str(folder)
    assert opened["model"] == "gpt-5.5"
    assert opened["modelProvider"] == "mock"
    assert opened["approvalPolicy"] == "on-request"
    assert opened["sandbox"]["type"] == "workspaceWrite"
    assert opened["approvalsReviewer"] == "user"


def test_p021_start_answers_the_thread(talk: Talk, folder: Path) -> None:
    thread = talk.opened["thread"]
    assert thread["sessionId"] == thread["id"]
    assert thread["status"] == {"type": "idle"}
    assert (thread["cwd"], thread["preview"], thread["turns"]) == (str(folder), "", [])
    assert (thread["ephemeral"], thread["source"]) == (False, "vscode")
    assert thread["originator"] == "suite"
    assert thread["path"].endswith(f"{thread['id']}.jsonl")


def test_p022_start_is_answered_before_it_is_told(program: Program, folder: Path) -> None:
    since = len(program.heard)
    asked = program.ask("thread/start", {"cwd": str(folder)})
    thread = program.result(asked)["thread"]
    started = program.wait_for("thread/started", since)
    while started["params"]["thread"]["id"] != thread["id"]:
        started = program.next()
    heard = program.heard[since:]
    answer = next(message for message in heard if message.get("id") == asked)
    assert heard.index(answer) < heard.index(started)


def test_p023_ephemeral_threads_have_no_file(new_talk: NewTalk) -> None:
    thread = new_talk(ephemeral=True).opened["thread"]
    assert (thread["ephemeral"], thread["path"]) == (True, None)


@pytest.mark.parametrize("sandbox", ["read-only", "workspace-write", "danger-full-access"])
def test_p024_sandboxes(new_talk: NewTalk, sandbox: str) -> None:
    kinds = {
        "read-only": "readOnly",
        "workspace-write": "workspaceWrite",
        "danger-full-access": "dangerFullAccess",
    }
    assert new_talk(sandbox=sandbox).opened["sandbox"]["type"] == kinds[sandbox]


def test_p025_settings_by_dotted_key(new_talk: NewTalk) -> None:
    config = {"model_reasoning_effort": "high", "sandbox_workspace_write.network_access": True}
    opened = new_talk(config=config).opened
    assert opened["reasoningEffort"] == "high"
    assert opened["sandbox"]["networkAccess"] is True


def test_p026_no_git_info_without_a_commit(new_talk: NewTalk, folder: Path) -> None:
    subprocess.run(["git", "init", "-q", str(folder)], check=True)
    assert new_talk().opened["thread"]["gitInfo"] is None


def test_p027_developer_and_base_instructions_reach_the_model(new_talk: NewTalk) -> None:
    talk = new_talk(developerInstructions="BE TERSE", baseInstructions="YOU ARE A TEST")
    talk.play({"text": "ok"})
    talk.run()
    body = bytes(talk.program.model.requests[-1].body)
    assert b"BE TERSE" in body
    assert b"YOU ARE A TEST" in body


# --- read, list, loaded ------------------------------------------------------------------------


def test_p028_read_with_and_without_turns(talk: Talk) -> None:
    two_turns(talk)
    assert talk.read()["turns"] == []
    turns = talk.read(includeTurns=True)["turns"]
    assert [turn["status"] for turn in turns] == ["completed", "completed"]
    kinds = [[item["type"] for item in turn["items"]] for turn in turns]
    assert kinds == [["userMessage", "agentMessage"]] * 2
    assert talk.read()["preview"] == "first words"


def test_p029_read_of_an_unknown_thread(program: Program) -> None:
    error = program.fault("thread/read", {"threadId": UNKNOWN})
    assert error == {"code": -32600, "message": f"thread not loaded: {UNKNOWN}"}


@pytest.mark.parametrize(
    ("method", "more", "kind"),
    [
        ("thread/read", {}, "thread"),
        ("thread/resume", {}, "session"),
        ("thread/fork", {}, "session"),
        ("thread/archive", {}, "session"),
        ("thread/unarchive", {}, "session"),
        ("thread/delete", {}, "thread"),
        ("thread/unsubscribe", {}, "thread"),
        ("thread/name/set", {"name": "x"}, "thread"),
        ("thread/turns/list", {}, "thread"),
        ("thread/inject_items", {"items": []}, "thread"),
        ("thread/revert", {"beforeTurnId": "x"}, "thread"),
        ("turn/start", {"input": []}, "thread"),
        ("turn/interrupt", {"turnId": "x"}, "thread"),
        ("turn/steer", {"expectedTurnId": "x", "input": []}, "thread"),
    ],
)
def test_p030_what_is_no_id(program: Program, method: str, more: dict, kind: str) -> None:
    error = program.fault(method, {"threadId": "bogus", **more})
    message = f"invalid {kind} id: {INVALID}, found `o` at 2"
    assert error == {"code": -32600, "message": message}


def test_p031_list_by_folder(talk: Talk, folder: Path) -> None:
    two_turns(talk)
    program = talk.program
    (listed,) = program.call("thread/list", {"cwd": str(folder)})["data"]
    assert (listed["id"], listed["preview"]) == (talk.id, "first words")
    assert program.call("thread/list", {"cwd": "/nowhere"})["data"] == []
    several = program.call("thread/list", {"cwd": ["/nowhere", str(folder)]})["data"]
    assert [thread["id"] for thread in several] == [talk.id]


def test_p032_threads_without_a_turn_are_not_listed(talk: Talk, folder: Path) -> None:
    assert talk.program.call("thread/list", {"cwd": str(folder)})["data"] == []


def test_p033_list_in_pages(new_talk: NewTalk, folder: Path) -> None:
    talks = [new_talk(), new_talk(), new_talk()]
    for talk in talks:
        talk.play({"text": "ok"})
        talk.run()
    given: dict[str, object] = {"cwd": str(folder), "limit": 2, "sortDirection": "asc"}
    program = talks[0].program
    first = program.call("thread/list", given)
    second = program.call("thread/list", {**given, "cursor": first["nextCursor"]})
    ids = [thread["id"] for page in (first, second) for thread in page["data"]]
    assert ids == [talk.id for talk in talks]
    assert second["nextCursor"] is None


def test_p034_a_cursor_that_is_none(program: Program) -> None:
    error = program.fault("thread/list", {"cursor": "bogus"}, sound=True)
    assert error == {"code": -32600, "message": "invalid cursor: bogus"}


def test_p035_loaded_threads(talk: Talk) -> None:
    assert talk.id in talk.program.call("thread/loaded/list", {})["data"]


def test_p036_pages_of_turns(talk: Talk) -> None:
    first, second = two_turns(talk)
    given = {"threadId": talk.id, "limit": 1}
    page = talk.program.call("thread/turns/list", given)
    assert [turn["id"] for turn in page["data"]] == [second.turn["id"]]
    assert page["data"][0]["itemsView"] == "summary"
    older = talk.program.call("thread/turns/list", {**given, "cursor": page["nextCursor"]})
    assert [turn["id"] for turn in older["data"]] == [first.turn["id"]]
    assert older["nextCursor"] is None


def test_p037_pages_of_items(talk: Talk) -> None:
    two_turns(talk)
    page = talk.program.call("thread/items/list", {"threadId": talk.id, "limit": 3})
    kinds = [entry["item"]["type"] for entry in page["data"]]
    assert kinds == ["userMessage", "agentMessage", "userMessage"]
    rest = {"threadId": talk.id, "cursor": page["nextCursor"]}
    (last,) = talk.program.call("thread/items/list", rest)["data"]
    assert last["item"]["text"] == "two"


def test_p038_searching_needs_words(program: Program) -> None:
    error = program.fault("thread/search", {"searchTerm": ""}, sound=True)
    message = "thread/search requires a non-empty searchTerm"
    assert error == {"code": -32600, "message": message}


@pytest.mark.ours_only("the peer answers with nothing for messages of a thread that it has loaded")
def test_p039_searching_finds_messages(talk: Talk) -> None:
    talk.play({"text": "one"})
    talk.run("unusual words")
    (hit,) = talk.program.call("thread/search", {"searchTerm": "UNUSUAL"})["data"]
    assert (hit["thread"]["id"], hit["snippet"]) == (talk.id, "unusual words")


# --- names and metadata ------------------------------------------------------------------------


def test_p040_names(talk: Talk) -> None:
    two_turns(talk)
    since = len(talk.program.heard)
    talk.program.call("thread/name/set", {"threadId": talk.id, "name": "  Mine  "})
    (named,) = told(talk.program, since)
    assert named["params"] == {"threadId": talk.id, "threadName": "Mine"}
    assert talk.read()["name"] == "Mine"


def test_p041_an_empty_name(talk: Talk) -> None:
    two_turns(talk)
    error = talk.program.fault("thread/name/set", {"threadId": talk.id, "name": " "}, sound=True)
    assert error == {"code": -32600, "message": "thread name must not be empty"}


def test_p042_metadata(talk: Talk) -> None:
    two_turns(talk)
    given = {"threadId": talk.id, "gitInfo": {"sha": "abc", "branch": "side"}}
    thread = talk.program.call("thread/metadata/update", given)["thread"]
    assert thread["gitInfo"] == {"sha": "abc", "branch": "side", "originUrl": None}
    removed = {"threadId": talk.id, "gitInfo": {"sha": None}}
    thread = talk.program.call("thread/metadata/update", removed)["thread"]
    assert thread["gitInfo"] == {"sha": None, "branch": "side", "originUrl": None}


def test_p043_metadata_that_says_nothing(talk: Talk) -> None:
    two_turns(talk)
    update = "thread/metadata/update"
    error = talk.program.fault(update, {"threadId": talk.id}, sound=True)
    assert error["message"] == "thread metadata update must include at least one field"
    error = talk.program.fault(update, {"threadId": talk.id, "gitInfo": {}}, sound=True)
    assert error["message"] == "gitInfo must include at least one field"


# --- resume, fork, leave -----------------------------------------------------------------------


def test_p044_a_loaded_thread_is_joined(talk: Talk) -> None:
    two_turns(talk)
    resumed = talk.program.call("thread/resume", {"threadId": talk.id})
    assert resumed["thread"]["status"] == {"type": "idle"}
    assert len(resumed["thread"]["turns"]) == 2


def test_p045_a_stored_thread_goes_on_as_it_was(new_program: NewProgram, folder: Path) -> None:
    program = new_program()
    program.initialize()
    talk = Talk(program, folder, sandbox="read-only", approvalPolicy="on-request")
    talk.play({"text": "one"})
    talk.run(model="gpt-5.3-codex", effort="high")
    program.close()
    later = new_program(program.home)
    later.initialize()
    resumed = later.call("thread/resume", {"threadId": talk.id})
    assert (resumed["cwd"], resumed["model"]) == (str(folder), "gpt-5.3-codex")
    assert (resumed["approvalPolicy"], resumed["reasoningEffort"]) == ("on-request", "high")
    assert resumed["sandbox"]["type"] == "readOnly"


def test_p046_settings_given_with_resume_count(new_program: NewProgram, folder: Path) -> None:
    program = new_program()
    program.initialize()
    talk = Talk(program, folder, sandbox="read-only")
    talk.play({"text": "one"})
    talk.run()
    program.close()
    later = new_program(program.home)
    later.initialize()
    given = {"sandbox": "workspace-write", "approvalPolicy": "on-request", "excludeTurns": True}
    resumed = later.call("thread/resume", {"threadId": talk.id, **given})
    assert resumed["sandbox"]["type"] == "workspaceWrite"
    assert resumed["approvalPolicy"] == "on-request"
    assert resumed["thread"]["turns"] == []


def test_p047_a_resumed_thread_remembers(new_program: NewProgram, folder: Path) -> None:
    program = new_program()
    program.initialize()
    talk = Talk(program, folder)
    two_turns(talk)
    program.close()
    later = new_program(program.home)
    later.initialize()
    later.call("thread/resume", {"threadId": talk.id})
    talk.program = later
    talk.play({"text": "three"})
    assert talk.run("third words").status == "completed"
    body = bytes(later.model.requests[-1].body)
    assert all(words in body for words in (b"first words", b"second words", b"third words"))


def test_p048_resume_of_an_unknown_thread(program: Program) -> None:
    error = program.fault("thread/resume", {"threadId": UNKNOWN})
    assert error["code"] == -32600
    assert error["message"].startswith(f"no rollout found for thread id {UNKNOWN}")


def test_p049_fork(talk: Talk) -> None:
    two_turns(talk)
    since = len(talk.program.heard)
    forked = talk.program.call("thread/fork", {"threadId": talk.id})["thread"]
    assert forked["id"] != talk.id
    assert forked["forkedFromId"] == talk.id
    assert len(forked["turns"]) == 2
    assert "thread/started" in [m["method"] for m in told(talk.program, since)]


@pytest.mark.parametrize(
    ("member", "turn", "left"),
    [("lastTurnId", 0, 1), ("lastTurnId", 1, 2), ("beforeTurnId", 1, 1), ("beforeTurnId", 0, 0)],
)
def test_p050_fork_at_a_turn(talk: Talk, member: str, turn: int, left: int) -> None:
    turns = two_turns(talk)
    given = {"threadId": talk.id, member: turns[turn].turn["id"]}
    assert len(talk.program.call("thread/fork", given)["thread"]["turns"]) == left
    assert len(talk.read(includeTurns=True)["turns"]) == 2


def test_p051_fork_at_a_turn_that_is_not_there(talk: Talk) -> None:
    two_turns(talk)
    error = talk.program.fault("thread/fork", {"threadId": talk.id, "lastTurnId": "x"}, sound=True)
    assert error == {"code": -32600, "message": "turn not found: x"}


def test_p052_an_ephemeral_fork(talk: Talk) -> None:
    two_turns(talk)
    given = {"threadId": talk.id, "ephemeral": True, "excludeTurns": True}
    forked = talk.program.call("thread/fork", given)["thread"]
    assert (forked["ephemeral"], forked["path"]) == (True, None)
    assert forked["id"] != talk.id


def test_p053_unsubscribe(talk: Talk) -> None:
    two_turns(talk)
    answers = [
        talk.program.call("thread/unsubscribe", {"threadId": thread})["status"]
        for thread in (talk.id, talk.id, UNKNOWN)
    ]
    assert answers == ["unsubscribed", "notSubscribed", "notLoaded"]


# --- archive, delete, history ------------------------------------------------------------------


def test_p054_archive_and_unarchive(talk: Talk, folder: Path) -> None:
    two_turns(talk)
    program, since = talk.program, len(talk.program.heard)
    program.call("thread/archive", {"threadId": talk.id})
    assert program.call("thread/list", {"cwd": str(folder)})["data"] == []
    (archived,) = program.call("thread/list", {"cwd": str(folder), "archived": True})["data"]
    assert archived["id"] == talk.id
    error = program.fault("thread/resume", {"threadId": talk.id})
    assert error["message"].startswith(f"session {talk.id} is archived. Run `")
    back = program.call("thread/unarchive", {"threadId": talk.id})["thread"]
    assert (back["id"], back["status"]) == (talk.id, {"type": "notLoaded"})
    methods = [m["method"] for m in told(program, since)]
    assert methods.index("thread/archived") < methods.index("thread/unarchived")


def test_p055_delete(talk: Talk) -> None:
    two_turns(talk)
    since = len(talk.program.heard)
    talk.program.call("thread/delete", {"threadId": talk.id})
    assert "thread/deleted" in [m["method"] for m in told(talk.program, since)]
    assert talk.program.fault("thread/read", {"threadId": talk.id})["code"] == -32600
    assert not Path(talk.opened["thread"]["path"]).exists()


@pytest.mark.parametrize("method", ["thread/archive", "thread/delete"])
def test_p056_a_thread_in_which_nothing_happened(talk: Talk, method: str) -> None:
    talk.program.call(method, {"threadId": talk.id})
    assert talk.id not in talk.program.call("thread/loaded/list", {})["data"]


@pytest.mark.ours_only("the peer stores a fork as a reference and refuses to delete its origin")
def test_p057_a_fork_outlives_its_origin(talk: Talk) -> None:
    two_turns(talk)
    forked = talk.program.call("thread/fork", {"threadId": talk.id})["thread"]["id"]
    talk.program.call("thread/delete", {"threadId": talk.id})
    read = talk.program.call("thread/read", {"threadId": forked, "includeTurns": True})
    assert len(read["thread"]["turns"]) == 2


def test_p058_injected_items_reach_the_model(talk: Talk) -> None:
    two_turns(talk)
    words = [{"type": "input_text", "text": "injected words"}]
    item = {"type": "message", "role": "user", "content": words}
    talk.program.call("thread/inject_items", {"threadId": talk.id, "items": [item]})
    talk.play({"text": "three"})
    talk.run("third")
    assert b"injected words" in bytes(talk.program.model.requests[-1].body)


@pytest.mark.ours_only("the peer takes an output without its call, after which no model goes on")
def test_p059_items_must_leave_a_legal_history(talk: Talk) -> None:
    item = {"type": "function_call_output", "call_id": "x", "output": "y"}
    error = talk.program.fault("thread/inject_items", {"threadId": talk.id, "items": [item]})
    assert error == {"code": -32600, "message": "the output x answers no call"}


def test_p060_revert(talk: Talk) -> None:
    first, second = two_turns(talk)
    since = len(talk.program.heard)
    given = {"threadId": talk.id, "beforeTurnId": second.turn["id"]}
    talk.program.call("thread/revert", given)
    assert "thread/reverted" in [m["method"] for m in told(talk.program, since)]
    turns = talk.read(includeTurns=True)["turns"]
    assert [turn["id"] for turn in turns] == [first.turn["id"]]
    error = talk.program.fault("thread/revert", given, sound=True)
    assert error == {"code": -32600, "message": f"turn not found: {second.turn['id']}"}
    talk.play({"text": "three"})
    talk.run("third words")
    body = bytes(talk.program.model.requests[-1].body)
    assert b"first words" in body
    assert b"second words" not in body


def test_p061_revert_of_an_ephemeral_thread(new_talk: NewTalk) -> None:
    talk = new_talk(ephemeral=True)
    talk.play({"text": "one"})
    turn = talk.run()
    given = {"threadId": talk.id, "beforeTurnId": turn.turn["id"]}
    error = talk.program.fault("thread/revert", given, sound=True)
    assert error["message"] == "ephemeral threads do not support thread/revert"
