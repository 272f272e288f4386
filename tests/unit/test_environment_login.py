"""A login shell whose effect is known gives what `bash -lc` gives: compared with a real bash."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

import pytest

from quire.tools.login_capture import VOLATILE, LoginEffect, is_complete, read_capture
from quire.tools.login_shell import LoginShell

BASH = "/bin/bash"
PROBE = """
printf 'environment\\0'; /usr/bin/env -0
printf 'functions\\0'; declare -f; printf '\\0options\\0'; set +o; shopt -p | grep -v login_shell
printf '\\0umask\\0'; umask; printf '\\0variables'
compgen -v | while IFS= read -r quire_name; do
printf '\\0%s ' "$quire_name"; declare -p "$quire_name"; done
"""

pytestmark = pytest.mark.skipif(not os.path.exists(BASH), reason="no bash here")


class Home:
    """A home folder with profile files, and the environment of somebody who lives there."""

    def __init__(self, base: Path) -> None:
        self.path = base / "home"
        self.path.mkdir()
        self.cache = base / "cache"
        self.variables = {
            "HOME": str(self.path),
            "PATH": "/opt/tool/bin:/usr/local/bin:/usr/bin:/bin",
            "SHLVL": "1",
            "USER": "someone",
            "EDITOR": "vi",
        }

    def write(self, **files: str) -> None:
        """`profile="..."` writes `.profile`."""
        for name, text in files.items():
            (self.path / f".{name}").write_text(text)

    def shell(self, cached: bool = True) -> LoginShell:
        return LoginShell(BASH, self.variables, str(self.cache) if cached else None)

    def run(self, *argv: str, **more: str) -> bytes:
        environment = {**self.variables, **more}
        done = subprocess.run(argv, env=environment, cwd="/", capture_output=True, timeout=20)
        return done.stdout

    def learned(self, cached: bool = True) -> LoginShell:
        shell = self.shell(cached)
        shell.accept(self.capture())
        return shell

    def capture(self) -> bytes:
        """What a capture says. Something that the profile started may keep the pipe open."""
        output = b""
        argv = self.shell().capture
        with subprocess.Popen(
            argv, env=self.variables, cwd="/", stdout=subprocess.PIPE, start_new_session=True
        ) as process:
            assert process.stdout is not None
            while not is_complete(output) and (data := os.read(process.stdout.fileno(), 65536)):
                output += data
            process.wait(20)
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
        return output


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path)


def view(output: bytes) -> Mapping[str, set[str]]:
    """What a probe said, without what changes from run to run."""
    head, _, variables = output.decode("utf-8", "surrogateescape").partition("\0variables")
    parts = head.split("\0")
    sections: dict[str, set[str]] = {"variables": set()}
    name = ""
    for part in parts:
        if part in ("environment", "functions", "options", "umask"):
            name = part
            sections[name] = set()
        elif part.partition("=")[0] not in VOLATILE:
            sections[name] |= {part} if name == "environment" else set(part.splitlines())
    for record in variables.split("\0"):
        variable = record.partition(" ")[0]
        if variable not in VOLATILE and not variable.startswith("BASH"):
            sections["variables"].add(record)
    return sections


def assert_same(home: Home, shell: LoginShell) -> None:
    effect = shell.effect()
    assert effect is not None
    known = {**home.variables, **effect.exported}
    for name in effect.removed:
        del known[name]
    if effect.prelude:
        prelude = shell.prelude()
        assert prelude is not None
        known["BASH_ENV"] = prelude
    real = home.run(BASH, "-lc", PROBE)
    home.variables, given = known, home.variables
    ours = home.run(BASH, "-c", PROBE)
    home.variables = given
    # What profile files print comes first, and only from the real one.
    real = real[real.index(b"environment\0") :]
    assert view(ours) == view(real)


EXACT = {
    "nothing": "",
    "path in front": 'PATH="$HOME/bin:$PATH"',
    "path behind, once": 'case ":$PATH:" in *:/x:*) ;; *) PATH="$PATH:/x";; esac',
    "path reset": "export PATH=/usr/bin:/bin",
    "exports": "export A=1 B='two words' C=$'li\\nne' E=",
    "unset": "unset EDITOR",
    "not exported any more": "export -n EDITOR",
    "noise": "echo hello; echo trouble >&2",
    "umask": "umask 077",
    "function": 'greet() { echo "hi $1"; }\nexport A=$(greet x)',
    "exported function": "greet() { echo hi; }; export -f greet",
    "shell variables": "name=value; list=(a 'b c'); declare -A map=([k]=v); declare -i n=3",
    "options": "set -o noclobber; shopt -s globstar nullglob",
    "extended patterns": "shopt -s extglob\nf() { case $1 in @(a|b)) return 0;; esac; return 1; }",
    "strict": "set -eu",
    "word splitting": "IFS=:",
    "other files": '. "$HOME/.bashrc"',
    "leaves early": "export A=1\nreturn 0\nexport B=2",
    "tests": "[[ $- == *i* ]] && export INTERACTIVE=1\nshopt -q login_shell && export LOGIN=1",
    "reads": "read -r line; export LINE=[$line]",
    "own variables": 'quote="it\'s"; export Q="$quote"',
    "moves": "cd /tmp",
    "child": 'export UP=$(printf %s "$USER" | tr a-z A-Z)',
    "readonly": "readonly LIMIT=3",
    "background": "sleep 30 >/dev/null 2>&1 &",
}


@pytest.mark.parametrize("profile", EXACT.values(), ids=EXACT.keys())
def test_the_same_as_a_real_login_shell(home: Home, profile: str) -> None:
    home.write(profile=profile, bashrc="export FROM_BASHRC=1\n")
    shell = home.learned()
    for _ in range(5):
        if shell.effect() is not None:
            break
        # What a job in the background traces may fall into the description: it is not used then.
        shell = home.learned()
    assert_same(home, shell)
    # And once more, as a later process finds it.
    assert_same(home, home.shell())


UNREPEATABLE = {
    "trap": "trap 'echo bye' EXIT",
    "limit": "ulimit -S -c 0; ulimit -S -n 64",
    "open file": "exec 9</dev/null",
    "alias": "shopt -s expand_aliases; alias ls='ls -l'",
    "disabled": "enable -n test",
    "startup file": "export BASH_ENV=/dev/null",
    "exit": "exit 0",
    "another shell": "exec /bin/sh",
    "kills itself": "kill -9 $$",
}


@pytest.mark.parametrize("profile", UNREPEATABLE.values(), ids=UNREPEATABLE.keys())
def test_what_cannot_be_repeated_is_not_guessed(home: Home, profile: str) -> None:
    home.write(profile=profile)
    if profile.startswith("ulimit"):
        home.write(profile="ulimit -S -n 77")
    assert home.learned().effect() is None
    assert not home.cache.exists()


def test_bytes_that_are_no_text_hold_for_this_process(home: Home) -> None:
    home.write(profile="export D=$'\\xff'")
    assert_same(home, home.learned())
    assert home.shell().effect() is None


@pytest.mark.parametrize("name", ["bash_profile", "bash_login", "profile"])
def test_bash_takes_the_first_of_three(home: Home, name: str) -> None:
    order = ["bash_profile", "bash_login", "profile"]
    for other in order[order.index(name) :]:
        home.write(**{other: f"export FROM={other}"})
    shell = home.learned()
    effect = shell.effect()
    assert effect is not None and effect.exported["FROM"] == name
    assert_same(home, shell)


class TestKept:
    def test_only_differences_only_for_you(self, home: Home) -> None:
        home.write(profile="export NEW=1\nf() { :; }\n")
        home.variables["PRIVATE_NOTE"] = "not from the profile"
        shell = home.learned()
        assert shell.prelude() is not None
        files = list(home.cache.iterdir())
        assert {f.suffix for f in files} == {".json", ".sh"}
        assert stat.S_IMODE(home.cache.stat().st_mode) == 0o700
        for file in files:
            assert stat.S_IMODE(file.stat().st_mode) == 0o600
            text = file.read_text()
            assert "not from the profile" not in text and "PRIVATE_NOTE" not in text
            assert "vi" not in text.replace("environ", "")

    @pytest.mark.parametrize(
        "change",
        [
            lambda home: home.write(profile="export NEW=22\n"),
            lambda home: home.write(bash_profile=""),
            lambda home: home.write(bashrc=""),
            lambda home: home.write(extra="export EXTRA=2222\n"),
            lambda home: (home.path / ".extra").unlink(),
            lambda home: home.variables.update(EDITOR="emacs"),
            lambda home: home.variables.pop("EDITOR"),
            lambda home: home.variables.update(SHLVL="2"),
        ],
        ids=["profile", "another", "bashrc", "sourced", "sourced gone", "value", "name", "level"],
    )
    def test_any_change_asks_again(self, home: Home, change: Callable[[Home], object]) -> None:
        home.write(profile="export NEW=1\n. ~/.extra\n", extra="export EXTRA=1\n")
        home.learned()
        assert home.shell().effect() is not None
        change(home)
        assert home.shell().effect() is None

    def test_what_does_not_matter_does_not(self, home: Home) -> None:
        home.write(profile="export NEW=1\n")
        home.learned()
        home.variables |= {"PWD": "/x", "OLDPWD": "/y", "_": "/z"}
        assert home.shell().effect() is not None

    def test_a_socket_that_is_gone(self, home: Home, tmp_path: Path) -> None:
        (tmp_path / "agent").touch()
        home.write(profile=f"export SSH_AUTH_SOCK={tmp_path}/agent")
        home.learned()
        assert home.shell().effect() is not None
        (tmp_path / "agent").unlink()
        assert home.shell().effect() is None

    @pytest.mark.parametrize(
        "profile",
        [
            "export API_TOKEN=abcdefgh",
            "export my_secret=abcdefgh",
            "MY_KEY=abcdefgh",
            "export COPY=$GIVEN_KEY",
            'f() { echo $GIVEN_KEY; }; export X="a $GIVEN_KEY b"',
        ],
    )
    def test_secrets_stay_in_memory(self, home: Home, profile: str) -> None:
        home.variables["GIVEN_KEY"] = "abcdefgh"
        home.write(profile=profile)
        shell = home.learned()
        assert shell.effect() is not None
        assert shell.prelude() is None
        assert not home.cache.exists()
        assert home.shell().effect() is None

    def test_without_a_cache_it_holds_for_this_process(self, home: Home) -> None:
        home.write(profile="export NEW=1")
        shell = home.learned(cached=False)
        effect = shell.effect()
        assert effect is not None and effect.exported["NEW"] == "1"
        assert shell.prelude() is None
        assert home.shell().effect() is None

    def test_damaged_and_foreign_entries(self, home: Home) -> None:
        home.write(profile="export NEW=1")
        home.learned()
        (entry,) = home.cache.iterdir()
        whole = entry.read_bytes()
        for data in (b"", whole[:-5], whole.replace(b'"version":1', b'"version":0'), b"[]"):
            entry.write_bytes(data)
            assert home.shell().effect() is None
        entry.write_bytes(whole)
        assert home.shell().effect() is not None

    def test_an_hour(self, home: Home) -> None:
        import re

        home.write(profile="export NEW=1")
        home.learned()
        (entry,) = home.cache.iterdir()
        for age, known in ((3000, True), (4000, False), (-4000, False)):
            taken = re.search(rb'"taken":([0-9.]+)', entry.read_bytes())
            assert taken is not None
            import time

            moved = str(time.time() - age).encode()
            entry.write_bytes(entry.read_bytes().replace(taken[1], moved))
            assert (home.shell().effect() is not None) == known

    def test_old_entries_go(self, home: Home) -> None:
        home.write(profile="export NEW=1\nf() { :; }")
        output = home.capture()
        for number in range(40):
            home.variables["NUMBER"] = str(number)
            home.shell().accept(output)
        assert len(list(home.cache.iterdir())) == 32

    def test_a_lost_prelude_is_written_again(self, home: Home) -> None:
        home.write(profile="f() { :; }")
        shell = home.learned()
        path = shell.prelude()
        assert path is not None
        os.unlink(path)
        assert shell.prelude() == path and os.path.exists(path)


class TestForeseeable:
    @pytest.mark.parametrize("name", ["BASH_ENV", "SHELLOPTS", "POSIXLY_CORRECT"])
    def test_not_when_bash_itself_is_steered(self, home: Home, name: str) -> None:
        home.variables[name] = "x"
        assert not home.shell().foreseeable
        assert home.shell().effect() is None

    def test_not_without_a_home_and_only_bash(self, home: Home) -> None:
        assert home.shell().foreseeable
        assert not LoginShell("/bin/zsh", home.variables, None).foreseeable
        del home.variables["HOME"]
        assert not home.shell().foreseeable


@pytest.mark.parametrize("output", [b"", b"\0" * 100, b"quire-login-start\0" * 3])
def test_output_that_is_none(output: bytes) -> None:
    assert read_capture(output) is None


def test_a_cut_capture_is_never_believed(home: Home) -> None:
    home.write(profile="export NEW=1\nf() { :; }")
    output = home.capture()
    whole = read_capture(output)
    assert whole is not None
    assert whole[0].exported["NEW"] == "1"
    for cut in range(0, len(output) - 1, 37):
        assert read_capture(output[:cut]) is None
    assert isinstance(whole[0], LoginEffect)
