"""The timer of the search's processes, for tests that call `attempt` in this one."""

from __future__ import annotations

import signal
from collections.abc import Iterator

import pytest

from quire.models.offline.quire_repair.limits import install_timer


@pytest.fixture(autouse=True)
def search_timer() -> Iterator[None]:
    """Installed for each test of a module that imports this; put back afterwards."""
    numbers = (signal.SIGVTALRM, signal.SIGALRM)
    before = [signal.getsignal(number) for number in numbers]
    install_timer()
    yield
    for number, handler in zip(numbers, before, strict=True):
        signal.signal(number, handler)
