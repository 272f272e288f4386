"""`quire review` from outside: real processes, real HTTP, a real sandbox, real git (rows V1-V6).

What Codex 0.169 printed for the same scripts is not to be changed to fit.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path

import pytest

from quire.testing.responses_server import ResponsesServer
from tests.e2e.quire import Place, Result


@pytest.fixture
def place(tmp_path: Path) -> Place:
    made = Place(tmp_path)
    made.git("branch", "-M", "main")
    made.git("checkout", "-qb", "feature")
    (made.repo / "f.py").write_text("def f(a):\n    return a + 1\n")
    made.git("add", "f.py")
    made.git("commit", "-qm", "Second")
    (made.repo / "f.py").write_text("def f(a):\n    return a + 2\n")
    (made.repo / "new.txt").write_text("new\n")
    return made


def finding(place: Place, line: int = 2, **changes: object) -> dict[str, object]:
    where = {"start": line, "end": line}
    location = {"absolute_file_path": str(place.repo / "f.py"), "line_range": where}
    base = {"title": "[P1] Wrong sum", "body": "Line one.\nLine two.", "confidence_score": 0.8}
    return {**base, "priority": 1, "code_location": location, **changes}


def answer(*findings: Mapping[str, object]) -> dict[str, object]:
    return {
        "json": {
            "findings": findings,
            "overall_correctness": "patch is incorrect",
            "overall_explanation": "It breaks.",
            "overall_confidence_score": 0.9,
        }
    }


def review(place: Place, script: list[object], *words: str, config: str = "") -> Result:
    with ResponsesServer(script) as server:
        place.configure(server, config)
        result = place.run(*words)
        server.assert_done()
    return result


def shown(place: Place) -> str:
    path = place.repo / "f.py"
    return (
        f"It breaks.\n\nReview comment:\n\n- [P1] Wrong sum — {path}:2-2\n  Line one.\n  Line two."
    )


def test_the_events_are_those_of_codex(place: Place) -> None:
    script: list[object] = [
        [{"reasoning": "thinking"}, {"text": "Looking."}, {"sh": "git diff --stat; touch no"}],
        answer(finding(place)),
    ]
    result = review(place, script, "exec", "review", "--uncommitted", "--json", "-o", "out.txt")
    assert result.code == 0, result.err
    kinds = [(event["type"], event.get("item", {}).get("type")) for event in result.events]
    assert kinds == [
        ("thread.started", None),
        ("turn.started", None),
        ("item.completed", "reasoning"),
        ("item.started", "command_execution"),
        ("item.completed", "command_execution"),
        ("item.completed", "agent_message"),
        ("turn.completed", None),
    ]
    (message,) = result.items("agent_message")
    assert message == {"id": "item_2", "type": "agent_message", "text": shown(place)}
    assert set(result.events[-1]["usage"].values()) == {0}
    assert (place.repo / "out.txt").read_text() == shown(place)
    (command,) = result.items("command_execution")
    assert "Read-only file system" in command["aggregated_output"]
    assert not (place.repo / "no").exists()


def test_the_reviewer_has_its_own_instructions_model_and_thread(place: Place) -> None:
    (place.repo / "AGENTS.md").write_text("Never use tabs.\n")
    with ResponsesServer([answer()]) as server:
        place.configure(server)
        words = ("-c", "review_model=gpt-6-sol", "--json", "review", "--base", "main")
        result = place.run("exec", *words)
        server.assert_done()
        body = json.loads(bytes(server.requests[0].body))
    assert result.items("agent_message")[0]["text"] == "It breaks."
    assert body["model"] == "gpt-6-sol"
    assert body["prompt_cache_key"] != result.events[0]["thread_id"]
    texts = [part["text"] for item in body["input"] for part in item["content"]]
    assert texts[0].startswith("You are reviewing a change")
    assert "`sandbox_mode` is `read-only`" in texts[1]
    assert "Never use tabs." in texts[2]
    base = place.git("merge-base", "HEAD", "main").strip()
    assert texts[-1] == (
        "Review the code changes against the base branch 'main'. The merge base commit for this "
        f"comparison is {base}. Run `git diff {base}` to inspect the changes relative to main. "
        "Provide prioritized, actionable findings."
    )


@pytest.mark.parametrize(
    ("words", "mode"),
    [
        (("-s", "danger-full-access"), "read-only"),
        (("-c", "sandbox_mode=danger-full-access"), "read-only"),
        (("-c", 'default_permissions=":workspace"'), "read-only"),
        (("-c", 'approval_policy="on-request"'), "read-only"),
        (("--dangerously-bypass-approvals-and-sandbox",), "danger-full-access"),
    ],
)
def test_nothing_but_a_flag_gives_the_reviewer_rights(
    place: Place, words: tuple[str, ...], mode: str
) -> None:
    script = [{"sh": "touch written"}, {"text": "Fine."}]
    with ResponsesServer(script) as server:
        place.configure(server)
        result = place.run("exec", *words, "review", "--uncommitted")
        body = json.loads(bytes(server.requests[0].body))
    assert result.code == 0, result.err
    permissions = body["input"][1]["content"][0]["text"]
    assert f"`sandbox_mode` is `{mode}`" in permissions
    assert "Approval policy is currently never" in permissions
    assert (place.repo / "written").exists() == (mode != "read-only")


def test_what_is_hidden_from_commands_is_hidden_from_the_reviewer(place: Place) -> None:
    secret = place.repo / "secret.txt"
    secret.write_text("hush\n")
    hidden = f"""
[permissions.dev]
extends = ":workspace"
[permissions.dev.filesystem]
"{secret}" = "none"
"""
    with ResponsesServer([{"sh": "cat secret.txt; touch written"}, {"text": "Fine."}]) as server:
        place.configure(server, hidden)
        words = ("-c", "default_permissions=dev", "--json", "review", "--uncommitted")
        result = place.run("exec", *words)
    assert result.code == 0, result.err
    (command,) = result.items("command_execution")
    assert "hush" not in command["aggregated_output"]
    assert "Read-only file system" in command["aggregated_output"]


def test_a_review_that_was_killed_leaves_a_thread_that_goes_on(place: Place) -> None:
    with ResponsesServer([{"sh": "sleep 60"}, {"text": "Went on."}]) as server:
        place.configure(server)
        process = place.start("exec", "review", "--uncommitted", "--json")
        assert process.stdout is not None
        while b"item.started" not in process.stdout.readline():
            pass
        process.kill()
        process.communicate(timeout=20)
        result = place.exec("resume", "--last", "go on")
    assert result.code == 0, result.err
    assert result.items("agent_message")[-1]["text"] == "Went on."


def test_people_see_what_is_reviewed_and_the_result(place: Place) -> None:
    script: list[object] = [answer(finding(place), finding(place, 70), finding(place, title=""))]
    result = review(place, script, "review", "--commit", "HEAD", "--title", "Second")
    assert result.code == 0, result.err
    assert "reviewing commit HEAD: Second\n" in result.err
    count = "(2 findings left out: 1 outside the diff, 1 malformed)"
    assert result.out == f"{shown(place)}\n\n{count}\n"


def test_the_next_turn_knows_the_review(place: Place) -> None:
    with ResponsesServer([answer(finding(place)), {"text": "Mended."}]) as server:
        place.configure(server)
        assert place.run("review", "--uncommitted").code == 0
        result = place.exec("resume", "--last", "mend it")
        body = json.loads(bytes(server.requests[1].body))
    assert result.code == 0, result.err
    texts = [(item["role"], item["content"][0]["text"]) for item in body["input"]]
    assert texts[0] == (
        "user",
        (
            "<user_action>\n  <context>User initiated a review task. Here's the full review "
            "output from reviewer model. User may select one or more comments to resolve."
            f"</context>\n  <action>review</action>\n  <results>\n  {shown(place)}\n"
            "  </results>\n  </user_action>\n"
        ),
    )
    assert texts[1] == ("assistant", shown(place))
    assert texts[-1] == ("user", "mend it")
    assert len(place.rollouts()) == 1


@pytest.mark.parametrize(
    ("priority", "limit", "code"), [(1, "P1", 1), (0, "P1", 1), (2, "P1", 0), (3, "P3", 1)]
)
def test_fail_on(place: Place, priority: int, limit: str, code: int) -> None:
    found = finding(place, priority=priority)
    result = review(place, [answer(found)], "review", "--uncommitted", "--fail-on", limit)
    assert result.code == code
    assert "Wrong sum" in result.out


def test_fail_on_without_findings(place: Place) -> None:
    assert review(place, [answer()], "review", "--uncommitted", "--fail-on", "P3").code == 0
    outside = answer(finding(place, 70))
    assert review(place, [outside], "review", "--uncommitted", "--fail-on", "P0").code == 0


@pytest.mark.parametrize(
    ("step", "reason"),
    [
        ({"text": "All is well."}, "answered in words, not with findings"),
        ({"json": {"findings": [{"title": "x"}]}}, "1 malformed finding cannot be judged"),
        ({"text": " "}, "gave no answer"),
    ],
)
def test_fail_on_fails_when_nobody_can_judge(place: Place, step: object, reason: str) -> None:
    result = review(place, [step], "review", "--uncommitted", "--fail-on", "P1")
    assert result.code == 1
    result.assert_one_line(f"--fail-on P1: the reviewer {reason}".replace("the reviewer 1", "1"))
    assert review(place, [step], "review", "--uncommitted").code == 0


@pytest.mark.parametrize(
    ("words", "code", "text"),
    [
        (
            (),
            1,
            "Specify --uncommitted, --base, --commit, or provide custom review instructions",
        ),
        (("",), 1, "Review prompt cannot be empty"),
        (("--base", " "), 1, "--base: the name is empty"),
        (
            ("--uncommitted", "--base", "main"),
            2,
            "the argument '--uncommitted' cannot be used with '--base <BRANCH>'",
        ),
        (
            ("--uncommitted", "look"),
            2,
            "the argument '--uncommitted' cannot be used with '[PROMPT]'",
        ),
        (("--title", "T", "--uncommitted"), 2, "'--title <TITLE>' goes with '--commit <SHA>'"),
        (("--uncommitted", "--fail-on", "high"), 2, "invalid value 'high' for '--fail-on'"),
        (("--uncommitted", "-m", "offline"), 1, "the embedded offline model cannot review"),
    ],
)
def test_what_cannot_be_started_is_said(
    place: Place, words: tuple[str, ...], code: int, text: str
) -> None:
    place.configure("http://127.0.0.1:9")
    for command in (("review",), ("exec", "review")):
        result = place.run(*command, *words)
        assert result.code == code
        result.assert_one_line(text)
    assert place.rollouts() == []


@pytest.mark.parametrize(
    "words", [("-i", "a.png"), ("--output-schema", "x"), ("--approve-for-me",)]
)
def test_options_that_would_have_no_effect_are_refused(
    place: Place, words: tuple[str, ...]
) -> None:
    place.configure("http://127.0.0.1:9")
    for command in (("review", *words), ("exec", *words, "review"), ("exec", "review", *words)):
        result = place.run(*command, "--uncommitted")
        assert result.code == 2, command
        result.assert_one_line("")


def test_instructions_of_ones_own_from_stdin(place: Place) -> None:
    with ResponsesServer([{"text": "Fine."}]) as server:
        place.configure(server)
        result = place.run("review", "-", stdin=b"  look at f.py\n")
        body = json.loads(bytes(server.requests[0].body))
    assert result.out == "Fine.\n"
    assert body["input"][-1]["content"][0]["text"] == "look at f.py"


def test_the_word_review_can_be_a_prompt_among_others(place: Place) -> None:
    result = review(place, [{"text": "ok"}], "exec", "-c", "review_model='x'", "review this code")
    assert result.code == 0, result.err
    assert result.out == "ok\n"


def test_a_model_that_fails(place: Place) -> None:
    script: list[object] = [{"status": 400, "error": {"message": "bad thing"}}]
    result = review(place, script, "exec", "review", "--uncommitted", "--json")
    assert result.code == 1
    assert [event["type"] for event in result.events][-2:] == ["error", "turn.failed"]
    assert result.items("agent_message")[0]["text"] == (
        "Review was interrupted. Please re-run /review and wait for it to complete."
    )


def test_ctrl_c_ends_the_reviewer_and_its_commands(place: Place) -> None:
    with ResponsesServer([{"sh": "echo $$; exec sleep 987654"}]) as server:
        place.configure(server)
        process = place.start("exec", "review", "--uncommitted", "--json")
        assert process.stdout is not None
        while b"item.started" not in process.stdout.readline():
            pass
        time.sleep(0.3)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=20)
    assert process.returncode == 130, err
    assert b"Review was interrupted" in out
    running = subprocess.run(["ps", "-eo", "args"], capture_output=True, check=True).stdout
    assert b"sleep 987654" not in running
    stored = place.rollouts()[0].read_text()
    assert '"ExitedReviewMode"' in stored
    assert "but was interrupted" in stored
    assert os.listdir(place.repo)


def test_outside_a_repository_findings_are_not_checked(place: Place, tmp_path: Path) -> None:
    folder = tmp_path / "plain"
    folder.mkdir()
    with ResponsesServer([answer(finding(place))]) as server:
        place.configure(server)
        result = place.run("exec", "--skip-git-repo-check", "review", "--uncommitted", cwd=folder)
    assert result.code == 0, result.err
    assert "the findings were not held against the diff: git rev-parse failed" in result.err
    assert "Wrong sum" in result.out


def test_an_allow_rule_does_not_take_the_reviewer_out_of_the_sandbox(place: Place) -> None:
    rules = place.home / "rules"
    rules.mkdir(parents=True)
    (rules / "default.rules").write_text('prefix_rule(pattern=["touch"], decision="allow")\n')
    script: list[object] = [[{"sh": "touch made"}], answer(finding(place))]
    result = review(place, script, "review", "--uncommitted")
    assert result.code == 0, result.err
    assert not (place.repo / "made").exists()
