"""Rules as the gate uses them: loaded when needed, judged, remembered."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from quire.config.rules.rules import Rules, load_rules
from quire.core.errors import UsageError
from quire.core.ports import CommandAction, Judgement

NOWHERE = "/nonexistent"


def action(script: str, **more: object) -> CommandAction:
    words = ("/bin/bash", "-lc", script)
    escalated = bool(more.get("escalated", True))
    prefix = more.get("prefix_rule", ())
    assert isinstance(prefix, tuple)
    return CommandAction(script, words, "/w", escalated=escalated, prefix_rule=prefix)


def rules_of(home: Path, text: str) -> Rules:
    folder = home / "rules"
    folder.mkdir(exist_ok=True)
    (folder / "a.rules").write_text(text)
    return load_rules(str(home), system_folder=NOWHERE)


def test_without_files_nothing_is_decided(tmp_path: Path) -> None:
    rules = load_rules(str(tmp_path), system_folder=NOWHERE)
    assert rules.judge(action("git push", escalated=False)) == Judgement()
    assert rules.judge(action("rm -rf x", escalated=False)).forced_rm
    assert rules.problems == ()


def test_without_files_nothing_is_imported(tmp_path: Path) -> None:
    code = (
        "import sys; from quire.config.rules.rules import load_rules;"
        "from quire.core.ports import CommandAction;"
        f"rules = load_rules({str(tmp_path)!r}, (), '/nonexistent');"
        "rules.judge(CommandAction('git push', ('bash', '-lc', 'git push'), '/w'));"
        "print([m for m in sys.modules if m.startswith(('starlark', 'tree_sitter', 'quire.config."
        "rules.j', 'quire.config.rules.l', 'quire.config.rules.s', 'unicodedata', 'shlex'))])"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    run = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment
    )
    assert run.stdout == "[]\n"


def test_the_strictest_of_all_files_wins(tmp_path: Path) -> None:
    rules = rules_of(tmp_path, 'prefix_rule(["git"])\nprefix_rule(["git", "push"], "prompt")')
    (tmp_path / "rules" / "b.rules").write_text(
        'prefix_rule(["git", "push", "--force"], "forbidden", justification="never")'
    )
    assert rules.judge(action("git status")).decision == "allow"
    assert rules.judge(action("git push")).decision == "prompt"
    verdict = rules.judge(action("git push --force"))
    assert (verdict.decision, verdict.reason) == ("forbidden", "never")


def test_amendments_are_what_is_not_allowed_yet(tmp_path: Path) -> None:
    rules = rules_of(tmp_path, 'prefix_rule(["ls"])')
    assert rules.judge(action("ls && cargo test -q")).amendment == (("cargo", "test", "-q"),)
    assert rules.judge(action("a b; c | d")).amendment == (("a", "b"), ("c",), ("d",))
    wanted = rules.judge(action("cargo test -q", prefix_rule=("cargo", "test")))
    assert wanted.amendment == (("cargo", "test"),)
    behind = rules.judge(action("ls && cargo test -q", prefix_rule=("cargo", "test")))
    assert behind.amendment == (("cargo", "test"),)
    other = rules.judge(action("cargo test -q", prefix_rule=("cargo", "build")))
    assert other.amendment == (("cargo", "test", "-q"),)


@pytest.mark.parametrize(
    "wanted",
    [
        ("python3",),
        ("python3", "-c"),
        ("python3.12", "-m"),
        ("bash", "-lc"),
        ("/bin/sh",),
        ("sudo",),
        ("sudo", "-n"),
        ("env",),
        ("env", "A=1"),
        ("git",),
        ("node", "-e"),
        ("xargs", "-0"),
        ("uv", "run"),
        ("uv", "run", "python"),
        ("sudo", "bash", "-c"),
        ("npx",),
        ("docker", "run"),
        ("rm",),
    ],
)
def test_a_suggestion_that_allows_nearly_anything_is_not_taken(
    tmp_path: Path, wanted: tuple[str, ...]
) -> None:
    rules = load_rules(str(tmp_path), system_folder=NOWHERE)
    words = (*wanted, "one", "two")
    verdict = rules.judge(action(" ".join(words), prefix_rule=wanted))
    assert wanted not in verdict.amendment


@pytest.mark.parametrize(
    "script",
    [
        "a > b",
        "a $(b)",
        "X=1 a",
        "a &",
        "for x in y; do z; done",
        "python3",
        "bash",
        "sudo",
        "a 'b",
    ],
)
def test_no_amendment_where_no_rule_could_help(tmp_path: Path, script: str) -> None:
    rules = load_rules(str(tmp_path), system_folder=NOWHERE)
    assert rules.judge(action(script)).amendment == ()


def test_a_rule_that_asks_leaves_nothing_to_amend(tmp_path: Path) -> None:
    rules = rules_of(tmp_path, 'prefix_rule(["git", "push"], "prompt")')
    assert rules.judge(action("git push")).amendment == ()


def test_an_allowed_rm_is_not_asked_about(tmp_path: Path) -> None:
    rules = rules_of(tmp_path, 'prefix_rule(["rm", "-rf", "build"])\nprefix_rule(["find"])')
    wanted = rules.judge(action("rm -rf build"))
    assert (wanted.decision, wanted.forced_rm) == ("allow", False)
    hidden = rules.judge(action("find . -exec rm -rf {} +"))
    assert (hidden.decision, hidden.forced_rm) == ("allow", True)
    other = rules.judge(action("rm -rf src"))
    assert (other.forced_rm, other.amendment) == (True, (("rm", "-rf", "src"),))


# --- remembering -----------------------------------------------------------------------------


def test_what_is_remembered_counts_at_once_and_everywhere(tmp_path: Path) -> None:
    one, other = (load_rules(str(tmp_path), system_folder=NOWHERE) for _ in range(2))
    assert other.judge(action("cargo test")).decision is None
    one.remember((("cargo", "test"),))
    assert one.judge(action("cargo test -q")).decision == "allow"
    assert other.judge(action("cargo test -q")).decision == "allow"


def test_the_stored_line_is_the_peers(tmp_path: Path) -> None:
    rules = load_rules(str(tmp_path), system_folder=NOWHERE)
    rules.remember((("cargo", "test"), ("say", 'a "b"\n', "é")))
    rules.remember((("cargo", "test"),))
    path = tmp_path / "rules" / "default.rules"
    assert path.read_text() == (
        'prefix_rule(pattern=["cargo", "test"], decision="allow")\n'
        'prefix_rule(pattern=["say", "a \\"b\\"\\n", "é"], decision="allow")\n'
    )
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert os.listdir(path.parent) == ["default.rules"]


def test_what_stands_in_the_file_stays(tmp_path: Path) -> None:
    path = tmp_path / "rules" / "default.rules"
    path.parent.mkdir()
    path.write_text('# mine\nprefix_rule(["ls"])')
    path.chmod(0o640)
    load_rules(str(tmp_path), system_folder=NOWHERE).remember((("a",),))
    assert path.read_text() == (
        '# mine\nprefix_rule(["ls"])\nprefix_rule(pattern=["a"], decision="allow")\n'
    )
    assert stat.S_IMODE(path.stat().st_mode) == 0o640


@pytest.mark.parametrize("prefix", [(), ("\udcff",)])
def test_what_cannot_be_a_rule_is_refused(tmp_path: Path, prefix: tuple[str, ...]) -> None:
    with pytest.raises(UsageError):
        load_rules(str(tmp_path), system_folder=NOWHERE).remember((prefix,))
    assert not (tmp_path / "rules" / "default.rules").exists()


def test_a_broken_file_is_not_written_to(tmp_path: Path) -> None:
    path = tmp_path / "rules" / "default.rules"
    path.parent.mkdir()
    path.write_text("oops(\n")
    with pytest.raises(UsageError, match=r"default\.rules:1: .*; correct it first"):
        load_rules(str(tmp_path), system_folder=NOWHERE).remember((("a",),))
    assert path.read_text() == "oops(\n"


REMEMBER = """
import sys
from quire.config.rules.rules import load_rules
home, nowhere, number = sys.argv[1:]
for step in range(5):
    load_rules(home, (), nowhere).remember(((f"p{number}", str(step)), ("same",)))
"""


def test_processes_do_not_lose_each_others_rules(tmp_path: Path) -> None:
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    children = [
        subprocess.Popen([sys.executable, "-c", REMEMBER, str(tmp_path), NOWHERE, str(n)], env=env)
        for n in range(2)
    ]
    assert [child.wait(30) for child in children] == [0, 0]
    lines = (tmp_path / "rules" / "default.rules").read_text().splitlines()
    assert len(lines) == len(set(lines)) == 11


# --- broken files ----------------------------------------------------------------------------


def test_while_a_file_is_broken_every_command_asks(tmp_path: Path) -> None:
    rules = rules_of(tmp_path, 'prefix_rule(["ls"])\nprefix_rule(["npm"], "forbidden")')
    (tmp_path / "rules" / "b.rules").write_text('\nprefix_rule(["x"], "maybe")\n')
    verdict = rules.judge(action("ls"))
    assert verdict.decision == "prompt"
    assert verdict.reason is not None
    assert verdict.reason.endswith("b.rules:2: invalid decision: maybe")
    assert rules.problems == (verdict.reason,)
    assert rules.judge(action("npm ci")).decision == "forbidden"
    (tmp_path / "rules" / "b.rules").unlink()
    assert rules.judge(action("ls")).decision == "allow"


def test_a_folder_in_the_place_of_a_file_is_a_broken_file(tmp_path: Path) -> None:
    (tmp_path / "rules" / "x.rules").mkdir(parents=True)
    rules = load_rules(str(tmp_path), system_folder=NOWHERE)
    assert rules.judge(action("ls")).decision == "prompt"


# --- layers ----------------------------------------------------------------------------------


def test_layers_of_system_and_project(tmp_path: Path) -> None:
    home, project, system = (tmp_path / name for name in ("home", "project", "system"))
    for folder, text in (
        (home / "rules", 'prefix_rule(["ls"])'),
        (system / "rules", 'prefix_rule(["ls", "-R"], "prompt")'),
        (project / ".quire" / "rules", 'prefix_rule(["make", "test"])'),
        (project / ".codex" / "rules", 'prefix_rule(["make", "deploy"], "forbidden")'),
    ):
        folder.mkdir(parents=True)
        (folder / "a.rules").write_text(text)
    rules = load_rules(str(home), [str(project)], str(system))
    wanted = {"ls": "allow", "ls -R": "prompt", "make test": "allow", "make deploy": "forbidden"}
    assert {script: rules.judge(action(script)).decision for script in wanted} == wanted
    untrusted = load_rules(str(home), [], str(system))
    assert untrusted.judge(action("make test")).decision is None


def test_a_project_cannot_allow_an_interpreter_or_replace_a_program(tmp_path: Path) -> None:
    home, folder = tmp_path / "home", tmp_path / "project" / ".quire" / "rules"
    folder.mkdir(parents=True)
    (home / "rules").mkdir(parents=True)
    (home / "rules" / "a.rules").write_text('prefix_rule(["git", "status"])')
    (folder / "a.rules").write_text(
        'prefix_rule([["make", "python3"]])\nprefix_rule(["bash", ["x", "-c"]])\n'
        'host_executable("git", ["/project/git", "/usr/bin/git"])\n'
    )
    rules = load_rules(str(home), [str(tmp_path / "project")], NOWHERE)
    assert rules.judge(action("python3 -c x")).decision is None
    assert rules.judge(action("bash -c x")).decision is None
    assert rules.judge(action("/project/git status")).decision is None
    assert rules.judge(action("/usr/bin/git status")).decision == "allow"
    assert [line.partition("a.rules:")[2].split(": ")[0] for line in rules.warnings] == ["1", "2"]
    assert rules.problems == ()


def test_rules_may_be_left_out(tmp_path: Path) -> None:
    rules_of(tmp_path, 'prefix_rule(["ls"], "forbidden")')
    assert Rules(str(tmp_path), own=False).judge(action("ls")).decision is None


def test_listed_paths_restrict_a_name_for_allowing_only(tmp_path: Path) -> None:
    rules = rules_of(
        tmp_path,
        'host_executable("git", ["/opt/git/bin/git"])\nprefix_rule(["git", "status"])\n'
        'prefix_rule(["git", "push"], "prompt")\nprefix_rule(["tool"])',
    )
    assert rules.judge(action("/opt/git/bin/git status")).decision == "allow"
    assert rules.judge(action("/usr/bin/git status")).decision is None
    assert rules.judge(action("/tmp/git push")).decision == "prompt"
    assert rules.judge(action("/usr/bin/tool")).decision == "allow"
    assert rules.judge(action("./tool")).decision is None
