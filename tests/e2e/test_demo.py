"""`quire demo`: real tests, a real mistake, a real repair."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.e2e.quire import Place


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def test_the_demo_repairs_its_project_and_leaves_nothing_behind(place: Place) -> None:
    result = place.run("demo")
    assert result.code == 0, result.err
    assert "+        if quantity >= least:" in result.out
    assert "-        if quantity > least:" in result.out
    assert "Repaired: all 11 tests pass; 3 failed before." in result.out
    assert "not a language model" in result.err
    folder = result.out.splitlines()[0].rpartition(": ")[2]
    assert not Path(folder).exists()


def test_another_mistake_gets_another_repair(place: Place, tmp_path: Path) -> None:
    shop = tmp_path / "shop"
    assert place.run("demo", "--dir", str(shop)).code == 0
    money = shop / "shop" / "money.py"
    text = money.read_text()
    money.write_text(text.replace("int(whole) * 100 +", "int(whole) * 100 -"))
    assert money.read_text() != text
    result = place.run("demo", "--dir", str(shop))
    assert result.code == 0, result.err
    assert "Made a repository" not in result.out
    assert money.read_text() == text


def test_a_mistake_that_no_small_edit_repairs_is_reported(place: Place, tmp_path: Path) -> None:
    shop = tmp_path / "shop"
    assert place.run("demo", "--dir", str(shop)).code == 0
    discounts = shop / "shop" / "discounts.py"
    discounts.write_text(
        '"""Nothing left."""\n\n\ndef line_total(price, quantity):\n    return 7\n'
    )
    before = discounts.read_text()
    result = place.run("demo", "--dir", str(shop))
    assert result.code != 0
    assert "Repaired" not in result.out
    assert discounts.read_text() == before


def test_a_folder_with_other_files_is_refused(place: Place, tmp_path: Path) -> None:
    folder = tmp_path / "full"
    folder.mkdir()
    (folder / "notes.txt").write_text("mine")
    result = place.run("demo", "--dir", str(folder))
    assert result.code == 1
    result.assert_one_line(str(folder))
    assert [path.name for path in folder.iterdir()] == ["notes.txt"]
