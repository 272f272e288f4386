"""What the repair search takes from other functions and modules of a project."""

from __future__ import annotations

import ast
import importlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from quire.models.offline.quire_repair import ops_fragments
from quire.models.offline.quire_repair.fragments import annotated, gather, neighbours
from quire.models.offline.quire_repair.helpers import Helpers
from quire.models.offline.quire_repair.mining import Mined
from quire.models.offline.quire_repair.probe import Key
from quire.models.offline.quire_repair.sites import Knowledge, Proposal, Scope, Site, sites_of
from quire.models.offline.quire_repair.sources import Source, read_source

Operator = Callable[[Site], Iterator[Proposal]]

STORE = """\
from shop.names import plain
from shop import names


class Store:
    def __init__(self):
        self._items = {}
        self._changed = False

    def add(self, title, count: int):
        if count <= 0:
            raise ValueError("count must be positive")
        self._items[plain(title)] = count
        self._changed = True

    def take(self, title, count: int):
        if count <= 0:
            raise ValueError("count must be positive")
        self._items[plain(title)] -= count
        self._changed = True

    def count(self, name):
        return self._items[name]


def restock(store, title):
    return store.take(title, 1)
"""
NAMES = """\
def plain(text: str) -> str:
    return text.strip().lower()


def shown(text: str) -> str:
    return text.title()


def longest(names: list, *, key) -> str:
    return max(names, key=key)
"""
SIDE = """\
def folded(text):
    return text.casefold().strip()


def is_free(name, taken):
    return name.casefold() not in taken
"""


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Path]:
    """A package that is loaded."""
    folder = tmp_path / "shop"
    folder.mkdir()
    files = {"__init__": "", "store": STORE, "names": NAMES, "side": SIDE}
    for name, text in files.items():
        (folder / f"{name}.py").write_text(text, "utf-8")
    sys.path.insert(0, str(tmp_path))
    importlib.import_module("shop.store")
    yield tmp_path
    sys.path.remove(str(tmp_path))
    for name in [name for name in sys.modules if name.split(".")[0] == "shop"]:
        del sys.modules[name]


def edited(
    root: Path, path: str, function: str, operator: Operator, seen: dict[str, str]
) -> dict[str, float]:
    """The lines that differ in each program made of `path` by edits of `function`, with the lowest
    price. `seen` are the types of expressions by their text."""
    paths = [f"shop/{name}.py" for name in ("store", "names", "side")]
    sources = {p: s for p in paths if (s := read_source(str(root), p)) is not None}
    files = {str(root / p): p for p in paths}
    source = sources[path]
    types: dict[Key, tuple[str, ...]] = {}
    for one in sources.values():
        for start, end, text in _expressions(one):
            if text in seen:
                types[one.path, start, end] = (seen[text],)
    own = [source]
    lines = {(path, number): 1.0 for number in range(1, len(source.lines) + 1)}
    known = Knowledge(lines, types, Mined((), (), ()), (), False, {})._replace(
        fragments=gather([*own, *neighbours(str(root), own, paths)], types),
        helpers=((path, Helpers(files, sources, types).of(source)),),
    )
    found: dict[str, float] = {}
    for unit in source.units:
        for site, _ in sites_of(Scope(source, unit, known)) if unit.name == function else ():
            for proposal in operator(site):
                made = source.text[: proposal.start] + proposal.text + source.text[proposal.end :]
                line = "\n".join(_added(source.text, made))
                found[line] = min(found.get(line, 9.0), proposal.prior)
    return found


def _expressions(source: Source) -> Iterator[tuple[int, int, str]]:
    for node in ast.walk(source.tree):
        if isinstance(node, ast.expr):
            yield (*source.span(node), source.segment(node))


def _added(old: str, new: str) -> list[str]:
    before, after = old.split("\n"), new.split("\n")
    while before and after and before[0] == after[0]:
        del before[0], after[0]
    while before and after and before[-1] == after[-1]:
        del before[-1], after[-1]
    return [line.strip() for line in after]


WORDS = {"title": "str", "name": "str", "plain(title)": "str", "self._items[name]": "int"}


def test_a_helper_of_another_module_is_called_as_elsewhere(project: Path) -> None:
    made = edited(project, "shop/store.py", "count", ops_fragments.helper, WORDS)
    assert "return self._items[plain(name)]" in made
    assert "return self._items[names.shown(name)]" in made
    assert not any("longest" in line for line in made), "it wants a value by keyword"
    assert "return plain(self._items[name])" not in made, "it takes no number"


def test_a_helper_takes_the_place_of_another_one(project: Path) -> None:
    made = edited(project, "shop/store.py", "add", ops_fragments.helper, {})
    assert "self._items[names.shown(title)] = count" in made


def test_helpers_do_not_take_what_they_were_never_given(project: Path) -> None:
    seen = {**WORDS, "name": "int"}
    made = edited(project, "shop/store.py", "count", ops_fragments.helper, seen)
    assert "return self._items[plain(name)]" not in made


def test_an_expression_of_another_function_has_its_variable_renamed(project: Path) -> None:
    made = edited(project, "shop/store.py", "count", ops_fragments.expression, WORDS)
    assert "return self._items[plain(name)]" in made


def test_expressions_come_from_modules_that_do_not_know_each_other(project: Path) -> None:
    seen = {"text": "str", "name": "str", "text.strip().lower()": "str", "text.strip()": "str"}
    seen |= {"text.casefold().strip()": "str", "text.casefold()": "str"}
    made = edited(project, "shop/names.py", "plain", ops_fragments.expression, seen)
    assert "return text.casefold().strip()" in made


def test_a_guard_of_a_sister_is_put_first(project: Path) -> None:
    text = STORE.replace(
        '        if count <= 0:\n            raise ValueError("count must be', "X", 1
    )
    head, _, rest = text.partition("X")
    (project / "shop/store.py").write_text(head + rest.partition("\n")[2], "utf-8")
    made = edited(project, "shop/store.py", "add", ops_fragments.statement, {})
    assert 'if count <= 0:\nraise ValueError("count must be positive")' in made


def test_a_statement_of_another_function_needs_all_that_it_reads(project: Path) -> None:
    made = edited(project, "shop/store.py", "count", ops_fragments.statement, WORDS)
    assert "self._changed = True" in made
    assert "self._items[plain(title)] = count" not in made, "two of its variables are missing"


def test_another_method_of_the_class_takes_as_many_values(project: Path) -> None:
    made = edited(project, "shop/store.py", "restock", ops_fragments.method, {"store": "Store"})
    assert set(made) == {"return store.add(title, 1)"}


def test_what_is_borrowed_costs_more_from_further_away(project: Path) -> None:
    seen = {"text": "str", "name": "str", "text.strip().lower()": "str", "text.strip()": "str"}
    seen |= {"text.title()": "str", "text.casefold()": "str", "text.casefold().strip()": "str"}
    made = edited(project, "shop/names.py", "plain", ops_fragments.expression, seen)
    assert made["return text.title()"] < made["return text.casefold()"]


@pytest.mark.parametrize(
    "text, types",
    [
        *(("str", ("str",)), ("list[int]", ("list",)), ("Optional[str]", ()), ("Any", ())),
        *(("Iterable[str]", ()), ("str | None", ()), ("'Store'", ())),
    ],
)
def test_only_an_annotation_that_values_have_keeps_others_out(
    text: str, types: tuple[str, ...]
) -> None:
    assert annotated(ast.parse(text, mode="eval").body) == types
