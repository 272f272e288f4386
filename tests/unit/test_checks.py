"""Each rule of scripts/checks fails on a small bad sample, and not on its near miss."""

from __future__ import annotations

from pathlib import Path

import pytest

from scripts.checks import budgets, layers, shell

PROJECT = """\
[project]
dependencies = ["h11>=0.16"]

[tool.pyright]
strict = ["src"]
"""
GOOD = {
    "pyproject.toml": PROJECT,
    "requirements/runtime.txt": "h11==0.16.0 \\\n    --hash=sha256:00\n",
    "src/quire/__init__.py": '__version__ = "1"\n',
    "src/quire/models/connect.py": "import h11\n\nparse = h11.Connection\n",
}
FUTURE = "from __future__ import annotations\n"


def project(root: Path, **files: str) -> Path:
    """A project without a fault, plus `files` (`__` in a name means `/`)."""
    named = {name.replace("__", "/"): text for name, text in files.items()}
    write(root, {**GOOD, **named})
    return root


def write(root: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")


def faults(root: Path, path: str, text: str) -> list[str]:
    """What the budgets say about one file added to a project without a fault."""
    write(root, {**GOOD, path: text})
    return budgets.check(root, roots={})


def lines(count: int, line: str = "x = 1") -> str:
    return f"{line}\n" * count


def function(length: int) -> str:
    return f"{FUTURE}\n\ndef f() -> None:\n" + lines(length - 1, "    x = 1")


def methods(count: int) -> str:
    body = "".join(f"    def m{i}(self) -> None:\n        pass\n\n" for i in range(count))
    return f"{FUTURE}\n\nclass C:\n{body}"


def signature(parameters: str) -> str:
    return f"{FUTURE}\n\nclass C:\n    def f({parameters}) -> None:\n        pass\n"


def caught(what: str, body: str = "pass") -> str:
    return f"{FUTURE}\n\ndef f() -> None:\n    try:\n        f()\n    {what}:\n        {body}\n"


# --- budgets: path, bad text, what is said of it, near miss ----------------------------------

SRC = "src/quire/models/sample.py"
BUDGETS = {
    "file lines": (SRC, lines(501), "at most 500", lines(500)),
    "test file lines": ("tests/unit/test_x.py", lines(801), "at most 800", lines(800)),
    "function lines": (SRC, function(61), "f has 61 lines", function(60)),
    "parameters": (
        SRC,
        signature("self, a, b, c, d, *e, f, **g"),
        "f takes 7 parameters",
        signature("self, a, b, c, d, *e, **g"),
    ),
    "public methods": (SRC, methods(16), "16 public methods", methods(15)),
    "columns": (SRC, "x = '" + "y" * 95 + "'\n", "101 columns", "x = '" + "y" * 94 + "'\n"),
    "columns, not bytes": ("src/quire/tools/a.py", f"# {'é' * 99}\n", "101", f"# {'é' * 98}\n"),
    "stub": (SRC, "raise NotImplementedError('later')\n", "a stub", "raise ValueError('no')\n"),
    "no body": (
        SRC,
        f"{FUTURE}\n\ndef f() -> None:\n    '''Says what.'''\n    ...\n",
        "f has no body",
        f"{FUTURE}\n\nclass P(Protocol):\n    def f(self) -> None: ...\n",
    ),
    "noqa": (SRC, "import os  # noqa" + ": F401\n", "`# noqa`", "x = '# noqa'\n"),
    "file noqa": (SRC, "# ruff: noqa" + "\n", "mend what ruff found", "# ruff is a linter\n"),
    "pyright": (SRC, "# pyright" + ": basic\n", "mend what pyright", "# pyright is strict\n"),
    "formatter": (SRC, "# fmt" + ": off\n", "let the formatter", "x = [1, 2]  # fmt: skip\n"),
    "coverage": (SRC, "x = 1  # pragma" + ": no cover\n", "test it", "x = 1  # pragmatic\n"),
    "to do": (SRC, "# TODO" + " later\n", "do it or take it out", "# todos are items\n"),
    "type ignore": (
        SRC,
        "x = y  # type: ignore[name-defined]\n",
        "says why",
        "x = y  # type: ignore[name-defined]  # the stub of y lacks it\n",
    ),
    "bare type ignore": (
        SRC,
        "x = y  # type: ignore  # because it is so\n",
        "names its rule",
        "x = y  # type: a word\n",
    ),
    "cast": (SRC, "from typing import cast\n", "`cast` hides", "from typing import Self\n"),
    "typing.cast": (
        SRC,
        "import typing\nx = typing.cast(int, y)\n",
        "`cast` hides",
        "x = view.cast('B')\n",
    ),
    "getattr": (SRC, "x = getattr(y, 'name', None)\n", "hides a type", "x = getattr(y, name)\n"),
    "except": (SRC, caught("except Exception"), "catches everything", caught("except OSError")),
    "bare except": (
        SRC,
        caught("except"),
        "catches everything",
        caught("except BaseException", "raise"),
    ),
    "except in a tuple": (
        SRC,
        caught("except (OSError, Exception) as exc"),
        "sample.py::f as a task root",
        caught("except (OSError, ValueError)"),
    ),
    "suppress": (
        SRC,
        "with contextlib.suppress(Exception):\n    pass\n",
        "suppresses everything",
        "with contextlib.suppress(OSError):\n    pass\n",
    ),
    "Any in the core": (
        "src/quire/core/thing.py",
        "from typing import Any\n",
        "no `Any`",
        "from typing import Protocol\n",
    ),
    "future": (SRC, "def f() -> None:\n    pass\n", "from __future__", f"{FUTURE}x: int = 1\n"),
    "machine path": (
        "docs/a.md",
        "see /wo" + "rk/main\n",
        "a path of one machine",
        "see tests/wo" + "rk/main\n",
    ),
    "index address": (
        "requirements/x.in",
        "--index-url https://py" + "pi.org/simple\n",
        "an index address",
        "h11\n",
    ),
}


@pytest.mark.parametrize("name", BUDGETS)
def test_budget_has_an_edge(name: str, tmp_path: Path) -> None:
    path, bad, said, good = BUDGETS[name]
    found = faults(tmp_path, path, bad)
    assert any(said in fault for fault in found), found
    assert all(fault.startswith(f"{path}:") for fault in found), found
    assert faults(tmp_path, path, good) == []


def test_rules_stand_in_one_place(tmp_path: Path) -> None:
    assert faults(tmp_path, "tests/ruff.toml", "line-length = 200\n") == [
        "tests/ruff.toml:1: a second place for rules; they stand in pyproject.toml"
    ]


def test_a_project_without_fault_has_none(tmp_path: Path) -> None:
    root = project(tmp_path)
    assert budgets.check(root, roots={}) == []
    assert layers.check(root) == []


def test_a_generated_file_may_be_long(tmp_path: Path) -> None:
    assert faults(tmp_path, "src/quire/models/catalog_generated.py", lines(600)) == []


def test_the_loop_stays_small(tmp_path: Path) -> None:
    write(tmp_path, {"src/quire/core/turn.py": lines(150), "src/quire/core/state.py": lines(101)})
    found = budgets.check(project(tmp_path), roots={})
    assert found[0].startswith("src/quire/core/turn.py:1: turn.py + state.py have 251 lines")
    write(tmp_path, {"src/quire/core/state.py": lines(100)})
    assert budgets.check(tmp_path, roots={}) == []


def test_a_task_root_may_catch_everything_and_must(tmp_path: Path) -> None:
    root = project(tmp_path)
    write(root, {SRC: caught("except Exception")})
    assert budgets.check(root, roots={f"{SRC}::f": "the task ends here"}) == []
    write(root, {SRC: caught("except OSError")})
    found = budgets.check(root, roots={f"{SRC}::f": "the task ends here"})
    assert len(found) == 1
    assert "take it out of TASK_ROOTS" in found[0]


PROJECTS = {
    "unused": ('dependencies = ["h11", "msgspec"]', "nothing in src imports msgspec"),
    "unpinned": ('dependencies = ["h12"]', "h12 is not in requirements/runtime.txt"),
    "too many": (f"dependencies = {[f'd{i}' for i in range(15)]}", "15 direct dependencies"),
}


@pytest.mark.parametrize("name", PROJECTS)
def test_dependencies_are_few_used_and_pinned(name: str, tmp_path: Path) -> None:
    line, said = PROJECTS[name]
    text = PROJECT.replace('dependencies = ["h11>=0.16"]', line)
    found = faults(tmp_path, "pyproject.toml", text)
    assert any(f.startswith("pyproject.toml:2: ") and said in f for f in found), found


LOWERED = {
    "[tool.ruff.lint]\nignore = ['E501']\n": "ruff's `ignore`",
    "[tool.ruff.lint.per-file-ignores]\n'tests/*' = ['E']\n": "ruff's `per-file-ignores`",
    "[tool.ruff]\nextend-exclude = ['src']\n": "ruff's `extend-exclude`",
    "reportUnusedImport = false\n": "pyright's `reportUnusedImport`",
    "exclude = ['src/quire/core']\n": "pyright's `exclude`",
}


@pytest.mark.parametrize("addition", LOWERED)
def test_no_rule_is_lowered(addition: str, tmp_path: Path) -> None:
    found = faults(tmp_path, "pyproject.toml", PROJECT + addition)
    assert len(found) == 1
    assert LOWERED[addition] in found[0]


def test_source_is_checked_strictly(tmp_path: Path) -> None:
    found = faults(tmp_path, "pyproject.toml", PROJECT.replace('["src"]', "[]"))
    assert found == ['pyproject.toml:4: pyright is strict for src: strict = ["src"]']


# --- layers: module, source, what is said ("" for nothing) -----------------------------------

LAYERS = [
    ("quire.protocol.items", "from quire.core import errors", "nothing of ours"),
    ("quire.protocol.items", "import msgspec, typing", ""),
    ("quire.protocol.items", "import pydantic", "it knows only msgspec"),
    ("quire.core.turn", "from quire.protocol.items import ToolCall", ""),
    ("quire.core.turn", "from quire.core.state import next_step", ""),
    ("quire.core.turn", "from quire.models import sse", "core may not import models.sse"),
    ("quire.core.turn", "import socket", "the core does no I/O"),
    ("quire.core.turn", "def f():\n    import subprocess", "the core does no I/O"),
    ("quire.core.turn", "from pathlib import Path", "the core does no I/O"),
    ("quire.core.turn", "import os", "the core does no I/O"),
    ("quire.core.turn", "from os.path import join", ""),
    ("quire.core.turn", "import h11", "it knows only msgspec"),
    ("quire.core.turn", "open('f')", "open() in the core"),
    ("quire.core.turn", "import asyncio\nasyncio.open_connection('h')", "open_connection() in"),
    ("quire.models.sse", "from quire.core.ports import Model", ""),
    ("quire.models.sse", "from quire.core import errors", ""),
    ("quire.models.sse", "from quire.core.state import ThreadState", "models may not import"),
    ("quire.models.sse", "from quire.tools import shell", "models may not import tools.shell"),
    ("quire.models.sse", "import socket, h11", ""),
    ("quire.tools.shell", "from quire.sandbox import plan", ""),
    ("quire.tools.patch", "from quire.sandbox import plan", "tools may not import sandbox.plan"),
    ("quire.tools.patch", "from quire.tools import shell", ""),
    ("quire.extend.mcp.client", "from quire.tools.base import Tool", ""),
    ("quire.server.threads", "from quire.core.thread import Thread", ""),
    ("quire.server.threads", "from quire.models import sse", "server may not import models.sse"),
    ("quire.client.api", "from quire.core import errors", "client may not import core.errors"),
    ("quire.exec.run", "from quire.client import api", ""),
    ("quire.exec.run", "from quire.core.errors import UsageError", "exec may not import core"),
    ("quire.exec.run", "if TYPE_CHECKING:\n    from quire.core import thread", "exec may not"),
    ("quire.exec.run", "from ..core.thread import Thread", "exec may not import core.thread"),
    ("quire.exec.run", "from .. import core", "exec may not import core"),
    ("quire.exec.run", "import quire.core.thread", "exec may not import core.thread"),
    ("quire.exec.run", "import_module('quire.core.thread')", "exec may not import core.thread"),
    ("quire.exec.run", "from quire import __version__", ""),
    ("quire.exec.run", "from quire.app import build", "exec may not import app.build"),
    ("quire.tui.screen", "from quire.tools import shell", "tui may not import tools.shell"),
    ("quire.web.server", "from quire.core import thread", "web may not import core.thread"),
    ("quire.server.router", "from quire import app", "server may not import app"),
    ("quire.cli.main", "from quire.app import build\nfrom quire.exec import run", ""),
    ("quire.app", "from quire.models import sse\nfrom quire.server import threads", ""),
    ("quire.app", "from quire.cli import main", "app may not import cli.main"),
    ("quire.app", "from quire.testing import doubles", "app may not import testing.doubles"),
    ("quire.sandbox.plan", "from quire.utils import x", "quire.utils is in no layer"),
    ("quire.utils", "", "quire.utils is in no layer"),
    ("quire", "from quire import cli", "__init__ may not import cli"),
]


@pytest.mark.parametrize(("module", "source", "said"), LAYERS)
def test_layers(module: str, source: str, said: str) -> None:
    found = [fault for _, fault in layers.faults_in(source, module, module == "quire")]
    if said:
        assert len(found) == 1
        assert said in found[0]
    else:
        assert found == []


def test_relative_imports_of_a_package_count_from_itself() -> None:
    assert layers.faults_in("from .thread import x", "quire.core", is_package=True) == []
    assert layers.faults_in("from ..models import x", "quire.core", is_package=True) != []


def test_layers_name_file_and_line(tmp_path: Path) -> None:
    write(tmp_path, {"src/quire/core/turn.py": "\n\nimport socket\n"})
    found = layers.check(tmp_path)
    assert len(found) == 1
    assert found[0].startswith("src/quire/core/turn.py:3: core may not import socket")


# --- what is run on the command line ---------------------------------------------------------


def test_a_check_prints_its_faults_and_ends_with_1(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = project(tmp_path, **{"src__quire__core__turn.py": "import socket\n"})
    assert layers.main([str(root)]) == 1
    assert capsys.readouterr().out.startswith("src/quire/core/turn.py:1: ")
    write(root, {"src/quire/core/turn.py": "import asyncio\n"})
    assert layers.main([str(root)]) == 0
    assert capsys.readouterr().out == ""


def test_shell_scripts_parse_and_may_be_run(tmp_path: Path) -> None:
    write(tmp_path, {"scripts/bad": "#!/bin/sh\nif true; then\n"})
    found = shell.check(tmp_path)
    assert found[0] == "scripts/bad:1: has a #! line but may not be executed; chmod +x"
    assert len(found) == 2
    (tmp_path / "scripts/bad").write_text("#!/bin/sh\ntrue\n", "utf-8")
    (tmp_path / "scripts/bad").chmod(0o755)
    assert shell.check(tmp_path) == []
