"""Ways to silence a tool or a type: comments, casts, `getattr`, `Any`, broad excepts."""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections.abc import Iterator

from scripts.checks.files import Source

Fault = tuple[int, str]

# Where everything may be caught, because the task ends there: "path::function" -> why.
# Naming a place here is a decision that a reviewer sees.
TASK_ROOTS: dict[str, str] = {
    "src/quire/client/link.py::Link._asked": (
        "runs a callback of the SDK's user; what it raises is raised again where the run is read"
    ),
    "src/quire/models/offline/quire_repair/children.py::_run_and_exit": (
        "a forked child ends here; whatever the candidate raised is its result"
    ),
    "src/quire/models/offline/quire_repair/limits.py::attempt": (
        "runs code that is searched for a fault; whatever it raises is the observation"
    ),
    "src/quire/server/connection.py::Connection._answer": (
        "the task of one call; a fault in it is that call's answer and ends no other"
    ),
    "src/quire/server/transport/listen.py::_Clients._attend": (
        "the task of one client; a fault in it ends that client and no other"
    ),
}

BROAD = ("Exception", "BaseException")
NO_ANY = ("src/quire/protocol/", "src/quire/core/")

SILENCERS = (
    (re.compile(r"#\s*(ruff:\s*)?no" + "qa", re.IGNORECASE), "mend what ruff found"),
    (re.compile(r"#\s*pyright" + ":"), "mend what pyright found"),
    (re.compile(r"#\s*mypy" + ":"), "pyright is the type checker here"),
    (re.compile(r"#\s*(fmt|yapf)" + r":\s*off|#\s*isort" + ":"), "let the formatter decide"),
    (re.compile(r"#\s*pragma" + ":"), "test it or take it out"),
    (re.compile(r"#\s*(TO" + "DO|FIX" + "ME|XX" + "X|HA" + "CK)"), "do it or take it out"),
)
TYPE_IGNORE = re.compile(r"#\s*type:\s*ignore")
TYPE_IGNORE_WITH_REASON = re.compile(r"#\s*type:\s*ignore\[[\w\-, ]+\]\W+\w\w+\W+\w+")


def faults_in(source: Source, roots: dict[str, str] = TASK_ROOTS) -> list[Fault]:
    """(line, what is wrong) for one Python file."""
    if source.tree is None:
        return []
    return [
        *_comments(source),
        *_dodges(source.tree),
        *(fault for place, fault in _broad(source) if place not in roots),
        *_any(source),
        *_future(source.tree),
    ]


def _comments(source: Source) -> Iterator[Fault]:
    for token in tokenize.generate_tokens(io.StringIO(source.text).readline):
        if token.type != tokenize.COMMENT:
            continue
        line, text = token.start[0], token.string
        for pattern, advice in SILENCERS:
            found = pattern.search(text)
            if found is not None:
                yield line, f"`{found.group().strip()}` is not used here; {advice}"
        if TYPE_IGNORE.search(text) and not TYPE_IGNORE_WITH_REASON.search(text):
            yield line, "a `type: ignore` names its rule in brackets and says why after them"


def _dodges(tree: ast.Module) -> Iterator[Fault]:
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module == "typing":
            if any(alias.name == "cast" for alias in node.names):
                yield node.lineno, "`cast` hides a type; narrow it with isinstance or a decoder"
        elif isinstance(node, ast.Attribute) and node.attr == "cast":
            if isinstance(node.value, ast.Name) and node.value.id == "typing":
                yield node.lineno, "`cast` hides a type; narrow it with isinstance or a decoder"
        elif isinstance(node, ast.Call) and _is_literal_getattr(node):
            yield node.lineno, "`getattr` with a literal name hides a type; write the attribute"


def _is_literal_getattr(node: ast.Call) -> bool:
    if not isinstance(node.func, ast.Name) or node.func.id != "getattr" or len(node.args) < 2:
        return False
    name = node.args[1]
    return isinstance(name, ast.Constant) and isinstance(name.value, str)


def faults_of_roots(sources: list[Source], roots: dict[str, str] = TASK_ROOTS) -> list[str]:
    """Task roots that are listed and catch nothing broad (any more)."""
    seen = {place for source in sources for place, _ in _broad(source)}
    advice = "but nothing broad is caught there; take it out of TASK_ROOTS"
    unused = [root for root in roots if root not in seen]
    return [f"scripts/checks/suppressions.py:1: {root} is listed, {advice}" for root in unused]


def _broad(source: Source) -> Iterator[tuple[str, Fault]]:
    """Broad excepts with the place they stand in, as TASK_ROOTS names it."""
    for name, node in _with_function(source.tree or ast.Module([], []), ""):
        place = f"{source.path}::{name or '<module>'}"
        advice = f"name the errors, or list {place} as a task root"
        if isinstance(node, ast.ExceptHandler) and _is_broad(node.type) and not _reraises(node):
            yield place, (node.lineno, f"this catches everything; {advice}")
        if isinstance(node, ast.Call) and _suppresses_everything(node):
            yield place, (node.lineno, f"this suppresses everything; {advice}")


def _with_function(node: ast.AST, name: str) -> Iterator[tuple[str, ast.AST]]:
    """Every node with the dotted name of the function it stands in."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            inner = f"{name}.{child.name}" if name else child.name
            yield from _with_function(child, inner)
        else:
            yield name, child
            yield from _with_function(child, name)


def _is_broad(caught: ast.expr | None) -> bool:
    if caught is None:
        return True
    if isinstance(caught, ast.Tuple):
        return any(_is_broad(element) for element in caught.elts)
    return isinstance(caught, ast.Name) and caught.id in BROAD


def _reraises(handler: ast.ExceptHandler) -> bool:
    """It ends with a bare `raise`: nothing is swallowed."""
    last = handler.body[-1]
    return isinstance(last, ast.Raise) and last.exc is None


def _suppresses_everything(node: ast.Call) -> bool:
    function = node.func
    name = function.id if isinstance(function, ast.Name) else ""
    name = function.attr if isinstance(function, ast.Attribute) else name
    return name == "suppress" and any(_is_broad(argument) for argument in node.args)


def _any(source: Source) -> Iterator[Fault]:
    if source.tree is None or not source.path.startswith(NO_ANY):
        return
    for node in ast.walk(source.tree):
        if not isinstance(node, ast.ImportFrom) or node.module != "typing":
            continue
        if any(alias.name == "Any" for alias in node.names):
            yield node.lineno, "no `Any` in protocol and core; write the type, or `object`"


def _future(tree: ast.Module) -> Iterator[Fault]:
    annotated = any(
        isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.AnnAssign)
        for node in ast.walk(tree)
    )
    has_it = any(isinstance(n, ast.ImportFrom) and n.module == "__future__" for n in tree.body)
    if annotated and not has_it:
        yield 1, "add `from __future__ import annotations`: annotations cost nothing at start then"
