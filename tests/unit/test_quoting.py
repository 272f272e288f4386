"""A command vector as one line: as Codex 0.169 shows it, and as a shell reads it."""

from __future__ import annotations

import shlex

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quire.core.errors import create_process_error
from quire.protocol.quoting import WITH_NUL, command_line

# script -> how `exec --json` of Codex 0.169 shows it behind `/bin/bash -lc `
SHOWN = {
    "ls": "ls",
    "": "''",
    "echo hi": "'echo hi'",
    "a@b:c/d.e+f-g_h": "a@b:c/d.e+f-g_h",
    "a]b": "a]b",
    "a=b": "'a=b'",
    "x%y": "'x%y'",
    "a,b": "'a,b'",
    "~": "'~'",
    "é": "'é'",
    "tab\tx": "'tab\tx'",
    "a^b": "a'^b'",
    "^a": "'^a'",
    "^'": "'^'\"'\"",
    "'": '"\'"',
    "'^": "\"'\"'^'",
    "a'b": '"a\'b"',
    "a!b'c": "'a!b'\"'c\"",
    "a'!b": "\"a'\"'!b'",
    "a\\b": '"a\\\\b"',
    "\\'": '"\\\\\'"',
    "\"'": '"\\"\'"',
    "it's $x": "\"it's \"'$x'",
    "it's `x` and \\ '": "\"it's \"'`x` and '\"\\\\ '\"",
    "don't ^ $ ! 'a'": "\"don't \"'^ $ ! '\"'a'\"",
    "$'\\n'": "'$'\"'\\\\n'\"",
    "for i in $(seq 3); do printf 'x'; done": "'for i in $(seq 3); do printf '\"'x'; done\"",
}


@pytest.mark.parametrize("script", SHOWN)
def test_commands_are_shown_as_codex_shows_them(script: str) -> None:
    assert command_line(("/bin/bash", "-lc", script)) == f"/bin/bash -lc {SHOWN[script]}"


def test_a_nul_cannot_be_shown() -> None:
    assert command_line(("/bin/bash", "-lc", "echo \0")) == WITH_NUL


WORDS = st.text(st.sampled_from("ab '\"\\$`!^~=%é\n]"), max_size=9)


@given(st.lists(WORDS, max_size=3))
def test_a_shell_reads_the_same_words_back(words: list[str]) -> None:
    assert shlex.split(command_line(tuple(words))) == words


def test_a_refusal_is_an_error_within_an_error() -> None:
    assert create_process_error('a "b"\n\\ \u200b') == (
        'exec_command failed: CreateProcess { message: "Rejected('
        '\\"a \\\\\\"b\\\\\\"\\\\n\\\\\\\\ \\\\u{200b}\\")" }'
    )
