"""A table of command lines with the verdicts of fixed rules, and what holds for any line."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quire.config.forced_rm import has_forced_rm
from quire.config.rules.judge import find, judgement
from quire.config.rules.policy import Policy
from quire.config.rules.source import read_text, require_file
from quire.core.ports import CommandAction, Judgement
from quire.protocol.quoting import command_line

DATA = Path(__file__).parent / "data"
POLICY = require_file(str(DATA / "command_verdicts.rules"))
TABLE = [
    (verdict, script.replace("⏎", "\n"))
    for line in (DATA / "command_verdicts.txt").read_text().splitlines()
    if line and not line.startswith("#")
    for verdict, _, script in [line.partition(" ")]
]


def judged(script: str, policy: Policy = POLICY) -> Judgement:
    action = CommandAction(script, ("/bin/bash", "-lc", script), "/w")
    return judgement(find(policy, script), action, has_forced_rm(script))


def test_the_table_is_large_and_says_nothing_twice() -> None:
    assert len(TABLE) >= 300
    assert len({script for _, script in TABLE}) == len(TABLE)


@pytest.mark.parametrize(("expected", "script"), TABLE, ids=[script for _, script in TABLE])
def test_table(expected: str, script: str) -> None:
    verdict = judged(script)
    assert f"{verdict.decision or 'none'}{'+rm' if verdict.forced_rm else ''}" == expected


@pytest.mark.parametrize(
    "script", [script for verdict, script in TABLE if verdict in ("prompt", "forbidden")]
)
def test_an_allow_rule_for_everything_does_not_help(script: str) -> None:
    """Strictest wins, whatever else is allowed."""
    names = {word for word in script.replace("'", " ").replace('"', " ").split() if word.isalnum()}

    allow = read_text(
        "".join(f'prefix_rule(["{name}"])\n' for name in sorted(names)), "allow.rules"
    )
    before = judged(script)
    assert judged(script, POLICY.joined(allow)).decision == before.decision


WORD = st.text(alphabet="abgipstuh -_./=:$`'\"\\|&;<>(){}*?~#!\n\té", min_size=1, max_size=8)


@given(st.lists(WORD, min_size=1, max_size=4))
def test_quoting_changes_nothing_about_who_asks(words: list[str]) -> None:
    """However words are quoted, they are the same command."""
    for command in (["git", "push", *words], ["npm", "publish", *words]):
        plain = judged(command_line(tuple(command[:2])))
        assert judged(command_line(tuple(command))).decision == plain.decision
        single = " ".join("'" + word.replace("'", "'\\''") + "'" for word in command)
        assert judged(single).decision == plain.decision


@given(st.lists(WORD, min_size=1, max_size=4))
def test_quoted_words_are_only_words(words: list[str]) -> None:
    """Nothing in quotes runs: what is allowed with plain words is allowed with these."""
    words = [word.replace("\n", " ") for word in words]
    verdict = judged("echo " + " ".join("'" + word.replace("'", "'\\''") + "'" for word in words))
    assert verdict.decision == "allow"


@given(st.text(alphabet="gitpushlsech -'\"\\$(){}`;|&<>\n\te=/*!#", max_size=60))
def test_never_raises_and_never_allows_what_is_not_plain(script: str) -> None:
    verdict = judged(script)
    if any(mark in script for mark in ("$(", "`")) and "'" not in script and "\\" not in script:
        assert "#" in script or verdict.decision != "allow"


@pytest.mark.parametrize(
    "script",
    [
        "sudo " * 3000 + "git push",
        "git " + "-C x " * 5000 + "push",
        "git " + "$X " * 2000 + "z",
        "find " + "-exec find " * 3000 + "-exec git push",
        "$(" * 3000 + "git push" + ")" * 3000,
        "(" * 9000 + "git push" + ")" * 9000,
        "ls && " * 20000 + "ls",
        "xargs " + "sh " * 20000,
        "echo " + "a" * 200_000,
        "git -c alias.a=a " * 200 + "a",
    ],
    ids=lambda script: script[:20],
)
def test_a_hostile_line_costs_little(script: str) -> None:
    started = time.process_time()
    judged(script)
    assert time.process_time() - started < 4
