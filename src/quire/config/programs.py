"""What is known of programs that start other programs."""

from __future__ import annotations

UNKNOWN = "\ufffc"
"""Stands in a word for what is only known when the script runs."""
SHELLS = frozenset(
    (
        *("ash", "bash", "csh", "dash", "fish", "ksh", "ksh93", "lksh", "mksh", "oksh", "posh"),
        *("rbash", "rksh", "sh", "tcsh", "yash", "zsh"),
    )
)
WRAPPERS = frozenset(
    (
        *("at", "batch", "builtin", "busybox", "bwrap", "chroot", "chrt", "command", "coproc"),
        *("dbus-run-session", "doas", "entr", "env", "exec", "fakeroot", "firejail", "flock"),
        *("gdb", "ionice", "linux32", "linux64", "ltrace", "nice", "nohup", "nsenter", "numactl"),
        *("parallel", "pkexec", "proot", "runuser", "screen", "script", "setarch", "setpriv"),
        *("setsid", "ssh", "stdbuf", "strace", "su", "sudo", "systemd-run", "taskset", "time"),
        *("flatpak", "rsync", "tar", "wsl"),  # in options, or after their own words
        *("timeout", "tmux", "toybox", "unbuffer", "unshare", "valgrind", "watch", "xargs"),
    )
)
RUNNERS = frozenset(
    (
        *("bun", "bunx", "bundle", "corepack", "direnv", "docker", "dotenv", "hatch", "hyperfine"),
        *("kubectl", "mise", "nix", "nix-shell", "nox", "npm", "npx", "pdm", "pipenv", "pipx"),
        *("pnpm", "podman", "poetry", "rye", "tox", "uv", "uvx", "volta", "yarn"),
    )
)
"""Programs that start another one, at once or after one of `RUN_WORDS`."""
RUN_WORDS = frozenset(("--", "-c", "--run", "--command", "dlx", "exec", "run", "shell", "x"))
RUN_AT_ONCE = frozenset(("bunx", "dotenv", "hyperfine", "npx", "uvx", "volta"))
INTERPRETERS = frozenset(
    (
        *("awk", "bun", "deno", "gawk", "groovy", "julia", "lua", "luajit", "node", "nodejs"),
        *("osascript", "perl", "php", "powershell", "pwsh", "py", "pypy", "pypy3", "python"),
        *("python2", "python3", "pythonw", "r", "rscript", "ruby", "scala", "tclsh", "ts-node"),
    )
)
FIND_PROGRAMS = frozenset(("find", "fd", "fdfind", "gfind"))
FIND_ACTIONS = frozenset(
    ("-exec", "-execdir", "-ok", "-okdir", "-x", "-X", "--exec", "--exec-batch")
)
SOURCE = frozenset((".", "source"))
STARTED_BY_VARIABLES = frozenset(
    (
        *("BROWSER", "EDITOR", "GIT_ASKPASS", "GIT_EDITOR", "GIT_EXTERNAL_DIFF", "GIT_PAGER"),
        *("GIT_SEQUENCE_EDITOR", "GIT_SSH", "GIT_SSH_COMMAND", "LESSOPEN", "MANPAGER", "PAGER"),
        *("PROMPT_COMMAND", "SSH_ASKPASS", "VISUAL"),
    )
)
"""Variables whose value other programs run."""
FED_SHELLS = frozenset((*SOURCE, "at", "batch"))
"""They read commands from what they are fed."""


def base_name(word: str) -> str:
    """The name of a program that may be given by its path."""
    return word.rpartition("/")[2]
