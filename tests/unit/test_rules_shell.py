"""A plain line is what a real shell makes of it: no other command, no other word, no file."""

from __future__ import annotations

import os
import random
import subprocess
from pathlib import Path

import pytest

from quire.config.rules.line import read_line

BASH = "/bin/bash"
PIECES = (
    *("a", "b", "a ", "b ", " ", " ", "  ", "\n", "\t", "&&", "||", ";", "|", "&", "|&", "(", ")"),
    *("{ ", "}", " }", "!", "! ", "'", '"', "\\", "$", "`", "$(", "x", "=", "y=", "*", "?", "["),
    *("]", "~", "#", " #", "<", ">", ">>", "2>&1", ">/dev/null", "<<E\n", "\nE\n", "<<<", "${"),
    *("$((", "))", "$'", '$"', "-", "--", "é", "{a,b}", " a", "\r", "\\\n", "[[", "]]", "time "),
    *("if", "then", "CI=1 ", "LANG=x ", "a[0]=", "+=", "%", "@", "^", "1", "{1..3}", "2>", "&>"),
    *("\v", "\u00a0", ":", "{}", "''", '""', "=a"),
)
STUB = '#!/bin/bash\n{ printf "%s\\0" "${0##*/}" "$@"; printf "\\1\\0"; } >> "$LOG"\n'


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "bin").mkdir()
    (tmp_path / "work").mkdir()
    for name in ("a", "b"):
        (tmp_path / "bin" / name).write_text(STUB)
        (tmp_path / "bin" / name).chmod(0o755)
    return tmp_path


def ran(folder: Path, script: str) -> list[tuple[str, ...]]:
    """The commands that bash starts for a script."""
    log = folder / "log"
    log.write_bytes(b"")
    run = subprocess.run(
        [BASH, "-c", script],
        cwd=folder / "work",
        env={"PATH": str(folder / "bin"), "LOG": str(log)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=10,
        check=False,
    )
    assert b"command not found" not in run.stderr, script
    commands = log.read_bytes().split(b"\1\0")[:-1]
    return [tuple(word.decode() for word in c.split(b"\0")[:-1]) for c in commands]


@pytest.mark.skipif(not os.path.exists(BASH), reason="needs bash")
def test_bash_runs_the_parts_of_a_plain_line_and_nothing_else(folder: Path) -> None:
    chance = random.Random(20261120)
    tried = 0
    while tried < 120:
        script = "".join(chance.choice(PIECES) for _ in range(chance.randint(1, 8)))
        line = read_line(script)
        if line.opaque or any(part.words[0] not in ("a", "b") for part in line.parts):
            continue
        tried += 1
        started = ran(folder, script)
        assert set(started) <= {part.words for part in line.parts}, script
        assert os.listdir(folder / "work") == [], script
