"""`exec --json` and its requests against what Codex 0.169 wrote for the same scripts.

The expectations were captured from Codex and are not to be changed to fit; where Quire differs on
purpose, docs/design/002-compatibility.md says why and which test shows it.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from quire.testing.responses_server import ResponsesServer
from tests.e2e.played import call, patch, play, ran, words_of
from tests.e2e.quire import Place

WRITE = ("-s", "workspace-write")


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def refused(reason: str) -> str:
    return f'exec_command failed: CreateProcess {{ message: "Rejected(\\"{reason}\\")" }}'


RM = "rejected: rm -f style commands are not permitted. Use a safer approach"
NO_ESCALATION = (
    "approval policy is Never; reject command — you cannot ask for escalated permissions if the "
    "approval policy is Never"
)

# (the call, what Codex told its model of it); sandbox read-only
TOLD: list[tuple[dict, object]] = [
    ({"sh": "echo out; exit 3"}, ran(3, 1, "out\n")),
    ({"sh": "kill -9 $$"}, ran(137, 0, "")),
    ({"sh": "kill -TERM $$"}, ran(143, 0, "")),
    ({"sh": "printf 'a\\xff\\xfeb\\xe2\\x82c\\n'"}, ran(0, 2, "a\ufffd\ufffdb\ufffdc\n")),
    ({"sh": "printf 'a\\0b\\033[31mr\\r\\n'"}, ran(0, 3, "a\0b\x1b[31mr\r\n")),
    ({"sh": "cat; echo end"}, ran(0, 1, "end\n")),
    ({"sh": "sleep 30 & echo started"}, ran(0, 2, "started\n")),
    ({"sh": "basename $PWD", "args": {"workdir": ".git/../"}}, ran(0, 2, "repo\n")),
    ({"sh": "basename $PWD", "args": {"workdir": ""}}, ran(0, 2, "repo\n")),
    (
        {"sh": "pwd", "args": {"workdir": "/no/such/dir"}},
        refused("Failed to create unified exec process: No such file or directory (os error 2)"),
    ),
    (
        {"sh": "pwd", "args": {"workdir": "README.md"}},
        refused("Failed to create unified exec process: Not a directory (os error 20)"),
    ),
    (
        {"sh": "echo \0"},
        refused("Failed to create unified exec process: nul byte found in provided data"),
    ),
    ({"sh": "echo $0", "args": {"shell": "/opt/none/fish"}}, ran(0, 2, "/bin/sh\n")),
    (
        {"sh": "echo hi", "args": {"max_output_tokens": 0}},
        ran(
            0,
            1,
            "Warning: truncated output (original token count: 1)\nTotal output lines: 1\n\n"
            "…1 tokens truncated…",
        ),
    ),
    (
        {"sh": "seq 1 2000", "args": {"max_output_tokens": 5}},
        ran(
            0,
            2224,
            "Warning: truncated output (original token count: 2224)\nTotal output lines: 2000\n\n"
            "1\n2\n3\n4\n5\n…2219 tokens truncated…1999\n2000\n",
        ),
    ),
    (
        {
            "sh": "for i in $(seq 400); do printf 'é\\377x\\n'; done",
            "args": {"max_output_tokens": 5},
        },
        ran(
            0,
            500,
            "Warning: truncated output (original token count: 700)\nTotal output lines: 400\n\n"
            "é\ufffdx\né…695 tokens truncated…x\né\ufffdx\n",
        ),
    ),
    (
        {"sh": "rm -f 'a' x\necho b"},
        refused("`/bin/bash -lc \\\\\\\"rm -f 'a' x\\\\necho b\\\\\\\"` " + RM),
    ),
    (
        {"sh": "bash -c 'rm -rf a'"},
        refused("`/bin/bash -lc \\\\\\\"bash -c 'rm -rf a'\\\\\\\"` " + RM),
    ),
    ({"sh": "X=1 rm -f a"}, refused(f"`/bin/bash -lc 'X=1 rm -f a'` {RM}")),
    ({"sh": "id", "args": {"sandbox_permissions": "require_escalated"}}, NO_ESCALATION),
    ({"sh": "id", "args": {"sandbox_permissions": "with_additional_permissions"}}, NO_ESCALATION),
    (
        {
            "sh": "apply_patch <<'EOF'\n*** Begin Patch\n*** Delete File: x\n*** End Patch\nEOF",
            "args": {"sandbox_permissions": "require_escalated"},
        },
        NO_ESCALATION,
    ),
    ({"sh": "echo hi", "args": {"sandbox_permissions": None}}, ran(0, 1, "hi\n")),
    ({"sh": "echo hi", "args": {"prefix_rule": ["echo"], "more": 1}}, ran(0, 1, "hi\n")),
    (call("write_stdin", {"session_id": 7}), "write_stdin failed: Unknown process id 7"),
    (
        call("write_stdin", {"session_id": 7, "chars": None, "yield_time_ms": None}),
        "write_stdin failed: Unknown process id 7",
    ),
    (call("no_such_tool", {}), "unsupported call: no_such_tool"),
    (call("shell", {"command": ["ls"]}), "unsupported call: shell"),
    (call("update_plan", {"plan": []}), "unsupported call: update_plan"),
    (call("mcp__toy__add", {}), "unsupported call: mcp__toy__add"),
    (call("add", {}) | {"namespace": "mcp__toy"}, "unsupported call: mcp__toyadd"),
    (call("exec_command", {"cmd": "echo hi"}) | {"namespace": "functions"}, ran(0, 1, "hi\n")),
    ({"custom": "no_such", "input": "x"}, "unsupported custom tool call: no_such"),
    (
        call("view_image", {"path": "none.png"}),
        "unable to locate image at `REPO/none.png`: No such file or directory (os error 2)",
    ),
    (call("view_image", {"path": "./"}), "image path `REPO` is not a file"),
    (
        call("view_image", {"path": "README.md"}),
        "unable to process image: invalid or unsupported image data",
    ),
    (
        call("view_image", {"path": "README.md", "detail": "low"}),
        (
            "view_image.detail only supports `high` or `original`; omit `detail` for default high "
            "resized behavior, got `low`"
        ),
    ),
]


def test_what_the_model_is_told(place: Place) -> None:
    played = play(place, [*(step for step, _ in TOLD), {"text": "done"}])
    assert played.outputs == [told for _, told in TOLD]


# arguments of exec_command -> Codex's complaint behind `failed to parse function arguments: `
MALFORMED = {
    "": "EOF while parsing a value at line 1 column 0",
    "{": "EOF while parsing an object at line 1 column 1",
    "[]": "invalid length 0, expected struct ToolEnvironmentArgs with 1 element at line 1 column 2",
    "null": "invalid type: null, expected struct ToolEnvironmentArgs at line 1 column 4",
    "{cmd: 1}": "key must be a string at line 1 column 2",
    "{}": "missing field `cmd` at line 1 column 2",
    '{"cmd": 1}': "invalid type: integer `1`, expected a string at line 1 column 9",
    '{"cmd": ["ls"]}': "invalid type: sequence, expected a string at line 1 column 8",
    '{"cmd": "x",}': "trailing comma at line 1 column 13",
    '{"cmd": "x"} tail': "trailing characters at line 1 column 14",
    '{"cmd": "x", "cmd": "y"}': "duplicate field `cmd` at line 1 column 18",
    '{"cmd": "x", "tty": "yes"}': 'invalid type: string "yes", expected a boolean '
    "at line 1 column 25",
    '{"cmd": "x", "yield_time_ms": -1}': "invalid value: integer `-1`, expected u64 "
    "at line 1 column 32",
    '{"cmd": "x", "yield_time_ms": 99999999999999999999999}': "invalid type: floating point "
    "`1e+23`, expected u64 at line 1 column 53",
    '{"cmd": "a\nb"}': "control character (\\u0000-\\u001F) found while parsing a string "
    "at line 1 column 10",
    '{"cmd": "unterminated': "EOF while parsing a string at line 1 column 21",
    '{"cmd":"x","sandbox_permissions":3}': "expected value at line 1 column 34",
    '{"cmd":"x","sandbox_permissions":"q"}': "unknown variant `q`, expected one of "
    "`use_default`, `require_escalated`, `with_additional_permissions` at line 1 column 36",
}


def test_malformed_arguments(place: Place) -> None:
    calls = [call("exec_command", arguments) for arguments in MALFORMED]
    played = play(place, [*calls, {"text": "done"}])
    prefix = "failed to parse function arguments: "
    assert played.outputs == [prefix + complaint for complaint in MALFORMED.values()]
    assert [event["type"] for event in played.events] == [
        "thread.started",
        "turn.started",
        "item.completed",
        "turn.completed",
    ], "nothing is shown of calls that are not understood"


ZEROS = {
    "input_tokens": 0,
    "cached_input_tokens": 0,
    "cache_write_input_tokens": 0,
    "output_tokens": 0,
    "reasoning_output_tokens": 0,
}


def command(number: int, line: str, output: str, code: int | None, status: str) -> dict:
    return {
        "id": f"item_{number}",
        "type": "command_execution",
        "command": line,
        "aggregated_output": output,
        "exit_code": code,
        "status": status,
    }


def both(number: int, line: str, output: str, code: int) -> list[dict]:
    """The two events of one command."""
    end = "completed" if code == 0 else "failed"
    return [
        {"type": "item.started", "item": command(number, line, "", None, "in_progress")},
        {"type": "item.completed", "item": command(number, line, output, code, end)},
    ]


def text_item(number: int, text: str, kind: str = "agent_message") -> dict:
    item = {"id": f"item_{number}", "type": kind, "text": text}
    return {"type": "item.completed", "item": item}


def thinking(summary: list[str], content: list[str]) -> dict:
    return {
        "raw": {
            "type": "reasoning",
            "id": "rs_1",
            "summary": [{"type": "summary_text", "text": text} for text in summary],
            "content": [{"type": "reasoning_text", "text": text} for text in content],
        }
    }


def test_the_events_of_a_turn(place: Place) -> None:
    script = [
        [thinking(["one", "two"], ["raw"]), {"text": "Looking."}, {"sh": "echo it's $0 | wc -l"}],
        [thinking([], ["raw only"]), {"sh": "echo a; false"}],
        {"sh": "echo hi", "args": {"workdir": "/no/such"}},
        {"text": "Done."},
    ]
    played = play(place, script)
    failed = "Failed to create unified exec process: No such file or directory (os error 2)"
    odd = "/bin/bash -lc \"echo it's \"'$0 | wc -l'"
    assert played.events == [
        {"type": "thread.started"},
        {"type": "turn.started"},
        text_item(0, "one\ntwo", "reasoning"),
        text_item(1, "Looking."),
        *both(2, odd, played.events[5]["item"]["aggregated_output"], 2),
        *both(3, "/bin/bash -lc 'echo a; false'", "a\n", 1),
        *both(4, "/bin/bash -lc 'echo hi'", failed, -1),
        text_item(5, "Done."),
        {
            "type": "turn.completed",
            "usage": ZEROS | {"input_tokens": 4000, "output_tokens": 200},
        },
    ]


PLAN = {"plan": [{"step": "a", "status": "completed"}, {"step": "b", "status": "pending"}]}


def test_a_plan_is_completed_right_before_the_turn_ends(place: Place) -> None:
    script = [call("update_plan", PLAN), {"status": 400, "error": {"error": {"message": "no"}}}]
    played = play(place, script, config="[tools.update_plan]\nenabled = true\n")
    steps = [{"text": "a", "completed": True}, {"text": "b", "completed": False}]
    item = {"id": "item_0", "type": "todo_list", "items": steps}
    message = '{"error":{"message":"no"}}'
    assert played.result.code == 1
    assert played.events[2:] == [
        {"type": "item.started", "item": item},
        {"type": "error", "message": message},
        {"type": "item.completed", "item": item},
        {"type": "turn.failed", "error": {"message": message}},
    ]


def test_plans_are_checked_strictly(place: Place) -> None:
    step = {"step": "a", "status": "pending"}
    plans = [{"plan": [step | {"x": 1}]}, {"plan": [], "y": 2}, {"plan": ["x"]}, {}]
    script = [*(call("update_plan", plan) for plan in plans), {"text": "done"}]
    played = play(place, script, config="[tools.update_plan]\nenabled = true\n")
    prefix = "failed to parse function arguments: "
    assert played.outputs == [
        prefix + "unknown field `x`, expected `step` or `status` at line 1 column 43",
        prefix + "unknown field `y`, expected `explanation` or `plan` at line 1 column 14",
        prefix + 'invalid type: string "x", expected struct PlanItemArg at line 1 column 12',
        prefix + "missing field `plan` at line 1 column 2",
    ]


UPDATE = "*** Update File: README.md\n@@\n-# demo\n+# Demo\n"
FAILED = "apply_patch verification failed: "
OUTSIDE = "patch rejected: writing outside of the project; rejected by user approval settings"

# (the call, what Codex told its model of it); sandbox workspace-write
PATCHES: list[tuple[dict, str]] = [
    (
        {"custom": "apply_patch", "input": patch("*** Update File: README.md\n@@\n-x\n+y\n")},
        f"{FAILED}Failed to find expected lines in REPO/README.md:\nx",
    ),
    (
        {"custom": "apply_patch", "input": "nonsense"},
        f"{FAILED}invalid patch: The first line of the patch must be '*** Begin Patch'",
    ),
    ({"custom": "apply_patch", "input": patch("")}, "patch rejected: empty patch"),
    ({"custom": "apply_patch", "input": patch("*** Add File: ../o.txt\n+z\n")}, OUTSIDE),
    ({"custom": "apply_patch", "input": patch("*** Add File: .git/x\n+z\n")}, OUTSIDE),
    (
        {"sh": f"apply_patch <<'EOF'\n{patch(UPDATE)}EOF\n"},
        (
            "Wall time: T seconds\nOutput:\nExit code: 0\nWall time: t seconds\nOutput:\n"
            "Success. Updated the following files:\nM README.md\n"
        ),
    ),
    (
        {"custom": "apply_patch", "input": patch("*** Add File: new/n.txt\n+one\n")},
        (
            "Exit code: 0\nWall time: t seconds\nOutput:\n"
            "Success. Updated the following files:\nA new/n.txt\n"
        ),
    ),
]


def test_patches(place: Place) -> None:
    played = play(place, [*(step for step, _ in PATCHES), {"text": "done"}], *WRITE)
    assert played.outputs == [told for _, told in PATCHES]
    update = {"path": "REPO/README.md", "kind": "update"}
    add = {"path": "REPO/new/n.txt", "kind": "add"}
    shown = [
        {"id": f"item_{number}", "type": "file_change", "changes": [change], "status": status}
        for number, change in enumerate((update, add))
        for status in ("in_progress", "completed")
    ]
    assert [e["item"] for e in played.events if "item" in e][:-1] == shown
    assert (place.repo / "README.md").read_text() == "# Demo\n"


def test_a_patch_waits_for_the_commands_before_it(place: Place) -> None:
    calls = [
        {"sh": "sleep 0.3; cat README.md"},
        {"custom": "apply_patch", "input": patch(UPDATE)},
        {"sh": "cat README.md"},
    ]
    played = play(place, [calls, {"text": "done"}], *WRITE)
    first, _, last = played.outputs
    assert (first, last) == (ran(0, 2, "# demo\n"), ran(0, 2, "# Demo\n"))


def test_commands_of_one_response_run_beside_each_other(place: Place) -> None:
    calls = [{"sh": "sleep 0.5; echo slow"}, {"sh": "echo quick"}]
    played = play(place, [calls, {"text": "done"}])
    ended = [event["item"] for event in played.events if event["type"] == "item.completed"]
    assert [item.get("aggregated_output") for item in ended] == ["quick\n", "slow\n", None]
    assert played.outputs == [ran(0, 2, "slow\n"), ran(0, 2, "quick\n")]


def environment(body: dict, place: Place, index: int = -1) -> str:
    """The newest `<environment_context>`, without the time and Quire's own protected name."""
    text = [text for text in words_of(body) if text.startswith("<environment_context>")][index]
    text = re.sub(r"<current_date>[\d-]{10}</current_date>", "<current_date/>", text)
    text = re.sub(r"<timezone>[\w/]+</timezone>", "<timezone/>", text)
    text = re.sub(r'<entry access="read"><path>[^<]*/\.quire</path></entry>', "", text)
    return text.replace(str(place.repo.parent), "ROOT")


READ = '<entry access="read">'
MANAGED = '<permission_profile type="managed"><file_system type="restricted">'


def written(*roots: str) -> str:
    """What `workspace-write` allows, as Codex tells its model."""
    places = "".join(f'<entry access="write"><path>{root}</path></entry>' for root in roots)
    temporary = "".join(
        f'<entry access="write"><special>:{name}</special></entry>'
        for name in ("slash_tmp", "tmpdir")
    )
    kept = {f"{root}/{name}" for root in roots for name in (".git", ".codex", ".agents", ".aws")}
    return (
        places + temporary + "".join(sorted(f"{READ}<path>{path}</path></entry>" for path in kept))
    )


def described(text: str) -> str:
    """The same, with the protected places in one order."""
    kept = re.findall(rf"{READ}<path>[^<]*</path></entry>", text)
    for entry in kept:
        text = text.replace(entry, "")
    return text.replace("</file_system>", "".join(sorted(kept)) + "</file_system>")


def test_the_environment_that_the_model_is_told_of(place: Place) -> None:
    place.env["TMPDIR"] = str(place.repo.parent)
    (place.repo.parent / "more").mkdir()
    words = ("--add-dir", str(place.repo.parent / "more"), "-c")
    roots = 'sandbox_workspace_write.writable_roots=["/opt/q"]'
    with ResponsesServer([{"text": str(number)} for number in range(3)]) as server:
        place.configure(server)
        place.exec("one")
        place.exec(*WRITE, "resume", "--last", "two")
        place.exec(*WRITE, *words, roots, "three")
        bodies = [json.loads(bytes(request.body)) for request in server.requests]
    assert environment(bodies[0], place) == (
        "<environment_context>\n  <cwd>ROOT/repo</cwd>\n  <shell>bash</shell>\n"
        "  <current_date/>\n  <timezone/>\n"
        "  <filesystem><workspace_roots><root>ROOT/repo</root></workspace_roots>"
        f"{MANAGED}{READ}<special>:root</special></entry>"
        "</file_system></permission_profile></filesystem>\n</environment_context>"
    )
    assert described(environment(bodies[1], place)) == (
        "<environment_context>\n  <current_date/>\n  <timezone/>\n"
        "  <filesystem><workspace_roots><root>ROOT/repo</root></workspace_roots>"
        f"{MANAGED}{READ}<special>:root</special></entry>{written('ROOT/repo')}"
        "</file_system></permission_profile></filesystem>\n</environment_context>"
    ), "only what changed, and the time"
    third = described(environment(bodies[2], place))
    assert "<root>ROOT/repo</root><root>ROOT/more</root><root>/opt/q</root>" in third
    assert written("ROOT/repo", "ROOT/more", "/opt/q") in third


def test_instructions_that_change_and_go(place: Place) -> None:
    notes = place.repo / "AGENTS.md"
    bodies: list[dict] = []
    with ResponsesServer([{"text": str(number)} for number in range(3)]) as server:
        place.configure(server)
        for text in ("Old rule.\n", "New rule.\n", None):
            notes.write_text(text) if text else notes.unlink()
            place.exec(*(("resume", "--last") if bodies else ()), "go")
            bodies.append(json.loads(bytes(server.requests[-1].body)))
    told = [
        text.replace(str(place.repo), "REPO")
        for text in words_of(bodies[2])
        if text.startswith("# AGENTS.md")
    ]
    head = "# AGENTS.md instructions for REPO\n\n<INSTRUCTIONS>\n"
    assert told[0] == f"{head}Old rule.\n\n</INSTRUCTIONS>"
    assert told[1].startswith(head)
    assert told[1].endswith("\n\nNew rule.\n\n</INSTRUCTIONS>")
    assert "all" in told[1].removeprefix(head), "it says that it replaces the other"
    assert told[2].startswith("# AGENTS.md instructions\n\n<INSTRUCTIONS>\n")
    assert "no longer apply.\n</INSTRUCTIONS>" in told[2]


def test_a_fork_without_a_prompt_is_only_made(place: Place) -> None:
    with ResponsesServer([{"text": "one"}, {"text": "two"}]) as server:
        place.configure(server)
        first = place.exec("one").events[0]["thread_id"]
        fork = place.exec("fork", first)
        (started,) = fork.events
        assert (fork.code, started["type"]) == (0, "thread.started")
        again = place.exec("resume", started["thread_id"], "two")
        body = json.loads(bytes(server.requests[-1].body))
    assert again.code == 0
    assert words_of(body, "assistant") == ["one"]
    assert len({first, started["thread_id"], again.events[0]["thread_id"]}) == 2


# (words, stdin, what the model was asked; None when the run fails with exit code 1)
PROMPTS: list[tuple[tuple[str, ...], bytes, str | None]] = [
    ((), b"from stdin\n\n", "from stdin\n\n"),
    ((), b"a\r\nb", "a\r\nb"),
    (("-",), b" dash", " dash"),
    ((), b"\xef\xbb\xbfmark", "mark"),
    ((), "héllo".encode("utf-16"), "héllo"),
    (("sum",), b"data", "sum\n\n<stdin>\ndata\n</stdin>"),
    (("sum",), b"\ndata\n\n", "sum\n\n<stdin>\n\ndata\n\n</stdin>"),
    (("sum",), b" \n", "sum"),
    ((), b" \n", None),
    ((), b"caf\xe9", None),
    ((), "héllo".encode("utf-32"), None),
]


def test_prompts_from_stdin(place: Place) -> None:
    asked: list[str | None] = []
    with ResponsesServer([{"text": "ok"} for _, _, prompt in PROMPTS if prompt]) as server:
        place.configure(server)
        for words, stdin, _ in PROMPTS:
            result = place.exec(*words, stdin=stdin)
            assert result.code in (0, 1)
            body = json.loads(bytes(server.requests[-1].body)) if result.code == 0 else {}
            asked.append(words_of(body)[-1] if body else None)
        server.assert_done()
    assert asked == [prompt for _, _, prompt in PROMPTS]


def test_the_file_of_the_last_message(place: Place) -> None:
    file = place.repo.parent / "last.txt"
    refusal = {"status": 400, "error": {"error": {"message": "no"}}}
    with ResponsesServer([[{"text": "a"}, {"text": "b"}], refusal, {"items": []}]) as server:
        place.configure(server)
        assert place.exec("-o", str(file), "one").code == 0
        assert file.read_text() == "b"
        assert place.exec("-o", str(file), "two").code == 1
        assert file.read_text() == "b", "a failed turn leaves it"
        empty = place.exec("-o", str(file), "three")
        assert file.read_text() == ""
        assert f"Warning: no last agent message; wrote empty content to {file}" in empty.err
        wrong = place.exec("-o", str(file / "x"), "four")
        assert (wrong.code, wrong.out, len(server.requests)) == (1, "", 3), "before the turn"


def test_images_on_the_command_line(place: Place) -> None:
    (place.repo / "t.png").write_text("no image")
    names = ",".join(str(place.repo / name) for name in ("none.png", "t.png"))
    with ResponsesServer([{"text": "ok"}]) as server:
        place.configure(server)
        place.exec("-i", names, "--", "look")
        told = words_of(json.loads(bytes(server.requests[0].body)))
    told = [text.replace(str(place.repo), "REPO") for text in told[-5:]]
    assert told[0].endswith(
        " could not read the local image at `REPO/none.png`: No such file or directory (os error 2)"
    )
    assert told[1:] == [
        '<image name=[Image #2] path="REPO/t.png">',
        "image content omitted because it could not be processed",
        "</image>",
        "look",
    ]


def failure(code: str, message: str = "it failed") -> list[list[object]]:
    error = {"code": code, "message": message}
    return [["response.failed", {"response": {"id": "r", "error": error}}]]


LOST = "stream disconnected before completion: "

# (answers, what the events say after turn.started); one retry is configured
BROKEN: list[tuple[list[dict], list[object]]] = [
    ([{"status": 500, "times": 1}, {"text": "ok"}], ["ok"]),
    (
        [{"end": failure("server_error"), "times": 2}],
        [f"Reconnecting... 1/1 ({LOST}it failed)", f"{LOST}it failed", None],
    ),
    (
        [{"text": "part", "end": failure("server_error")}, {"text": "ok"}],
        ["part", f"Reconnecting... 1/1 ({LOST}it failed)", "ok"],
    ),
    ([{"end": failure("invalid_prompt")}], ["it failed", None]),
    (
        [{"end": failure("insufficient_quota")}],
        ["Quota exceeded. Check your plan and billing details.", None],
    ),
    (
        [{"end": [], "times": 2}],
        [
            f"Reconnecting... 1/1 ({LOST}stream closed before response.completed)",
            f"{LOST}stream closed before response.completed",
            None,
        ],
    ),
    (
        [{"end": [["response.incomplete", {"response": {"id": "r", "incomplete_details": {}}}]]}],
        ["Incomplete response returned, reason: unknown", None],
    ),
    ([{"items": []}], []),
    ([{"status": 400, "error": "plain"}], ["plain", None]),
]


@pytest.mark.parametrize("number", range(len(BROKEN)))
def test_broken_answers(place: Place, number: int) -> None:
    script, said = BROKEN[number]
    played = play(place, script)
    told: list[object] = []
    for event in played.events[2:]:
        if event["type"] == "error":
            told.append(event["message"])
        elif event["type"] == "item.completed":
            told.append(event["item"]["text"])
        elif event["type"] == "turn.failed":
            assert event["error"] == {"message": told[-1]}, "the last error once more"
            told.append(None)
    assert told == said
    assert played.result.code == (1 if None in said else 0)
