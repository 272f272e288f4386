"""Which package may import which: the arrows of the architecture, as a failing check.

    python -m scripts.checks.layers [ROOT]

Reads every module below ROOT/src/quire and prints `file:line: what is wrong, what to do` for each
import against the table below. Imports inside functions, under `TYPE_CHECKING`, relative ones and
`import_module("quire...")` count like any other.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

EDGE = ("protocol", "core.ports", "core.errors")
FRONT_END = ("protocol", "client")

# Package -> what it may import of ours besides itself. A name covers everything below it.
ALLOWED: dict[str, tuple[str, ...]] = {
    "protocol": (),
    "core": ("protocol",),
    "models": EDGE,
    "tools": EDGE,
    "sandbox": EDGE,
    "rollout": EDGE,
    "workspace": EDGE,
    "extend": EDGE,
    "config": EDGE,
    "client": ("protocol",),
    "server": ("protocol", "core", "review"),
    "review": ("protocol",),
    "cloud": FRONT_END,
    "automations": FRONT_END,
    "exec": FRONT_END,
    "acp": FRONT_END,
    "mcp_server": FRONT_END,
    "tui": (*FRONT_END, "review"),
    "web": FRONT_END,
    "testing": EDGE,
    "app": (
        *("protocol", "core", "models", "tools", "sandbox", "rollout", "workspace", "extend"),
        *("config", "server", "client", "review", "cloud", "automations"),
    ),
    "cli": (
        *("app", "protocol", "core.errors", "models", "tools", "sandbox", "rollout", "workspace"),
        *("extend", "config", "server", "client", "review", "cloud", "automations"),
        *("exec", "tui", "web", "acp", "mcp_server"),
    ),
    "__main__": ("cli",),
    "__init__": (),
}

# The exceptions, each with its reason.
EXCEPTIONS: dict[tuple[str, str], str] = {
    ("tools.shell", "sandbox"): "a command is what the sandbox exists for",
    ("extend.mcp", "tools.base"): "a server's tools are tools",
    ("rollout", "config.locking"): "one way to wait for those who change a file, never without end",
    ("client.embedded", "app.embedding"): "the SDK brings its own server; imported when it is used",
    ("client.embedded", "core.errors"): "what that server refuses to start with",
}

# `quire` itself holds the version and nothing else: everybody may read it.
PACKAGE_NAMES = ("quire.__version__",)

THIRD_PARTY_OF_THE_CORE = ("msgspec",)
CORE_HAS_NO = frozenset(
    [
        "socket",
        "ssl",
        "subprocess",
        "selectors",
        "select",
        "http",
        "urllib",
        "pathlib",
        "shutil",
        "tempfile",
        "sqlite3",
        "glob",
        "multiprocessing",
        "ctypes",
        "fcntl",
        "mmap",
        "os",
        "pty",
        "signal",
        "termios",
        "tty",
        "io",
        "logging",
    ]
)
ASYNCIO_DOORS = frozenset(
    [
        "open_connection",
        "open_unix_connection",
        "start_server",
        "start_unix_server",
        "create_subprocess_exec",
        "create_subprocess_shell",
    ]
)
CORE_ADVICE = "the core does no I/O: take a port of core/ports.py"


class Import(NamedTuple):
    line: int
    name: str  # dotted and absolute: "quire.core.state.ThreadState" or "socket"


def imports_of(tree: ast.Module, module: str, is_package: bool) -> Iterator[Import]:
    """Every import in `tree`, the source of the dotted `module`, with absolute names."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield Import(node.lineno, alias.name)
        elif isinstance(node, ast.ImportFrom):
            base = _absolute(module, is_package, node.level, node.module)
            for alias in node.names:
                yield Import(node.lineno, f"{base}.{alias.name}")
        elif isinstance(node, ast.Call):
            name = _imported_by_call(node)
            if name is not None:
                yield Import(node.lineno, name)


def _absolute(module: str, is_package: bool, level: int, name: str | None) -> str:
    if level == 0:
        return name or ""
    parts = module.split(".")
    keep = len(parts) - level + (1 if is_package else 0)
    return ".".join([*parts[: max(keep, 0)], *([name] if name else [])])


def _imported_by_call(node: ast.Call) -> str | None:
    function = node.func
    name = function.attr if isinstance(function, ast.Attribute) else ""
    name = function.id if isinstance(function, ast.Name) else name
    if name not in ("import_module", "__import__") or not node.args:
        return None
    first = node.args[0]
    if isinstance(first, ast.Constant) and isinstance(first.value, str):
        return first.value
    return None


def _covers(rule: str, name: str) -> bool:
    return name == rule or name.startswith(rule + ".")


def _may_import(module: str, target: str) -> bool:
    """Both are dotted names below `quire`, such as `core.turn`."""
    package = module.split(".")[0]
    if any(_covers(rule, target) for rule in (package, *ALLOWED[package])):
        return True
    return any(_covers(a, module) and _covers(b, target) for a, b in EXCEPTIONS)


def _fault_of_ours(module: str, target: str) -> str | None:
    package, other = module.split(".")[0], target.split(".")[0]
    if other not in ALLOWED:
        return f"quire.{other} is in no layer; name it in scripts/checks/layers.py"
    if _may_import(module, target):
        return None
    allowed = ", ".join(ALLOWED[package]) or "nothing of ours"
    return f"{package} may not import {target}; it may import: {allowed}"


def _fault_of_theirs(module: str, name: str) -> str | None:
    """Imports of other packages, which only protocol and core restrict."""
    package, top = module.split(".")[0], name.split(".")[0]
    if package not in ("core", "protocol"):
        return None
    if name == "os.path" or name.startswith("os.path."):
        return None
    if top in CORE_HAS_NO:
        return f"{package} may not import {name}; {CORE_ADVICE}"
    if top not in sys.stdlib_module_names and top not in THIRD_PARTY_OF_THE_CORE:
        return f"{package} may not import {name}; of other packages it knows only msgspec"
    return None


def _io_calls(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Ways to do I/O that need no forbidden import."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        if isinstance(node.func, ast.Name) and node.func.id in ("open", "print", "input"):
            yield node.lineno, f"{node.func.id}() in the core; {CORE_ADVICE}"
        if isinstance(node.func, ast.Attribute) and node.func.attr in ASYNCIO_DOORS:
            yield node.lineno, f"{node.func.attr}() in the core; {CORE_ADVICE}"


def faults_in(source: str, module: str, is_package: bool = False) -> list[tuple[int, str]]:
    """`module` is dotted and absolute ("quire.core.turn"). Gives (line, what is wrong)."""
    tree = ast.parse(source)
    own = module.partition(".")[2] or "__init__"
    if own.split(".")[0] not in ALLOWED:
        return [(1, f"{module} is in no layer; name it in scripts/checks/layers.py")]
    found: list[tuple[int, str]] = []
    for line, name in imports_of(tree, module, is_package):
        if name == "quire" or name in PACKAGE_NAMES:
            continue
        if name.startswith("quire."):
            fault = _fault_of_ours(own, name.removeprefix("quire."))
        else:
            fault = _fault_of_theirs(own, name)
        if fault is not None:
            found.append((line, fault))
    if own.split(".")[0] in ("core", "protocol"):
        found.extend(_io_calls(tree))
    return sorted(set(found))


def check(root: Path) -> list[str]:
    """All faults below `root`, as lines for people."""
    lines: list[str] = []
    source_root = root / "src"
    for path in sorted(source_root.rglob("*.py")):
        parts = path.relative_to(source_root).with_suffix("").parts
        is_package = parts[-1] == "__init__"
        module = ".".join(parts[:-1] if is_package else parts)
        for line, fault in faults_in(path.read_text("utf-8"), module, is_package):
            lines.append(f"{path.relative_to(root)}:{line}: {fault}")
    return lines


def main(arguments: list[str]) -> int:
    root = Path(arguments[0]) if arguments else Path(__file__).resolve().parents[2]
    lines = check(root)
    for line in lines:
        print(line)
    return 1 if lines else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
