"""Survey a project: its tests, the framework they need, an interpreter that can run them."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from typing import Any, NamedTuple

from .configured import configured
from .named import resolve
from .project import has_examples, holds_tests, python_files, read_text

PROBE = (
    "import importlib.util as u, sys;"
    "print('%d.%d' % sys.version_info[:2], 'pytest' if u.find_spec('pytest') else '-')"
)
ENVIRONMENTS = (".venv", "venv", "env", ".env")
OLDEST = (3, 9)
SHOWN = 40
PLAIN_TEST = re.compile(r"^(?:async )?def test|^\s*(?:import pytest|from pytest)", re.MULTILINE)
UNITTEST = re.compile(r"TestCase\b|^def load_tests\(|DocTestSuite|DocFileSuite", re.MULTILINE)


class Interpreter(NamedTuple):
    command: str
    version: tuple[int, int]
    has_pytest: bool


def look(root: str, fallback: str, named: list[str]) -> int:
    """Print the survey as JSON, then for people. `fallback` is the interpreter to use when the
    project has none and none is on the path; `named` are words that may mean some of the tests."""
    files, survey = _survey(root, fallback, named)
    print(json.dumps(survey))
    more = ["..."] if len(files) > SHOWN else []
    print(f"{len(files)} Python files:", *files[:SHOWN], *more)
    what = "examples in docstrings" if survey["doctests"] else "tests"
    print(f"{what} in {survey['test_files']} of them, framework {survey['framework']}")
    if survey["only"]:
        print("named:", *survey["only"])
    print("in a git repository" if os.path.exists(os.path.join(root, ".git")) else "without git")
    print("files can be changed" if survey["writable"] else "files cannot be changed here")
    if survey["interpreter"]:
        without = "no pytest" if survey["pytest_missing"] else survey["framework"]
        print(f"interpreter {survey['interpreter']} (Python {survey['version']}, {without})")
    else:
        print("no Python 3.9 or later was found")
    return 0


def _survey(root: str, fallback: str, named: list[str]) -> tuple[list[str], dict[str, Any]]:
    files = python_files(root)
    options = configured(root)
    tests = [path for path in files if holds_tests(path) or options.is_test(path)]
    texts = {path: read_text(root, path) for path in tests}
    own = options.test_function()
    plain = [p for p in tests if PLAIN_TEST.search(texts[p]) or (own and own.search(texts[p]))]
    tests = [path for path in tests if path in plain or UNITTEST.search(texts[path])]
    needs_pytest = bool(plain) or (bool(tests) and options.doctests)
    examples = [] if tests else [path for path in files if has_examples(root, path)]
    needs_pytest = needs_pytest or bool(examples)
    found = _interpreters(root, fallback)
    chosen = _chosen(found, needs_pytest)
    framework, start, top = "plain", ".", "."
    if needs_pytest and chosen is not None and chosen.has_pytest:
        framework = "pytest"
    elif tests and not needs_pytest:
        folder = _discovery(root, tests)
        if folder is not None:
            framework, (start, top) = "unittest", folder
    meant = resolve({path: texts[path] for path in tests}, named, framework, top)
    if examples:
        tests = examples[:SHOWN]
    survey = {
        "quire_look": 1,
        "framework": framework,
        "interpreter": chosen.command if chosen else "",
        "version": ".".join(str(part) for part in chosen.version) if chosen else "",
        "pytest_missing": bool(plain and chosen and not chosen.has_pytest),
        "start": start,
        "top": top,
        "path": _import_roots(root, tests),
        "tests": tests[:SHOWN] if framework == "plain" or examples else tests[:3],
        "doctests": bool(examples),
        "only": meant.only,
        "missing": meant.missing,
        "test_files": len(tests),
        "source_files": len(files) - len(tests),
        "writable": os.access(root, os.W_OK),
    }
    return files, survey


def _interpreters(root: str, fallback: str) -> list[Interpreter]:
    """The project's own first, then the path's, then the fallback."""
    commands = [f"{name}/bin/python" for name in ENVIRONMENTS]
    commands = [name for name in commands if os.path.exists(os.path.join(root, name))]
    active = os.environ.get("VIRTUAL_ENV", "")
    commands += [os.path.join(active, "bin", "python")] if active else []
    commands += [name for name in ("python3", "python") if shutil.which(name)]
    found: list[Interpreter] = []
    for command in [*commands, fallback]:
        if command:
            probed = _probe(root, command)
            found += [probed] if probed is not None else []
    return found


def _probe(root: str, command: str) -> Interpreter | None:
    """Run it once; None when it does not run or is too old."""
    program = os.path.join(root, command) if "/" in command else command
    try:
        done = subprocess.run(
            [program, "-c", PROBE],
            capture_output=True,
            text=True,
            timeout=10,
            cwd=root,
            stdin=subprocess.DEVNULL,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    match = re.match(r"(\d+)\.(\d+) (pytest|-)", done.stdout)
    if match is None:
        return None
    version = (int(match.group(1)), int(match.group(2)))
    return Interpreter(command, version, match.group(3) == "pytest") if version >= OLDEST else None


def _chosen(found: list[Interpreter], needs_pytest: bool) -> Interpreter | None:
    fitting = [i for i in found if i.has_pytest or not needs_pytest]
    return next(iter([*fitting, *found]), None)


def _discovery(root: str, tests: list[str]) -> tuple[str, str] | None:
    """Start and top folder for `unittest discover`, or None when one discovery finds not all."""
    if any(not path.rsplit("/", 1)[-1].startswith("test") for path in tests):
        return None
    folders = sorted({os.path.dirname(path) for path in tests})
    start = folders[0] if len(folders) == 1 else os.path.commonpath(folders)
    inner = {folder for folder in folders if folder != start}
    if any(not _is_package(root, folder) for folder in inner):
        return None
    top = start
    while top and _is_package(root, top):
        top = os.path.dirname(top)
    return start or ".", top or "."


def _is_package(root: str, folder: str) -> bool:
    return os.path.exists(os.path.join(root, folder, "__init__.py"))


def _import_roots(root: str, tests: list[str]) -> list[str]:
    """Folders that tests expect on the module path besides the root: `src`, and the parent of a
    folder of tests further down."""
    roots = ["src"] if os.path.isdir(os.path.join(root, "src")) else []
    for path in tests:
        parts = path.split("/")
        places = [parts.index(name) for name in ("tests", "test") if name in parts]
        roots.extend("/".join(parts[:place]) for place in places if place > 0)
    return [name for name in dict.fromkeys(roots) if not _is_package(root, name)][:4]
