"""P000: the numbers of this suite."""

from __future__ import annotations

import re
from pathlib import Path

TESTS = sorted(Path(__file__).parent.glob("test_*.py"))


def test_p000_every_test_has_a_number_of_its_own() -> None:
    for file in TESTS:
        names = re.findall(r"(?m)^def (test_\w+)", file.read_text("utf-8"))
        assert names
        assert all(re.match(r"test_p\d{3}_", name) for name in names), file.name
    numbers = [n for f in TESTS for n in re.findall(r"(?m)^def test_p(\d{3})_", f.read_text())]
    assert len(numbers) == len(set(numbers)) > 100


def test_p999_files_say_which_numbers_they_hold() -> None:
    for file in TESTS:
        text = file.read_text("utf-8")
        numbers = re.findall(r"(?m)^def test_p(\d{3})_", text)
        if len(numbers) > 2:
            assert text.startswith(f'"""P{numbers[0]}-P{numbers[-1]}: '), file.name
            assert numbers == sorted(numbers), file.name
