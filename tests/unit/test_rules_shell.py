"""The two readings of a line, held against a real shell."""

from __future__ import annotations

import os
import random
import subprocess
from pathlib import Path

import pytest

from quire.config.rules.judge import find
from quire.config.rules.line import read_line
from quire.config.rules.source import read_text

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


STARTERS = (
    *("git push", "git", " push", "push", "git ", " ", "\n", "&&", "||", ";", "|", "&", "(", ")"),
    *("{ ", "; }", "'", '"', "\\", "$", "`", "$(", "X=1 ", "X=git ", "Y=push ", "$X", "$Y"),
    *("${X}", '"$Y"', " -C x", " -c a=b", "echo ", "env ", "sh -c ", "bash -c ", "eval "),
    *("| sh", "| xargs ", "<<E\n", "\nE\n", "<<<", "<(", " #", "\\\n", "\\\\", "$'", "true ;"),
    *("if true; then ", "; fi", "for i in 1; do ", "f() { ", "; }; f", "g?t", "pu*", "''", "$*"),
    *("{git,push}", " >x", "2>&1 ", "! ", "time ", "command ", "exec ", '"git push"', ' "$@"'),
    *("set -- git push; ", '"$1" "$2"', "${X:-git}", "${Y:+push}", "export ", "trap ", " EXIT"),
)
LOGGED = '#!/bin/bash\nprintf "%s " "$@" >> "$LOG"\necho >> "$LOG"\n'


@pytest.mark.skipif(not os.path.exists(BASH), reason="needs bash")
def test_whatever_pushes_was_asked_about(tmp_path: Path) -> None:
    """Random lines that the rule does not see are run: none of them reaches `git push`."""
    policy = read_text('prefix_rule(["git", "push"], "prompt")', "x.rules")
    log = tmp_path / "log"
    stubs, work = tmp_path / "bin", tmp_path / "work"
    stubs.mkdir()
    work.mkdir()
    (stubs / "git").write_text(LOGGED)
    (stubs / "git").chmod(0o755)
    for name in ("env", "xargs", "cat", "sh", "bash", "true"):
        (stubs / name).symlink_to(f"/usr/bin/{name}")
    chance = random.Random(20261121)
    tried = 0
    while tried < 150:
        script = "".join(chance.choice(STARTERS) for _ in range(chance.randint(2, 8)))
        if "pu" not in script or "g" not in script or find(policy, script).decision is not None:
            continue
        tried += 1
        log.write_text("")
        subprocess.run(
            [BASH, "-c", script],
            cwd=work,
            env={"PATH": str(stubs), "LOG": str(log)},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=10,
            check=False,
        )
        for arguments in log.read_text("utf-8", "replace").splitlines():
            words = arguments.split()
            while words[:1] in (["-C"], ["-c"]):
                words = words[2:]
            assert words[:1] != ["push"], script
