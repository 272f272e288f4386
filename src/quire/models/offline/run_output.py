"""What pytest and unittest print at the end of a run."""

from __future__ import annotations

import re

from msgspec import Struct

OUT_OF_TIME = 124
"""Exit code of `timeout` when the time was up."""

NO_TESTS = 5


class RunResult(Struct, frozen=True):
    """`passed` and `failed` are counts, as far as they show; failed counts errors too."""

    exit_code: int
    passed: int
    failed: int
    failing: tuple[str, ...]

    @property
    def out_of_time(self) -> bool:
        return self.exit_code == OUT_OF_TIME

    @property
    def all_pass(self) -> bool:
        return self.exit_code == 0 and self.failed == 0

    @property
    def is_empty(self) -> bool:
        """No test was found."""
        return self.exit_code in (0, NO_TESTS) and self.passed == 0 and self.failed == 0


def read_run(text: str, exit_code: int) -> RunResult:
    """Take the counts and the names of failing tests from a run's output."""
    ran = re.findall(r"^Ran (\d+) tests? in ", text, re.MULTILINE)
    if ran:
        failed = sum(int(n) for n in re.findall(r"(?:failures|errors)=(\d+)", text))
        skipped = sum(int(n) for n in re.findall(r"skipped=(\d+)", text))
        found = re.findall(r"^(?:FAIL|ERROR): (\S+)(?: \(([\w.]+)\))?", text, re.MULTILINE)
        names = [_full_name(name, place) for name, place in found]
        passed = max(int(ran[-1]) - failed - skipped, 0)
        return RunResult(exit_code, passed, failed, tuple(dict.fromkeys(names)))
    passed = _count(text, "passed")
    failed = _count(text, "failed") + _count(text, "error")
    names = re.findall(r"^(?:FAILED|ERROR) ([^\s\[]+(?:\[.*?\])?)(?: - |$)", text, re.MULTILINE)
    return RunResult(exit_code, passed, failed, tuple(dict.fromkeys(names)))


def _full_name(name: str, place: str) -> str:
    """`tests.test_a.TestB.test_c` from what different versions of unittest print."""
    if not place or place.endswith(f".{name}"):
        return place or name
    return f"{place}.{name}"


def _count(text: str, word: str) -> int:
    """The number before a word in the last line that has one: `3 failed, 10 passed in 0.1s`."""
    found = re.findall(rf"\b(\d+) {word}s?\b", text)
    return int(found[-1]) if found else 0
