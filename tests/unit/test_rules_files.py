"""Rule files: what they may say, as Codex 0.169 reads them, and what they may not cost."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quire.cli.main import run
from quire.config.rules.source import RuleError, read_text

SAMPLES = [
    json.loads(line)
    for line in (Path(__file__).parent / "data" / "execpolicy_check.jsonl").read_text().splitlines()
]
OTHER_WORDS = {
    # The peer's text holds Rust's view of its own data.
    "expected every example to match": "expected every example to match at least one rule",
    "expected example to not match": "expected example to not match rule",
    # Two versions of one library.
    "Parse error: unexpected new line": "Parse error: unexpected new line",
    "No imports are available": "`load` is not allowed in this dialect",
    "Type of parameter": "Type of parameter",
}


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: sample["rules"][:60])
def test_check_says_what_the_peer_says(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    sample: dict[str, object],
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("g.rules").write_text(str(sample["rules"]))
    args = sample["args"]
    assert isinstance(args, list)
    assert run(["execpolicy", "check", "-r", "g.rules", *args]) == sample["exit"]
    written = capsys.readouterr()
    if sample["exit"] == 0:
        assert written.out == sample["stdout"]
        return
    expected = str(sample["error"])
    for start, other in OTHER_WORDS.items():
        expected = other if expected.startswith(start) else expected
    assert written.err.startswith("error: g.rules:")
    assert expected in written.err
    assert written.err.count("\n") == 1


def test_an_error_names_its_line() -> None:
    with pytest.raises(RuleError, match=r"^x\.rules:4: invalid decision: no$"):
        read_text(
            'prefix_rule(["a"])\n\ndef f():\n    prefix_rule(["b"], "no")\n\nf()\n', "x.rules"
        )


def test_a_rule_knows_its_line() -> None:
    policy = read_text('\n\nprefix_rule(\n  ["a"],\n)\nprefix_rule(["b"])\n', "x.rules")
    assert [str(rule.place) for rule in policy.prefix_rules] == ["x.rules:3", "x.rules:6"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("def f():\n  for i in range(1000000000): pass\nf()", "it runs for more than 1 s"),
        ('[prefix_rule(["x"]) for i in range(10001)]', "more than 10000 rules"),
        ("x = 1\n" + "(" * 100_000, "Parse error"),
        ("__call(1)", "TypeError"),
        ('__call("a", "b", [1])', "TypeError"),
    ],
)
def test_a_hostile_file_is_an_error_that_costs_little(text: str, message: str) -> None:
    started = time.process_time()
    with pytest.raises(RuleError, match=message):
        read_text(text, "x.rules")
    assert time.process_time() - started < 3


@given(st.text(alphabet="prefix_rule([\"a'b\\]),= \n#:deffor1{}", max_size=80))
def test_any_text_is_a_policy_or_one_line_of_error(text: str) -> None:
    try:
        read_text(text, "x.rules")
    except RuleError as error:
        assert "\n" not in str(error)


@pytest.mark.parametrize(
    "text",
    [
        'x = "a" * 10000000000',
        "x = [1]\ny = x + x",
        'x = "a".replace("", "b")',
        'x = f"{y}{y}"',
        "[i for i in y]",
        "def f():\n  pass",
        "x = lambda: 1",
        "x = '''a''' % 1",
        "x = '\\\\' * 9",
    ],
)
def test_a_project_only_states_its_rules(text: str) -> None:
    """Nothing is evaluated: the first of these would take ten gigabytes."""
    with pytest.raises(RuleError, match=r"^x\.rules:[12]: a project's rule file may hold calls"):
        read_text(text, "x.rules", "project")


def test_a_project_states_rules_in_any_layout() -> None:
    text = (
        "# the team's: * + %\n"
        "READ = ['status', \"log\"]\n"
        "prefix_rule(\n    pattern = ['git', READ],\n"
        "    justification = 'it\\'s * harmless + \"x\"',\n)\n"
        "prefix_rule(['a'], not_match = ['''b * c'''])\n"
    )
    assert len(read_text(text, "x.rules", "project").prefix_rules) == 2
