"""How long and how wide: files, functions, parameters, classes, columns."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from scripts.checks.files import Source

FILE_LINES = 500
TEST_FILE_LINES = 800
FUNCTION_LINES = 60
PARAMETERS = 6
PUBLIC_METHODS = 15
COLUMNS = 100
LOOP_FILES = ("src/quire/core/turn.py", "src/quire/core/state.py")
LOOP_LINES = 250

Function = ast.FunctionDef | ast.AsyncFunctionDef
Fault = tuple[int, str]


def faults_in(source: Source) -> list[Fault]:
    """(line, what is wrong) for one Python file."""
    if source.tree is None or source.generated:
        return []
    found = [*_columns(source), *_file_length(source)]
    if source.zone != "tests":
        found += _functions(source.tree)
    found += _classes(source.tree)
    if source.zone == "src":
        found += _stubs(source.tree)
    return found


def faults_of_sums(sources: list[Source]) -> list[str]:
    """Budgets that several files share."""
    total = sum(len(s.lines) for s in sources if s.path in LOOP_FILES)
    if total <= LOOP_LINES:
        return []
    together = " + ".join(name.rsplit("/", 1)[-1] for name in LOOP_FILES)
    advice = "the loop is closed, use one of the five doors of AGENTS.md"
    return [f"{LOOP_FILES[0]}:1: {together} have {total} lines, at most {LOOP_LINES}; {advice}"]


def _columns(source: Source) -> Iterator[Fault]:
    for number, line in enumerate(source.lines, 1):
        if len(line) > COLUMNS:
            yield number, f"{len(line)} columns, at most {COLUMNS}; break the line"


def _file_length(source: Source) -> Iterator[Fault]:
    limit = TEST_FILE_LINES if source.zone == "tests" else FILE_LINES
    length = len(source.lines)
    if length > limit:
        yield limit, f"the file has {length} lines, at most {limit}; split it where it has a seam"


def _functions(tree: ast.Module) -> Iterator[Fault]:
    methods = {id(f) for c in ast.walk(tree) if isinstance(c, ast.ClassDef) for f in c.body}
    for node in ast.walk(tree):
        if not isinstance(node, Function):
            continue
        length = (node.end_lineno or node.lineno) - node.lineno + 1
        if length > FUNCTION_LINES:
            size = f"{length} lines, at most {FUNCTION_LINES}"
            yield node.lineno, f"{node.name} has {size}; take a step out of it"
        count = _parameter_count(node, id(node) in methods)
        if count > PARAMETERS:
            size = f"{count} parameters, at most {PARAMETERS}"
            yield node.lineno, f"{node.name} takes {size}; group what belongs together in a Struct"


def _parameter_count(node: Function, is_method: bool) -> int:
    """Without self or cls; `*args` and `**kwargs` count as one each."""
    arguments = node.args
    count = len(arguments.posonlyargs) + len(arguments.args) + len(arguments.kwonlyargs)
    count += (arguments.vararg is not None) + (arguments.kwarg is not None)
    static = any(isinstance(d, ast.Name) and d.id == "staticmethod" for d in node.decorator_list)
    return count - 1 if is_method and not static else count


def _classes(tree: ast.Module) -> Iterator[Fault]:
    for node in ast.walk(tree):
        if not isinstance(node, ast.ClassDef):
            continue
        names = {f.name for f in node.body if isinstance(f, Function)}
        public = [name for name in names if not name.startswith("_")]
        if len(public) > PUBLIC_METHODS and not _is_test_class(node):
            size = f"{len(public)} public methods, at most {PUBLIC_METHODS}"
            yield node.lineno, f"{node.name} has {size}; it does more than one job, split it"


def _is_test_class(node: ast.ClassDef) -> bool:
    return node.name.startswith("Test")


def _stubs(tree: ast.Module) -> Iterator[Fault]:
    """Code that only pretends to be there."""
    abstract = {
        id(f)
        for c in ast.walk(tree)
        if isinstance(c, ast.ClassDef) and any(_last_name(b) == "Protocol" for b in c.bases)
        for f in c.body
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Raise) and node.exc is not None:
            raised = node.exc.func if isinstance(node.exc, ast.Call) else node.exc
            if _last_name(raised) == "NotImplemented" + "Error":
                yield node.lineno, "a stub is raised here; write it or take it out"
        if isinstance(node, Function) and id(node) not in abstract and _is_empty(node):
            yield node.lineno, f"{node.name} has no body; write it or take it out"


def _is_empty(node: Function) -> bool:
    """Only a docstring and `...`, and neither an overload nor abstract."""
    if any(_last_name(d) in ("overload", "abstractmethod") for d in node.decorator_list):
        return False
    last = node.body[-1]
    if not isinstance(last, ast.Expr) or not isinstance(last.value, ast.Constant):
        return False
    return last.value.value is ...


def _last_name(node: ast.expr) -> str:
    """`b` for `a.b`, `b` and `b[T]`; empty for anything else."""
    if isinstance(node, ast.Subscript):
        return _last_name(node.value)
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""
