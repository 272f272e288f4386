"""Constants of modules swapped in place; plain fixtures; which functions lead to a failing line."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Generator, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from quire.models.offline.quire_repair.baseline import Fact
from quire.models.offline.quire_repair.constants import Constants
from quire.models.offline.quire_repair.fixtures import made, plain_fixtures
from quire.models.offline.quire_repair.flow import leading_to
from quire.models.offline.quire_repair.localise import ochiai, spectra
from quire.models.offline.quire_repair.sources import Edit, Source, read_source
from tests.unit.search_timer import search_timer as search_timer

TABLE = """\
import re

BASE = {"k": 10, "m": 10}
ALL = {**BASE, "": 1}
SIZES: dict = {name: value * 2 for name, value in ALL.items()}
WORD = re.compile("[a-z]")
TITLE = repr(5)
STEP = 3


class Unit:
    step = STEP


def factor(name, table=ALL):
    return BASE[name]
"""


@pytest.fixture
def source(tmp_path: Path) -> Iterator[Source]:
    (tmp_path / "table_under_test.py").write_text(TABLE)
    (tmp_path / "user_under_test.py").write_text("from table_under_test import SIZES\n")
    sys.path.insert(0, str(tmp_path))
    importlib.import_module("user_under_test")
    found = read_source(str(tmp_path), "table_under_test.py")
    assert found is not None
    yield found
    sys.path.remove(str(tmp_path))
    for name in ("user_under_test", "table_under_test"):
        del sys.modules[name]


def edit(source: Source, old: str, new: str) -> Edit:
    start = source.text.index(old)
    return Edit(source.path, -1, start, start + len(old), new, "test", 1.0)


def test_a_constant_and_what_is_made_of_it_are_swapped_and_put_back(source: Source) -> None:
    source.text = source.text.replace(", table=ALL", "")
    source = Source(source.root, source.path, source.text)
    constants = Constants({source.path: source})
    change = edit(source, '"m": 10', '"m": 20')
    assert constants.knows(change)
    module, user = sys.modules["table_under_test"], sys.modules["user_under_test"]
    before = dict(vars(module))
    assert constants.swap(source.path, [change])
    assert module.BASE == {"k": 10, "m": 20}
    assert module.ALL["m"] == 20
    assert user.SIZES == {"k": 20, "m": 40, "": 2}
    assert module.factor("m") == 20
    constants.restore()
    assert all(vars(module)[name] is value for name, value in before.items())
    assert user.SIZES is module.SIZES
    assert user.SIZES["m"] == 20


@pytest.mark.parametrize(
    ("old", "new", "known"),
    [
        ('"m": 10', '"m": 20', False),  # A default was made of it.
        ('"[a-z]"', '"[A-Z]"', True),
        ("repr(5)", "repr(6)", False),
        ("= 3", "= 4", False),  # A class was made of it.
        ("BASE[name]", "ALL[name]", False),
    ],
)
def test_only_assignments_that_can_be_run_again(
    source: Source, old: str, new: str, known: bool
) -> None:
    assert Constants({source.path: source}).knows(edit(source, old, new)) is known


def test_what_cannot_be_run_is_no_candidate(source: Source) -> None:
    constants = Constants({source.path: source})
    for new in ('"[a-z"', "(", "1 / 0"):
        assert not constants.swap(source.path, [edit(source, '"[a-z]"', new)])
        constants.restore()
    assert sys.modules["table_under_test"].WORD.pattern == "[a-z]"


# --- fixtures --------------------------------------------------------------------------------


def definition(function: Any, *needs: str, scope: str = "function", params: Any = None) -> list:
    return [SimpleNamespace(func=function, argnames=needs, scope=scope, params=params)]


def test_plain_fixtures_are_made_in_order_and_ended_backwards() -> None:
    ended: list[str] = []

    def first() -> Generator[int, None, None]:
        yield 1
        ended.append("first")

    def second(first: int, given: int) -> Generator[int, None, None]:
        yield first + given
        ended.append("second")

    known = {"second": definition(second, "first", "given"), "first": definition(first)}
    fixtures = plain_fixtures(["second"], known, {"given"})
    assert fixtures is not None
    with made(fixtures, {"given": 5}) as values:
        assert values["second"] == 6
    assert ended == ["second", "first"]


def test_folders_and_patches_need_no_pytest() -> None:
    fixtures = plain_fixtures(["tmp_path", "monkeypatch"], {}, set())
    assert fixtures is not None
    with made(fixtures, {}) as values:
        folder = values["tmp_path"]
        (folder / "a").write_text("x")
        values["monkeypatch"].setenv("QUIRE_TEST_OF_FIXTURES", "1")
    assert not folder.exists()
    assert "QUIRE_TEST_OF_FIXTURES" not in os.environ


def test_what_needs_pytest_is_left_to_it() -> None:
    def plain() -> int:
        return 1

    async def later() -> int:
        return 1

    for known in (
        {"a": definition(plain, scope="module")},
        {"a": definition(plain, params=[1, 2])},
        {"a": definition(plain, "request")},
        {"a": definition(later)},
        {"a": definition(plain) * 2},
        {},
    ):
        assert plain_fixtures(["a"], known, set()) is None


# --- data flow and formulas ------------------------------------------------------------------

TEST = """\
def test_total():
    cart = Cart()
    other = unrelated()
    cart.add(make("pear"), 2)
    if other:
        note(other)
    total = cart.total(tax())
    assert rounded(total) == 5
"""


def test_functions_that_lead_to_a_failing_line() -> None:
    found = leading_to(Source("", "t.py", TEST), 8)
    assert found["rounded"] == 1.0
    assert found["total"] == found["tax"] == 0.6
    assert found["add"] == found["make"] == found["Cart"] == pytest.approx(0.36)
    assert not {"unrelated", "note"} & set(found)
    assert leading_to(Source("", "t.py", "x = 1\n"), 1) == {}


def test_formulas_agree_on_the_extremes_and_order_the_rest() -> None:
    def fact(status: str) -> Fact:
        return Fact("t", "t.py", status, 0.0, 0.0, "", "", ())

    facts = {0: fact("fail"), 1: fact("fail"), 2: fact("pass"), 3: fact("pass")}
    covered = {0: {("a", 1), ("a", 2)}, 1: {("a", 1)}, 2: {("a", 2), ("a", 3)}, 3: {("a", 3)}}
    scores = spectra(facts, covered)
    assert scores["a", 1] == 1.0
    assert 0.0 < scores["a", 2] < 1.0
    assert ("a", 3) not in scores
    assert ochiai(facts, covered)["a", 2] == 0.5
