"""Reads a rule file: Starlark that calls `prefix_rule`, `network_rule` and `host_executable`.

The calls, their words and their errors are those of Codex 0.169. A file is somebody's program:
it gets no `load`, no output, a second of time, a shallow stack and a size that it may not exceed.
"""

from __future__ import annotations

import time

from quire.config.errors import one_line
from quire.config.files import BOM, read_regular
from quire.config.rules.clauses import (
    Call,
    check_examples,
    check_types,
    host_executable,
    network_rule,
    prefix_rule,
)
from quire.config.rules.literals import first_computation
from quire.config.rules.policy import NetworkRule, Place, Policy, PrefixRule, Words
from quire.core.errors import UsageError

MAX_FILE_BYTES = 1 << 20
MAX_RULES = 10_000
_MAX_SECONDS = 1.0
_MAX_STACK = 40
_NAME = "rules"
_PRELUDE = """
def prefix_rule(pattern, decision = "allow", match = [], not_match = [], justification = False):
    __call("prefix_rule", repr(call_stack(strip_frames = 1)), [
        ["pattern", type(pattern), pattern],
        ["decision", type(decision), decision],
        ["match", type(match), match],
        ["not_match", type(not_match), not_match],
        ["justification", type(justification), justification],
    ])

def network_rule(host, protocol, decision, justification = False):
    __call("network_rule", repr(call_stack(strip_frames = 1)), [
        ["host", type(host), host],
        ["protocol", type(protocol), protocol],
        ["decision", type(decision), decision],
        ["justification", type(justification), justification],
    ])

def host_executable(name, paths):
    __call("host_executable", repr(call_stack(strip_frames = 1)), [
        ["name", type(name), name],
        ["paths", type(paths), paths],
    ])
"""


class RuleError(UsageError):
    """One line: `PATH:LINE: what is wrong`."""

    def __init__(self, place: Place, message: str) -> None:
        where = str(place) if place.line else place.path
        super().__init__(one_line(f"{where}: {message}"))
        self.place = place
        self.message = message


def read_file(path: str, kind: str = "user") -> Policy | None:
    """The policy of a file; None when there is no such file. Raises `RuleError`."""
    place = Place(path, 0, kind)
    try:
        data = read_regular(path, MAX_FILE_BYTES)
    except OSError as error:
        raise RuleError(place, f"cannot be read: {error.strerror}") from None
    if data is None:
        return None
    if len(data) > MAX_FILE_BYTES:
        raise RuleError(place, f"larger than {MAX_FILE_BYTES} bytes")
    try:
        text = data.removeprefix(BOM).decode()
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise RuleError(Place(path, line, kind), "stream did not contain valid UTF-8") from None
    return read_text(text, path, kind)


def require_file(path: str, kind: str = "user") -> Policy:
    """The policy of a file that must exist. Raises `RuleError`."""
    policy = read_file(path, kind)
    if policy is None:
        raise RuleError(Place(path, 0, kind), "cannot be read: No such file or directory")
    return policy


def read_text(text: str, path: str, kind: str = "user") -> Policy:
    """The policy that a file's text makes, its examples checked. Raises `RuleError`."""
    if not text.strip():
        return Policy()
    line = first_computation(text) if kind == "project" else None
    if line is not None:
        message = "a project's rule file may hold calls and literal values only"
        raise RuleError(Place(path, line, kind), message)
    rules: list[tuple[PrefixRule, Call]] = []
    network: list[NetworkRule] = []
    executables: dict[str, Words] = {}
    for call in _calls(text, path, kind):
        place = Place(path, call.line, kind)
        try:
            check_types(call)
            if call.function == "prefix_rule":
                rules.append((prefix_rule(call, place), call))
            elif call.function == "network_rule":
                network.append(network_rule(call, place))
            else:
                name, paths = host_executable(call)
                executables[name] = paths
        except ValueError as error:
            raise RuleError(place, str(error)) from None
    for rule, call in rules:
        try:
            check_examples(call, rule, executables)
        except ValueError as error:
            raise RuleError(rule.place, str(error)) from None
    return Policy(tuple(rule for rule, _ in rules), tuple(network), executables)


def _calls(text: str, path: str, kind: str) -> list[Call]:
    import starlark

    calls: list[Call] = []
    deadline = time.thread_time() + _MAX_SECONDS

    def take(function: str, stack: str, arguments: list[tuple[str, str, object]]) -> None:
        if len(calls) >= MAX_RULES:
            raise ValueError(f"more than {MAX_RULES} rules")
        types = {name: kind_ for name, kind_, _ in arguments}
        values = {name: value for name, _, value in arguments}
        calls.append(Call(function, _line_of(stack), types, values))

    dialect = starlark.Dialect.standard()
    dialect.enable_f_strings = True
    dialect.enable_top_level_stmt = True
    dialect.enable_load = False
    module = starlark.Module()
    module.add_callable("__call", take)
    names = starlark.Globals.extended_by([starlark.LibraryExtension.CallStack])
    options = starlark.EvalOptions(
        check_cancelled=lambda: time.thread_time() > deadline, max_callstack_size=_MAX_STACK
    )
    try:
        starlark.eval(module, starlark.parse("prelude", _PRELUDE, dialect), names)
        starlark.parse(_NAME, text, dialect)
        # The value of the last statement would be converted, which not every value can be.
        tree = starlark.parse(_NAME, text + "\nNone\n", dialect)
        starlark.eval_with(options, module, tree, names)
    except starlark.StarlarkError as error:
        line, message = _explain(str(error))
        if time.thread_time() > deadline:
            message = f"it runs for more than {_MAX_SECONDS:.0f} s"
        raise RuleError(Place(path, line, kind), message) from None
    return calls


def _line_of(stack: str) -> int:
    """The line of the innermost call in a stack as Starlark shows it (`  * rules:3, in f`)."""
    line = 0
    for row in stack.replace("\\n", "\n").split("\n"):
        place = row.strip().strip('"').removeprefix("* ")
        if place.startswith(f"{_NAME}:") and row.lstrip('"').startswith("  * "):
            number = place[len(_NAME) + 1 :].partition(",")[0]
            line = int(number) if number.isdigit() else line
    return line


def _explain(text: str) -> tuple[int, str]:
    """Line and message of Starlark's report, which shows stack and source around them."""
    message = text.strip().partition("\n")[0]
    line = 0
    for row in text.split("\n"):
        if row.startswith("error: "):
            message = row[len("error: ") :].partition(", expected one of ")[0]
        elif row.strip().startswith(f"--> {_NAME}:"):
            number = row.strip()[len(f"--> {_NAME}:") :].partition(":")[0]
            line = int(number) if number.isdigit() else 0
    return line, message.replace("`prelude.", "`").replace("prelude.", "").removeprefix(
        "ValueError: "
    )
