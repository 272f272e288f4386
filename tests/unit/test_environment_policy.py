"""What commands inherit, and what they are told."""

from __future__ import annotations

import fnmatch

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quire import __version__
from quire.tools.environment import (
    EnvironmentPolicy,
    command_environment,
    inherited,
    matches_any,
    permitted,
)

PARENT = {
    "HOME": "/home/u",
    "PATH": "/usr/bin",
    "LANG": "de_DE.UTF-8",
    "TERM": "xterm",
    "MY_VAR": "1",
    "GITHUB_TOKEN": "t",
    "aws_secret_x": "s",
    "OPENAI_API_KEY": "k",
    "ACME": "k2",
}


def names(**policy: object) -> set[str]:
    import msgspec

    return set(inherited(msgspec.convert(policy, EnvironmentPolicy), PARENT))


def test_secrets_stay_out_by_default() -> None:
    assert names() == {"HOME", "PATH", "LANG", "TERM", "MY_VAR", "ACME"}


def test_the_models_keys_stay_out_whatever_is_said() -> None:
    assert names(ignore_default_excludes=True, model_keys=["ACME"]) == {
        *("HOME", "PATH", "LANG", "TERM", "MY_VAR", "GITHUB_TOKEN", "aws_secret_x")
    }
    policy = EnvironmentPolicy(ignore_default_excludes=True, set={"OPENAI_API_KEY": "mine"})
    assert command(policy)["OPENAI_API_KEY"] == "mine"


def test_what_to_start_from() -> None:
    assert names(inherit="core") == {"HOME", "PATH", "LANG"}
    assert names(inherit="none") == set()


def test_patterns() -> None:
    assert "MY_VAR" not in names(exclude=["my_*"])
    assert names(include_only=["m?_v*", "home"]) == {"MY_VAR", "HOME"}
    assert names(include_only=["*"], exclude=["*"]) == set()


def command(policy: EnvironmentPolicy, **variables: str) -> dict[str, str]:
    given = permitted(policy, inherited(policy, PARENT) | variables)
    return command_environment(policy, given, "thread", "call", False, None)


def test_the_variables_of_codex() -> None:
    environment = command_environment(
        EnvironmentPolicy(), inherited(EnvironmentPolicy(), PARENT), "T", "C", True, "/tools"
    )
    assert environment == {
        "HOME": "/home/u",
        "MY_VAR": "1",
        "ACME": "k2",
        "TERM": "xterm",
        "PATH": "/tools:/usr/bin",
        "SHLVL": "1",
        "CODEX_CI": "1",
        "CODEX_SANDBOX_NETWORK_DISABLED": "1",
        "CODEX_SESSION_ID": "T",
        "CODEX_THREAD_ID": "T",
        "CODEX_TOOL_CALL_ID": "C",
        "CODEX_VERSION": __version__,
        "COLORTERM": "",
        "GH_PAGER": "cat",
        "GIT_PAGER": "cat",
        "LANG": "C.UTF-8",
        "LC_ALL": "C.UTF-8",
        "LC_CTYPE": "C.UTF-8",
        "NO_COLOR": "1",
        "PAGER": "cat",
    }
    assert "CODEX_SANDBOX_NETWORK_DISABLED" not in command(EnvironmentPolicy())


def test_set_comes_last_but_identity() -> None:
    # Codex 0.169 puts its pager and locale over `set`.
    policy = EnvironmentPolicy(
        set={"PAGER": "less", "MY_TOKEN": "x", "CODEX_THREAD_ID": "y", "PATH": "/mine"}
    )
    environment = command_environment(policy, {}, "T", "C", False, "/tools")
    assert environment["PAGER"] == "less"
    assert environment["MY_TOKEN"] == "x"
    assert environment["CODEX_THREAD_ID"] == "T"
    assert environment["PATH"] == "/tools:/mine"


def test_set_is_subject_to_include_only() -> None:
    policy = EnvironmentPolicy(include_only=("A*",), set={"A_TOKEN": "1", "B": "2"})
    environment = command(policy)
    assert environment["A_TOKEN"] == "1"
    assert "B" not in environment and "HOME" not in environment


def test_what_a_profile_exports_is_filtered_too() -> None:
    environment = command(EnvironmentPolicy(), PROFILE_TOKEN="x", PROFILE_PLAIN="y", PAGER="less")
    assert "PROFILE_TOKEN" not in environment
    assert environment["PROFILE_PLAIN"] == "y"
    assert environment["PAGER"] == "cat"


def test_programs_are_found_without_a_path() -> None:
    environment = command_environment(EnvironmentPolicy(), {}, "T", "C", False, "/tools")
    assert environment["PATH"] == "/tools:/usr/local/bin:/usr/bin:/bin"
    assert environment["TERM"] == "dumb"
    assert "PATH" not in command_environment(EnvironmentPolicy(), {}, "T", "C", False, None)


@pytest.mark.parametrize(
    ("level", "expected"), [("", "1"), ("0", "1"), ("1", "1"), ("4", "4"), ("-3", "1"), ("x", "1")]
)
def test_shells_never_take_themselves_for_remote(level: str, expected: str) -> None:
    assert command(EnvironmentPolicy(), SHLVL=level)["SHLVL"] == expected


ALPHABET = st.text(alphabet="aAbB_*?", max_size=10)


@given(ALPHABET, st.text(alphabet="aAbB_", max_size=12))
def test_patterns_are_the_shells_without_brackets(pattern: str, name: str) -> None:
    assert matches_any([pattern], name) == fnmatch.fnmatchcase(name.upper(), pattern.upper())


def test_brackets_are_plain() -> None:
    assert matches_any(["A[B]"], "a[b]") and not matches_any(["A[B]"], "AB")


def test_many_stars_are_quick() -> None:
    assert not matches_any(["*a" * 60], "a" * 59 + "b" * 3000)


@given(st.dictionaries(st.text(), st.text()))
def test_filtering_twice_changes_nothing(variables: dict[str, str]) -> None:
    once = permitted(EnvironmentPolicy(), variables)
    assert permitted(EnvironmentPolicy(), once) == once
    assert once.items() <= variables.items()
