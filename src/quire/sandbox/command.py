"""The command as a sandbox is told it: text for the small shell that waits inside.

A sandbox is set up before its command is known, so what is set up is a shell that reads its
orders from a pipe (descriptor 3). The orders leave nothing of it: the folder is changed, the
environment is exactly the one asked for, the pipe is closed, and the command takes its place.
"""

from __future__ import annotations

import os

from quire.core.errors import ToolError

ORDERS, NEWS, NEWS_READER = 3, 6, 7
"""The descriptors on which what waits inside reads its orders and says that it runs, and the other
end of the latter: bubblewrap must not fail by writing to it when Quire has been killed."""
READY = b"\x01"
"""What it says, once the sandbox is complete."""
MAX_ARGUMENT = 131_072
"""Bytes, with the final NUL: Linux's MAX_ARG_STRLEN."""

_WAIT = f"printf '\\001' >&{NEWS}; . /proc/self/fd/{ORDERS}"
_PYTHON_WAIT = "from quire.sandbox.keeper.child import wait; wait({}, tty={}, network={})"
_CHUNK = 100_000
_BECOME = """\
import _signal, binascii, marshal, os
text = "".join(os.environ[f"QUIRE_ORDERS_{number}"] for number in range(%d))
argv, env = marshal.loads(binascii.a2b_base64(text))
_signal.signal(13, 0)
_signal.signal(25, 0)
try:
    os.execvpe(argv[0], argv, env)
except OSError as exc:
    os.write(2, f"{argv[0]}: {exc.strerror}\\n".encode())
os._exit(126)"""
# SIGPIPE and SIGXFSZ: Python ignores them.
_SHELL_VARIABLES = frozenset({"OPTIND", "LINENO", "PPID", "IFS"})


class ShellWaiter:
    """The shell that waits. dash adds nothing to the environment of what it starts and exports
    all names that are identifiers. With any other shell, or name, a Python comes in between: what
    it is told, it is told by variables, since everybody on the machine can read arguments."""

    def __init__(self, shell: str | None = None) -> None:
        self._shell = shell or ("/bin/dash" if os.path.exists("/bin/dash") else "/bin/sh")
        self.exact = os.path.basename(os.path.realpath(self._shell)) == "dash"

    @property
    def argv(self) -> list[str]:
        """The command line of the waiting shell."""
        return [self._shell, "-c", _WAIT]

    def orders(self, argv: tuple[str, ...], cwd: str, env: dict[str, str]) -> bytes:
        """The text that makes it become `argv` in `cwd` with exactly `env`."""
        lines = [f"exec {ORDERS}<&- {NEWS}>&- {NEWS_READER}<&-", f"cd {quote(cwd)} || exit 126"]
        if self.exact and all(map(_plain, env)):
            lines.append("unset PWD OLDPWD")
        else:
            argv, env = _through_python(argv, env)
        if env:
            pairs = [f"{name}={quote(value)}" for name, value in env.items()]
            lines.append("export " + " ".join(pairs))
        lines.append("exec " + " ".join(map(quote, argv)))
        return os.fsencode("\n".join(lines) + "\n")


def _through_python(
    argv: tuple[str, ...], env: dict[str, str]
) -> tuple[tuple[str, ...], dict[str, str]]:
    """What becomes `argv` with exactly `env`, although it is started with more or less."""
    import marshal
    from binascii import b2a_base64

    text = b2a_base64(marshal.dumps((argv, env)), newline=False).decode()
    chunks = [text[start : start + _CHUNK] for start in range(0, len(text), _CHUNK)]
    told = {f"QUIRE_ORDERS_{number}": chunk for number, chunk in enumerate(chunks)}
    return tuple(python(_BECOME % len(chunks))), python_env() | told


class PythonWaiter:
    """A Python that waits, where it takes calls that no shell can make: to give a session its
    terminal, and, with the network, to keep away from the host's sockets without a path."""

    def __init__(self, *, tty: bool, network: bool) -> None:
        self._code = _PYTHON_WAIT.format((NEWS, NEWS_READER, ORDERS), tty, network)

    @property
    def argv(self) -> list[str]:
        """The command line of the waiting process."""
        return python(self._code)

    def orders(self, argv: tuple[str, ...], cwd: str, env: dict[str, str]) -> bytes:
        """What makes it become `argv` in `cwd` with exactly `env`."""
        import marshal

        return marshal.dumps((argv, cwd, env))


def python(code: str) -> list[str]:
    """A command line that runs `code`, with our modules and the standard library only."""
    import sys

    root = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    start = f"import sys; sys.path.insert(0, {root!r}); {code}"
    return [sys.executable, "-I", "-S", "-c", start]


def python_env() -> dict[str, str]:
    """What such a Python must be told to find its own libraries."""
    name = "LD_LIBRARY_PATH"
    return {name: os.environ[name]} if name in os.environ else {}


def quote(text: str) -> str:
    """One word of a shell command line, whatever is in it."""
    return "'" + text.replace("'", "'\\''") + "'"


def check(argv: tuple[str, ...], cwd: str, env: dict[str, str]) -> tuple[str, ...]:
    """`argv` with a program that can be started. Raises `ToolError` naming what is wrong with
    the program, the folder or the arguments."""
    if not argv or not argv[0]:
        raise ToolError("the command is empty")
    try:
        os.stat(os.path.join(cwd, "."))
    except OSError as exc:
        raise ToolError(f"cannot start in {cwd}: {exc.strerror}") from None
    for text in (*argv, *env.values()):
        if "\0" in text:
            raise ToolError("the command holds a NUL character")
        if len(text) >= MAX_ARGUMENT // 4 and len(os.fsencode(text)) >= MAX_ARGUMENT - 256:
            raise ToolError("an argument of the command is too long: at most 128 KiB")
    if any(not name or "=" in name or "\0" in name for name in env):
        raise ToolError("the environment holds an invalid name")
    if "=" in argv[0]:
        raise ToolError(f"{argv[0]}: a program with '=' in its name cannot be started")
    program = _find(argv[0], cwd, env.get("PATH", os.defpath))
    if program is None:
        raise ToolError(f"{argv[0]}: command not found")
    return (program, *argv[1:]) if argv[0].startswith("-") else argv


def _find(name: str, cwd: str, path: str) -> str | None:
    if "/" in name:
        return name if os.access(os.path.join(cwd, name), os.X_OK) else None
    for folder in path.split(":"):
        program = os.path.join(cwd, folder, name)
        if os.access(program, os.X_OK) and os.path.isfile(program):
            return program
    return None


def _plain(name: str) -> bool:
    """True for a variable that a shell can export without a meaning of its own."""
    return name.isidentifier() and name.isascii() and name not in _SHELL_VARIABLES
