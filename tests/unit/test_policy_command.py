"""`quire policy`: verdicts explained, and changed rules tried on the past."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from quire.cli.main import run

RULES = (
    'prefix_rule(["git", "status"])\n'
    'prefix_rule(["git", "push"], "prompt", justification="look first")\n'
)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("QUIRE_HOME", str(tmp_path / "home"))
    (tmp_path / "home" / "rules").mkdir(parents=True)
    (tmp_path / "home" / "rules" / "a.rules").write_text(RULES)
    (tmp_path / "project").mkdir()
    monkeypatch.chdir(tmp_path / "project")
    return tmp_path / "home"


def test_each_part_names_its_rules(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["policy", "explain", "git status && X=1 git -C a push > log"]) == 0
    place = home / "rules" / "a.rules"
    assert capsys.readouterr().out == (
        "git status && X=1 git -C a push > log\n\n"
        "  git status: allow\n"
        f"    allow     git status  {place}:1\n"
        "  X=1 git -C a push: prompt\n"
        f"    prompt    git push  {place}:2\n"
        "              look first\n"
        "  more than plain words, so no `allow` counts: a redirection (> log)\n"
        "  more than plain words, so no `allow` counts: an assignment (X)\n\n"
        "on-request: asks first\n"
        "never:      refused\n"
    )


def explained(capsys: pytest.CaptureFixture[str], *words: str) -> dict[str, object]:
    assert run(["policy", "explain", "--json", *words]) == 0
    return json.loads(capsys.readouterr().out)


@pytest.mark.parametrize(
    ("words", "on_request", "never"),
    [
        (("git", "status"), "unsandboxed", "unsandboxed"),
        (("git status",), "unsandboxed", "unsandboxed"),
        (("git push",), "ask", "refused"),
        (("rm -rf x",), "ask", "refused"),
        (("make",), "sandbox", "sandbox"),
        (("git", "commit", "-m", "git push; x"), "sandbox", "sandbox"),
        (("--", "git", "push"), "ask", "refused"),
    ],
)
def test_the_verdict_for_both_policies(
    home: Path,
    capsys: pytest.CaptureFixture[str],
    words: tuple[str, ...],
    on_request: str,
    never: str,
) -> None:
    found = explained(capsys, *words)
    assert (found["onRequest"], found["never"]) == (on_request, never)


def test_what_it_takes_to_allow_a_line(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert explained(capsys, "git status; make a | wc")["amendment"] == [["make", "a"], ["wc"]]


def test_rules_of_a_project_count_when_it_is_trusted(
    home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rules = tmp_path / "project" / ".quire" / "rules"
    rules.mkdir(parents=True)
    (rules / "p.rules").write_text('prefix_rule(["make"], "forbidden")')
    assert explained(capsys, "make")["decision"] is None
    (home / "config.toml").write_text(
        f'[projects."{tmp_path / "project"}"]\ntrust_level = "trusted"\n'
    )
    assert explained(capsys, "make")["decision"] == "forbidden"


def test_a_rule_behind_a_variable_is_shown_with_the_line(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = explained(capsys, "G=git; $G push")
    parts = found["parts"]
    assert isinstance(parts, list)
    assert parts[-1]["command"] == "G=git; $G push"
    assert parts[-1]["rules"][0]["command"] == ["git", "push"]


# --- simulate --------------------------------------------------------------------------------


def stored(home: Path, name: str, *calls: tuple[str, str], age: float = 60) -> None:
    moment = time.time() - age
    day = time.strftime("%Y/%m/%d", time.localtime(moment))
    folder = home / "sessions" / Path(day)
    folder.mkdir(parents=True, exist_ok=True)
    stamp = time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime(moment))
    lines = [{"timestamp": stamp, "type": "session_meta", "payload": {"id": name}}]
    for call_id, script in calls:
        payload = {"type": "function_call", "name": "exec_command", "call_id": call_id}
        payload["arguments"] = json.dumps({"cmd": script})
        lines.append({"timestamp": stamp, "type": "response_item", "payload": payload})
    text = "".join(json.dumps(line, separators=(",", ":")) + "\n" for line in lines)
    (folder / f"rollout-{stamp[:19].replace(':', '-')}-{name}.jsonl").write_text(text + "{broken\n")


ONE = "01a1f7de-e36f-7203-96c2-8de1f7db37f3"
TWO = "01a1f7de-e36f-7203-96c2-8de1f7db37f4"


def test_the_past_is_judged_by_changed_rules(
    home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    stored(home, ONE, ("c1", "git push"), ("c2", "make test"), ("c3", "git status"))
    stored(home, TWO, ("c1", "git push"), ("c4", "git push"), ("c5", "make test"))
    changed = tmp_path / "a.rules"
    changed.write_text('prefix_rule(["make"], "prompt")\nprefix_rule(["git"])\n')
    assert run(["policy", "simulate", "--last", "7d", "--json", "--rules", str(changed)]) == 0
    found = json.loads(capsys.readouterr().out)
    assert {key: found[key] for key in ("threads", "commands", "askedBefore", "askedAfter")} == {
        "threads": 2,
        "commands": 5,
        "askedBefore": 2,
        "askedAfter": 2,
    }
    flips = [
        (flip["command"], flip["count"], flip["before"]["outcome"], flip["after"]["outcome"])
        for flip in found["flips"]
    ]
    assert flips == [
        ("git push", 2, "ask", "unsandboxed"),
        ("make test", 2, "sandbox", "ask"),
    ]
    assert run(["policy", "simulate", "--rules", str(changed)]) == 0
    assert capsys.readouterr().out == (
        "5 commands (3 different) in 2 threads; 2 verdicts change\n"
        "questions: 2 -> 2\n\n"
        "     2  ask -> allow  git push\n"
        "     2  sandbox -> ask  make test\n"
    )


def test_a_file_of_another_name_comes_to_the_present_ones(
    home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    stored(home, ONE, ("c1", "git push"), ("c2", "make"))
    stored(home, TWO, ("c9", "old"), age=40 * 86_400)
    changed = tmp_path / "b.rules"
    changed.write_text('prefix_rule(["make"], "forbidden")\nprefix_rule(["old"])\n')
    assert run(["policy", "simulate", "--last", "30d", "--json", "--rules", str(changed)]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["commands"] == 2
    assert [flip["command"] for flip in found["flips"]] == ["make"]


@pytest.mark.parametrize(
    ("argv", "code", "message"),
    [
        (["policy", "simulate"], 2, "--rules <PATH> is required"),
        (["policy", "simulate", "--last", "x", "--rules", "y"], 2, "expected 30d, 12h or 2w"),
        (["policy", "simulate", "--rules", "none"], 1, "none: cannot be read"),
        (["policy", "explain"], 2, "a command is required"),
        (["policy", "what"], 2, "there is no `quire policy what`"),
        (["execpolicy", "check", "ls"], 2, "--rules <PATH> is required"),
        (["execpolicy", "check", "-r", "x"], 2, "a command is required"),
        (["execpolicy", "check", "-r", "none", "ls"], 1, "none: cannot be read"),
        (["execpolicy", "what"], 2, "there is no `quire execpolicy what`"),
    ],
)
def test_what_is_wrong_is_one_line(
    home: Path, capsys: pytest.CaptureFixture[str], argv: list[str], code: int, message: str
) -> None:
    assert run(argv) == code
    written = capsys.readouterr().err
    assert message in written
    assert written.count("\n") == 1


@pytest.mark.parametrize("command", ["policy", "execpolicy"])
def test_help(capsys: pytest.CaptureFixture[str], command: str) -> None:
    assert run([command]) == run([command, "--help"]) == 0
    sub = {"policy": ("explain", "simulate"), "execpolicy": ("check",)}[command]
    for name in sub:
        assert run([command, name, "--help"]) == 0
    assert all(f"quire {command} {name}" in capsys.readouterr().out for name in sub[-1:])
