"""Rules in a real run: what they allow leaves the sandbox, what they forbid does not run."""

from __future__ import annotations

from pathlib import Path

import pytest

from quire.testing.responses_server import ResponsesServer
from tests.e2e.quire import Place


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def told(place: Place, rules: str, *scripts: str) -> list[str]:
    """What the model is told of these commands, in a run that nobody watches."""
    (place.home / "rules").mkdir(parents=True, exist_ok=True)
    (place.home / "rules" / "a.rules").write_text(rules)
    turns = [*({"sh": script} for script in scripts), {"text": "done"}]
    with ResponsesServer(turns) as server:
        place.configure(server)
        assert place.exec("go").code == 0
        items = server.requests[-1].json()["input"]
    return [item["output"] for item in items if item["type"] == "function_call_output"]


def test_rules_decide_what_runs_and_where(place: Place, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    rules = (
        'prefix_rule(["touch"])\nprefix_rule(["git", "push"], "prompt", justification="look")\n'
        'prefix_rule(["reboot"], "forbidden", justification="it is needed")\n'
    )
    allowed, opaque, prompt, hidden, forbidden = told(
        place,
        rules,
        f"touch {outside}",
        f"touch {outside}2 > log",
        "git push",
        "X=1 git -C . push",
        "sudo reboot",
    )
    assert "exited with code 0" in allowed
    assert outside.exists()
    assert "exited with code 0" not in opaque
    assert not Path(f"{outside}2").exists()
    assert "rejected: look" in prompt
    assert "rejected: look" in hidden
    assert "rejected: it is needed" in forbidden


def test_a_broken_file_ends_the_run_before_it_begins(place: Place) -> None:
    (place.home / "rules").mkdir(parents=True, exist_ok=True)
    (place.home / "rules" / "a.rules").write_text('\nprefix_rule(["x"], "maybe")\n')
    with ResponsesServer([{"text": "done"}]) as server:
        place.configure(server)
        result = place.exec("go")
        assert server.requests == []
        assert result.code == 1
        result.assert_one_line("a.rules:2: invalid decision: maybe")
        assert place.exec("--ignore-rules", "go").code == 0
