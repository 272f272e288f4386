"""The repair search takes what is missing from other functions and modules of the project."""

from __future__ import annotations

from pathlib import Path

from tests.e2e.repair_cases import Case, Repair, repair

KEYS = '''\
"""How the names of things are compared."""


def folded(name):
    words = name.replace("_", " ").split()
    return " ".join(words).casefold()
'''
STOCK = """\
from shop.keys import folded


class Stock:
    def __init__(self):
        self._counts = {}
        self._log = []

    def put(self, name, count):
        if count <= 0:
            raise ValueError(f"nothing to move: {count}")
        self._counts[folded(name)] = self._counts.get(folded(name), 0) + count
        self._log.append(name)

    def take(self, name, count):
        if count <= 0:
            raise ValueError(f"nothing to move: {count}")
        self._counts[folded(name)] -= count
        self._log.append(name)

    def count(self, title):
        return self._counts.get(folded(title), 0)

    def moved(self):
        return len(self._log)
"""
GUARD = """\
        if count <= 0:
            raise ValueError(f"nothing to move: {count}")
        self._counts[folded(name)] -= count
"""
TESTS = """\
import pytest

from shop.stock import Stock


@pytest.fixture
def stock():
    made = Stock()
    made.put("Red  Apple", 5)
    made.put("pear", 1)
    return made


def test_count(stock):
    assert stock.count("red apple") == 5
    assert stock.count("RED_APPLE") == 5


def test_unknown(stock):
    assert stock.count("plum") == 0


def test_take(stock):
    stock.take("red apple", 2)
    assert stock.count("red apple") == 3
    assert stock.moved() == 3


def test_take_nothing(stock):
    with pytest.raises(ValueError):
        stock.take("pear", 0)
    with pytest.raises(ValueError):
        stock.take("pear", -3)


def test_put_nothing(stock):
    with pytest.raises(ValueError):
        stock.put("pear", 0)
"""
KEPT = """\
import pytest

from shop.stock import Stock


def test_all_names_are_folded():
    stock = Stock()
    stock.put(" Kiwi_green", 4)
    stock.put("KIWI GREEN", 1)
    stock.take("kiwi  green", 2)
    assert (stock.count("Kiwi Green"), stock.moved()) == (3, 3)


def test_messages():
    with pytest.raises(ValueError, match="nothing to move: -1"):
        Stock().take("kiwi", -1)
"""


def mended(folder: Path, right: str, wrong: str) -> Repair:
    """With `wrong` for `right`, which stands there once."""
    assert STOCK.count(right) == 1
    files = {
        "shop/__init__.py": "",
        "shop/keys.py": KEYS,
        "shop/stock.py": STOCK.replace(right, wrong),
        "tests/test_stock.py": TESTS,
    }
    return repair(folder, Case("", files, {"tests/test_kept.py": KEPT}))


def changed(result: Repair) -> list[str]:
    return [change["new"].strip() for change in result.found["changes"]]


def test_a_function_of_another_module_is_called_where_it_was_forgotten(tmp_path: Path) -> None:
    result = mended(tmp_path, "self._counts.get(folded(title), 0)", "self._counts.get(title, 0)")
    assert result.found["status"] == "repaired", result.found
    assert changed(result) == ["return self._counts.get(folded(title), 0)"]
    assert result.right


def test_a_guard_of_a_sister_method_is_copied_with_its_words(tmp_path: Path) -> None:
    last = "        self._counts[folded(name)] -= count\n"
    result = mended(tmp_path, GUARD, last)
    assert result.found["status"] == "repaired", result.found
    assert result.right


def test_a_method_of_the_class_of_another_object_is_called(tmp_path: Path) -> None:
    carts = """\
class Cart:
    def __init__(self, prices):
        self.prices = prices

    def _sum(self, prices):
        return sum(prices, 0)

    def net(self, fee):
        return self._sum(self.prices) + fee

    def gross(self, fee):
        return self._sum(self.prices) * 2 + fee * 2
"""
    bills = """\
from carts import Cart


def bill(prices, fee):
    cart = Cart(prices)
    return f"to pay: {fee}", cart.net(fee)
"""
    tests = """\
from bills import bill
from carts import Cart


def test_bill():
    assert bill([1, 2], 3) == ("to pay: 3", 12)


def test_empty():
    assert bill([], 4) == ("to pay: 4", 8)


def test_net():
    assert Cart([4, 5]).net(1) == 10
"""
    kept = "from bills import bill\n\n\ndef test_kept():\n    assert bill([7], 0)[1] == 14\n"
    files = {"carts.py": carts, "bills.py": bills, "test_bills.py": tests}
    result = repair(tmp_path, Case("", files, {"test_kept.py": kept}))
    assert result.found["status"] == "repaired", result.found
    assert changed(result) == ['return f"to pay: {fee}", cart.gross(fee)']
    assert result.right
