"""The repair search in whole projects: several faults at once, state, what is preferred."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.e2e.repair_cases import Case, Repair, program, repair, search, write


def mended(folder: Path, code: str, tests: str, kept: str) -> Repair:
    """Repair `shop.py`; `kept` are tests that the search does not see."""
    head = "from shop import *\n\n"
    return repair(
        folder,
        Case("", {"shop.py": code, "test_shop.py": head + tests}, {"test_kept.py": head + kept}),
    )


def new_lines(result: Repair) -> list[str]:
    hunks = [hunk for change in result.found["changes"] for hunk in change["hunks"]]
    return [line.strip() for h in hunks for line in h["new"] if line not in h["old"]]


TWO = """\
def least(items):
    best = items[0]
    for item in items:
        if item > best:
            best = item
    return best


def padded(text, width):
    return " " * (width + len(text)) + text
"""
TWO_TESTS = """\
def test_least():
    assert least([3, 1, 2]) == 1
    assert least([5]) == 5

def test_least_of_words():
    assert least(["b", "a"]) == "a"

def test_padded():
    assert padded("ab", 4) == "  ab"

def test_padded_fits():
    assert padded("abc", 3) == "abc"

def test_none():
    assert least([7, 7]) == 7
"""


def test_two_faults_in_different_functions_are_both_repaired(tmp_path: Path) -> None:
    kept = "def test_kept():\n    assert (least([2, -1, 0]), padded('', 2)) == (-1, '  ')\n"
    result = mended(tmp_path, TWO, TWO_TESTS, kept)
    assert result.found["status"] == "repaired", result.found
    assert result.right
    assert new_lines(result) == ["if item < best:", 'return " " * (width - len(text)) + text']


def test_two_faults_that_one_test_sees_are_both_repaired(tmp_path: Path) -> None:
    tests = """\
def test_both():
    assert padded(least(["b", "a", "c"]), 3) == "  a"

def test_least():
    assert least([3, 1, 2]) == 1
"""
    kept = "def test_kept():\n    assert (least([2, -1, 0]), padded('', 2)) == (-1, '  ')\n"
    result = mended(tmp_path, TWO, tests, kept)
    assert result.found["status"] == "repaired", result.found
    assert result.right


STATE = """\
def settle(stock, name, count):
    stock[name] = stock.get(name, 0) + count
    return stock[name]


def add(basket, names):
    for name in names:
        basket.append(name)
    return len(names)
"""
STATE_TESTS = """\
import pytest

STOCK = {"apple": 3, "pear": 0}
BASKET = ["plum"]

def test_apple():
    assert settle(dict(STOCK), "apple", 2) == 1

def test_pear():
    assert settle(dict(STOCK), "pear", 1) == -1

def test_stock_is_whole():
    assert STOCK == {"apple": 3, "pear": 0}
    assert BASKET == ["plum"]

def test_shared():
    before = settle(STOCK, "apple", 0)
    assert settle(STOCK, "apple", 1) == before - 1
    STOCK["apple"] = before

def test_basket():
    assert add(BASKET, ["fig", "date"]) == 3
    del BASKET[1:]
"""


def test_what_a_candidate_does_to_the_values_of_a_test_file_is_undone(tmp_path: Path) -> None:
    """Most candidates leave the dict and the list of the test file changed when they fail."""
    kept = "def test_kept():\n    basket = [1, 2]\n    assert add(basket, ['x']) == 3\n"
    kept += (
        "    stock = {}\n    assert settle(stock, 'x', 4) == -4\n    assert stock == {'x': -4}\n"
    )
    result = mended(tmp_path, STATE, STATE_TESTS, kept)
    assert result.found["status"] == "repaired", result.found
    assert result.right
    assert new_lines(result) == [
        "stock[name] = stock.get(name, 0) - count",
        "return len(basket)",
    ]


EQUAL = """\
class Money:
    def __init__(self, cents, unit):
        self.cents = cents
        self.unit = unit

    def __eq__(self, other):
        return self.cents == other.cents and self.unit == other.unit

    def times(self, count):
        return Money(self.cents + count, self.unit)
"""


def test_what_tests_judge_by_is_not_weakened(tmp_path: Path) -> None:
    """`or` for `and` in `__eq__` makes these tests pass, too."""
    tests = """\
def test_times():
    assert Money(250, "EUR").times(3) == Money(750, "EUR")

def test_once():
    assert Money(3, "USD").times(1) == Money(3, "USD")

def test_other():
    assert not Money(1, "EUR") == Money(2, "USD")
"""
    kept = "def test_kept():\n    assert Money(5, 'EUR').times(4).cents == 20\n"
    result = mended(tmp_path, EQUAL, tests, kept)
    assert result.found["status"] == "repaired", result.found
    assert new_lines(result) == ["return Money(self.cents * count, self.unit)"]
    assert result.right


@pytest.mark.parametrize("used", ["count", "zcount"])
def test_a_parameter_that_nothing_reads_is_the_likely_repair(used: str, tmp_path: Path) -> None:
    """With the values of these tests, the other parameter would do as well."""
    code = f"def total(price, {used}, fee):\n    return price * {used} + price\n"
    tests = """\
def test_total():
    assert total(10, 3, 3) == 33

def test_less():
    assert total(5, 2, 2) == 12
"""
    result = mended(tmp_path, code, tests, "def test_kept():\n    assert total(4, 2, 7) == 15\n")
    assert result.found["status"] == "repaired", result.found
    assert new_lines(result) == [f"return price * {used} + fee"]
    assert result.right


def test_property_tests_are_mended_with_few_examples(tmp_path: Path) -> None:
    code = "def doubled(numbers):\n    return [n + n for n in numbers[1:]]\n"
    test = (
        "from hypothesis import given, strategies as st\n\nfrom lists import doubled\n\n\n"
        "@given(st.lists(st.integers()))\ndef test_every_number(numbers):\n"
        "    assert doubled(numbers) == [2 * n for n in numbers]\n"
    )
    write(tmp_path, {"lists.py": code, "test_lists.py": test})
    found = search(tmp_path, program(tmp_path, "look"))
    assert found["status"] == "repaired"
    assert found["changes"][0]["new"] == "return [n + n for n in numbers]"
    assert snapshot_of(tmp_path) == ["lists.py", "test_lists.py"]


def test_the_settings_of_a_project_for_property_tests_are_calmed_too(tmp_path: Path) -> None:
    """Its own profile, loaded while tests are collected, would look for 5000 examples and make
    failing ones smaller, for each candidate."""
    code = "def halves(numbers):\n    middle = len(numbers) // 3\n"
    code += "    return numbers[:middle], numbers[middle:]\n"
    conftest = (
        "from hypothesis import settings\n\n"
        'settings.register_profile("ours", max_examples=5000, deadline=None)\n'
        'settings.load_profile("ours")\n'
    )
    test = (
        "from hypothesis import given, strategies as st\n\nfrom lists import halves\n\n\n"
        "@given(st.lists(st.integers(), max_size=30))\ndef test_halves(numbers):\n"
        "    one, two = halves(numbers)\n    assert one + two == numbers\n"
        "    assert 0 <= len(two) - len(one) <= 1\n"
    )
    write(tmp_path, {"lists.py": code, "conftest.py": conftest, "test_lists.py": test})
    found = search(tmp_path, program(tmp_path, "look"), 15)
    assert found["status"] == "repaired"
    assert found["changes"][0]["new"] == "middle = len(numbers) // 2"


def test_a_property_that_fails_for_few_examples_is_seen_to_fail(tmp_path: Path) -> None:
    """With the twenty examples that candidates get, it passes."""
    code = "def is_late(hour):\n    return hour > 77\n"
    test = (
        "from hypothesis import given, strategies as st\n\nfrom hours import is_late\n\n\n"
        "@given(st.integers(0, 80))\ndef test_late(hour):\n"
        "    assert is_late(hour) == (77 <= hour)\n"
    )
    write(tmp_path, {"hours.py": code, "test_hours.py": test})
    found = search(tmp_path, program(tmp_path, "look"), 15)
    assert found["status"] == "repaired"
    assert found["changes"][0]["new"] == "return hour >= 77"


def test_examples_in_docstrings_are_run_where_hypothesis_is_there(tmp_path: Path) -> None:
    code = (
        "import hypothesis\n\n\n"
        'def doubled(number):\n    """Twice.\n\n    >>> doubled(4)\n    8\n    """\n'
        "    return number * 3\n"
    )
    write(tmp_path, {"twice.py": code})
    found = search(tmp_path, program(tmp_path, "look"), 15)
    assert (found["status"], found["tests"]["total"]) == ("repaired", 1)
    assert found["changes"][0]["new"] == "return number * 2"


UNFIT = """\
from shop import *


def test_least():
    assert least([3, 1, 2]) == 1


def test_least_of_one():
    assert least([5]) == 5


def test_nobody_can_mend_this():
    assert least([2, 1]) + least([2, 1]) == 3


def test_least_of_words():
    assert least(["b", "a"]) == "a"
"""


def test_a_test_that_no_edit_can_mend_does_not_keep_others_from_it(tmp_path: Path) -> None:
    write(tmp_path, {"shop.py": TWO.partition("\n\n\n")[0] + "\n", "test_shop.py": UNFIT})
    found = search(tmp_path, program(tmp_path, "look"), 12)
    assert (found["status"], found["fixed"]) == ("partly", 2), found
    assert found["changes"][0]["new"] == "if item < best:"


def test_a_constant_of_a_module_is_mended_and_what_is_made_of_it(tmp_path: Path) -> None:
    table = 'BASE = {"k": 10, "m": 10}\nALL = {**BASE, "": 0}\n'
    code = "from table import ALL\n\n\ndef bits(unit):\n    return 2 ** ALL[unit]\n"
    test = (
        "from sizes import bits\n\n\ndef test_bits():\n"
        '    assert [bits(u) for u in ("", "k", "m")] == [1, 2 ** 10, 2 ** 20]\n'
    )
    write(tmp_path, {"table.py": table, "sizes.py": code, "test_sizes.py": test})
    found = search(tmp_path, program(tmp_path, "look"))
    assert found["status"] == "repaired"
    assert (found["changes"][0]["path"], found["changes"][0]["new"]) == (
        "table.py",
        'BASE = {"k": 10, "m": 20}',
    )


def snapshot_of(folder: Path) -> list[str]:
    return sorted(p.name for p in folder.iterdir())
