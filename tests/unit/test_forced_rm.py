"""Forced `rm`, found in every spelling that the grammar can see, and nothing else."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quire.config.forced_rm import has_forced_rm

FORCED = [
    "rm -f x",
    "rm -rf x",
    "rm -r -f x",
    "rm x -f",
    "rm --force x",
    "rm --for x",
    "rm -Rfv x",
    "/bin/rm -f x",
    "X=1 rm -f x",
    "\\rm -f x",
    "'rm' -f x",
    'r"m" "-f" x',
    "$'rm' -f x",
    "$'\\x72m' -f x",
    "$'\\162\\155' $'-f' x",
    "r\\\nm -f x",
    "rm \\\n  -f x",
    "echo a && rm -f x",
    "true || rm -f x; echo",
    "ls | rm -f x",
    "(rm -f x)",
    "{ rm -f x; }",
    "! rm -f x",
    "rm -f x > log 2>&1",
    "rm -f x &",
    "for a in b; do rm -f $a; done",
    "while true; do rm -f x; done",
    "if true; then rm -f x; fi",
    "case x in x) rm -f x;; esac",
    "f() { rm -rf x; }; f",
    "echo $(rm -f x)",
    "echo `rm -f x`",
    'echo "a $(rm -f x) b"',
    "echo ${y:-$(rm -f x)}",
    "cat <(rm -f x)",
    "command rm -f x",
    "builtin command rm -f x",
    "exec rm -f x",
    "env rm -f x",
    "env A=1 rm -f x",
    "env -S 'rm -f x'",
    "sudo rm -f x",
    "sudo -n -u root rm -f x",
    "time rm -f x",
    "nohup nice -n 5 rm -f x",
    "timeout 5 rm -f x",
    "ls | xargs rm -f",
    "xargs -0 -n 1 /bin/rm -f < list",
    "find . -name x -exec rm -f {} \\;",
    "find . -exec rm -rf {} +",
    "find . -execdir sh -c 'rm -f \"$1\"' _ {} \\;",
    "sh -c 'rm -f x'",
    'bash -lc "rm -f $x"',
    "bash -c 'bash -c \"rm -f x\"'",
    "bash --norc -ec 'rm -f x'",
    "eval 'rm -f x'",
    "eval rm -f x",
    "trap 'rm -f tmp' EXIT",
    "bash <<EOF\nrm -f x\nEOF",
    "cat <<'E' | sh\nrm -f x\nE",
    "bash <<< 'rm -f x'",
    "busybox rm -f x",
    "watch 'rm -f x'",
    "if true; then rm -f x",
    "rm <x -f y",
    "rm >log -f x",
    "rm <<E -f x\nhi\nE",
    "coproc rm -f x",
    "coproc z { rm -f x; }",
    "x=rm; $x -f y",
    "x='rm -f'; $x y",
    "a=-f b=x; rm $a $b",
    'export X=rm; "$X" -f y',
    "${x:-rm} -f y",
    "rm ${a:--f} x",
    "$(which rm) -f x",
    "`which rm` -f x",
    '"$(command -v rm)" -f x',
    "rm $(echo -f) x",
    "rm {-f,x}",
    "{rm,-f,x}",
    "alias z='rm -f'; z x",
    "alias rm='rm -f'; rm x",
    "echo 'rm -f x' | sh",
    "printf '%s\\n' 'rm -f x' | sh",
    "{ echo rm -f x; } | tee log | bash -s",
    "echo -f x | xargs rm",
    "bash <(echo 'rm -f x')",
    "source <(printf 'rm -f x')",
    ". /dev/stdin <<< 'rm -f x' ",
    "cat <<E\n`rm -f x`\nE",
    "env -S'rm -f x' ",
    "env --split-string='rm -f x' ",
    "env env env env env env env env env rm -f x",
    "sudo -u sh rm -f x",
    "flock l rm -f x",
    "flock l -c 'rm -f x' ",
    "su root -c 'rm -f x' ",
    "taskset 1 rm -f x",
    "mksh -c 'rm -f x' ",
    "eval -- 'rm -f x' ",
    "trap -- 'rm -f x' EXIT",
    "bash -c 'rm \"$@\"' _ -f x",
    "sh -c '\"$@\"' _ rm -f x",
    "sh -c '$0 -f x' rm",
    "find . -exec find {} -exec rm -f x \\; \\;",
    "$($($($($(rm -f x)))))",
    "(((rm -f x)))",
    "echo \\\\\nrm -f x",
    "echo # \\\nrm -f x",
]
FREE = [
    "rm x",
    "rm -r x",
    "rm -- -f",
    "rm -i x",
    "echo rm -f x",
    "echo 'rm -f x'",
    "git rm -f x",
    "grep -f rm x",
    "cat <<EOF\nrm -f x\nEOF",
    "farm -f x",
    "rmdir -f x",
    "ls # rm -f x",
    "python -c 'import os; os.remove(\"rm -f\")'",
    "$cmd -f x",
    "docker run --rm -f x",
    "find . -name rm -fprint x",
    "alarm -f 3",
    "",
    "echo hi",
    "echo 'rm -f x' > s.sh",
    "cat > s.sh <<E\nrm -f x\nE",
    "echo rm -f x | tee s.sh",
    "sh -c 'ls' | echo rm -f x",
    "x='rm -f'; echo $x y",
    "x=rm; x=ls; $x -f y",
    "cat <<'E'\n`rm -f x`\nE",
    "docker rm -f x",
    "alias rm='rm -i' ",
    "find . -exec ls {} + -name rm -fls y",
    "rm > -f",
    "rm {a,b}",
]


@pytest.mark.parametrize("script", FORCED)
def test_found(script: str) -> None:
    assert has_forced_rm(script)


@pytest.mark.parametrize("script", FREE)
def test_left_alone(script: str) -> None:
    assert not has_forced_rm(script)


@given(st.text(alphabet="rmfx -'\"\\$(){}`;|&<>\n\te=/", max_size=60))
def test_never_raises(script: str) -> None:
    has_forced_rm(script)


def test_deep_nesting_is_refused_rather_than_followed() -> None:
    script = "rm x"
    for _ in range(9):
        script = f"eval {script!r}"
    assert has_forced_rm(script)


@pytest.mark.parametrize(
    "script",
    [
        "find " + "-exec find " * 3000 + "-exec rm -f x",
        "rm x <<E | " + "sh | " * 3000 + "sh\nrm -r y\nE\n",
        "$(" * 3000 + "rm -f x" + ")" * 3000,
        "${a:-" * 3000 + "rm" + "}" * 3000 + " -f x",
        "xargs " + "sh " * 20000,
        "(" * 9000 + "rm -f x" + ")" * 9000,
        "".join(f"cat <<E{n} | sh\nrm x\nE{n}\n" for n in range(3000)),
    ],
)
def test_a_hostile_script_costs_little(script: str) -> None:
    started = time.process_time()
    has_forced_rm(script)
    assert time.process_time() - started < 4
