"""Orders reach the command exactly: arguments, folder and environment, whatever is in them."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from quire.core.errors import ToolError
from quire.sandbox.command import NEWS, NEWS_READER, ORDERS, READY, PythonWaiter, ShellWaiter, check
from quire.sandbox.spawning import Opened, close_on_exec, pipe, spawn

SHOW = (
    "import json, os, sys; "
    "sys.stdout.write(json.dumps([sys.argv[1:], os.getcwd(), dict(os.environ),"
    " sorted(os.listdir('/proc/self/fd'))]))"
)
TEXT = st.text(st.characters(exclude_characters="\0", exclude_categories=("Cs",)), max_size=20)
NAMES = st.text("ABC_abc1.%-", min_size=1, max_size=6) | st.sampled_from(
    ["PWD", "OLDPWD", "IFS", "OPTIND", "PS1", "PS4", "ENV", "BASH_ENV", "SHELLOPTS", "_", "SHLVL"]
)
SHELLS = ["/bin/sh"] + [shell for shell in ("/bin/dash", "/bin/bash") if os.path.exists(shell)]


def obey(
    waiter: ShellWaiter | PythonWaiter, argv: tuple[str, ...], cwd: str, env: dict[str, str]
) -> tuple[bytes, int]:
    """What the command printed, and its exit code."""
    close_on_exec()
    theirs, ours = Opened(), Opened()
    orders_end, orders = pipe(theirs, ours)
    news, news_end = pipe(ours, theirs)
    output, output_end = pipe(ours, theirs)
    words = waiter.argv
    descriptors = {0: 0, 1: output_end, 2: output_end, ORDERS: orders_end, NEWS: news_end}
    descriptors[NEWS_READER] = news
    child = spawn(words[0], words, {}, descriptors)
    theirs.close()
    assert os.read(news, 10) == READY
    os.write(orders, waiter.orders(argv, cwd, env))
    ours.remove(orders)
    os.close(orders)
    assert os.read(news, 10) == b""  # Closed before the command runs.
    with open(output, "rb", closefd=False) as file:
        printed = file.read()
    code = child.wait()
    child.release()
    ours.close()
    return printed, code


@pytest.mark.parametrize("shell", SHELLS)
@settings(max_examples=15)
@given(arguments=st.lists(TEXT, max_size=3), env=st.dictionaries(NAMES, TEXT, max_size=4))
@example(["'", "\\", "$(id)", "`id`", "\n", "a\nb", "*"], {"A": "'\n'", "B.C": "$A"})
@example([], {"-i": "x", "--": ""})
@example([], {"PWD": "/nowhere", "OPTIND": "x", "IFS": "a"})
@example(["x" * 100_000], {"LARGE": "y" * 100_000})
def test_a_shell_obeys_exactly(shell: str, arguments: list[str], env: dict[str, str]) -> None:
    here = "/usr/bin"
    printed, code = obey(
        ShellWaiter(shell), (sys.executable, "-I", "-c", SHOW, *arguments), here, env
    )
    assert code == 0, printed
    found_arguments, cwd, found_env, fds = json.loads(printed)
    found_env.pop("LC_CTYPE", None)  # Python's own doing.
    assert (found_arguments, cwd, found_env) == (arguments, here, env)
    assert {"0", "1", "2"} <= set(fds) <= {"0", "1", "2", "3"}  # 3 lists the folder.


@pytest.mark.parametrize("name", ["PLAIN", "BASH_FUNC_which%%", "with.dot"])
@pytest.mark.parametrize("shell", SHELLS)
def test_no_value_of_the_environment_becomes_an_argument(shell: str, name: str) -> None:
    """Everybody on the machine can read the arguments of a process."""
    env = {name: "x", "DATABASE_URL": "postgres://me:secret@db"}
    orders = ShellWaiter(shell).orders(("true",), "/", env).decode()
    told = [line for line in orders.split("\n") if "exec" in line or "env" in line]
    assert not any("secret" in line for line in told if not line.startswith("export "))
    assert ShellWaiter(shell).exact or "secret" not in orders


def test_a_python_obeys_exactly(tmp_path: Path) -> None:
    env = {"A": "'\n'", "B.C": "$A", "PWD": "x"}
    argv = (sys.executable, "-I", "-c", SHOW, "a'b")
    waiter = PythonWaiter(tty=False, network=False)
    printed, code = obey(waiter, argv, str(tmp_path), env)
    assert code == 0, printed
    arguments, cwd, found, _ = json.loads(printed)
    found.pop("LC_CTYPE", None)
    assert (arguments, cwd, found) == (["a'b"], str(tmp_path), env)


@pytest.mark.parametrize("shell", SHELLS)
def test_a_folder_that_is_gone(shell: str, tmp_path: Path) -> None:
    printed, code = obey(ShellWaiter(shell), ("true",), str(tmp_path / "gone"), {"PATH": "/bin"})
    assert code == 126
    assert b"gone" in printed


def test_what_cannot_be_started(tmp_path: Path) -> None:
    env = {"PATH": "/usr/bin:/bin"}
    here = str(tmp_path)
    wrong: list[tuple[tuple[str, ...], str, dict[str, str], str]] = [
        ((), here, env, "empty"),
        (("",), here, env, "empty"),
        (("no-such-program",), here, env, "no-such-program: command not found"),
        (("./missing",), here, env, "./missing: command not found"),
        (("a=b",), here, env, "a=b: a program with '='"),
        (("true",), here + "/none", env, "cannot start in .*/none: No such file or directory"),
        (("true",), "/etc/passwd", env, "cannot start in /etc/passwd: Not a directory"),
        (("true", "a\0b"), here, env, "NUL"),
        (("true",), here, {**env, "A": "\0"}, "NUL"),
        (("true",), here, {**env, "A=B": "x"}, "invalid name"),
        (("true",), here, {**env, "": "x"}, "invalid name"),
        (("true", "x" * 131_072), here, env, "too long"),
        (("true", "\N{SNOWMAN}" * 43_700), here, env, "too long"),
        (("true",), here, {"PATH": ""}, "not found"),
    ]
    for argv, cwd, environment, message in wrong:
        with pytest.raises(ToolError, match=message):
            check(argv, cwd, environment)


def test_what_can_be_started(tmp_path: Path) -> None:
    program = tmp_path / "-run"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    (tmp_path / "sub").mkdir()
    env = {"PATH": f"/nowhere:{tmp_path}:/bin"}
    assert check(("true",), str(tmp_path), env) == ("true",)
    assert check(("../-run",), str(tmp_path / "sub"), env) == ("../-run",)
    # A shell would take it for an option.
    assert check(("-run", "x"), str(tmp_path), env) == (str(program), "x")
    assert check(("true", "x" * 100_000), str(tmp_path), env)
    with pytest.raises(ToolError, match="not found"):
        check(("sub",), str(tmp_path), env)
