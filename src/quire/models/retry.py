"""Whether and when to try again: counts the tries of one request. Pure but for clock and dice.

Two budgets, as Codex 0.169 has them: a few silent requests (`request_max_retries`) within each of
the announced streams (`stream_max_retries`). A missing network has neither: it is waited out.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Awaitable, Callable

from msgspec import Struct

from quire.core.ports import Retrying
from quire.models.failures import Failure
from quire.models.provider import ProviderConfig

FIRST_DELAY = 0.2
LONGEST_NETWORK_DELAY = 5.0
LONGEST_WAIT = 300.0  # whatever a server asks for
_QUIET_WAIT = 2.0  # a silent retry that waits longer is announced
_NEWS_EVERY = 10.0  # seconds between two announcements of the same missing network


def _random() -> float:
    return int.from_bytes(os.urandom(4), "big") / 2**32


class Timing(Struct, frozen=True):
    """Clock and dice. `monotonic` and `sleep` are in seconds; `random` gives numbers in [0, 1)."""

    monotonic: Callable[[], float] = time.monotonic
    random: Callable[[], float] = _random
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep


class Pause(Struct, frozen=True):
    """Wait `seconds`, then try again; `news` is for people, if there is any."""

    seconds: float
    news: Retrying | None = None


class Tries:
    """The tries of one request. `failed` is called after each that failed."""

    def __init__(self, provider: ProviderConfig, broken: int, timing: Timing) -> None:
        """`broken` streams went before."""
        self._provider = provider
        self._streams = broken
        self._requests = 0
        self._timing = timing
        self._offline_since: float | None = None
        self._offline_tries = 0
        self._last_news = 0.0

    def connected(self) -> None:
        """A connection was made: the network is there."""
        self._offline_since = None
        self._offline_tries = 0

    def failed(self, failure: Failure, *, resumable: bool = True) -> Pause:
        """What to do after `failure`. Raises `ModelError` when nothing is left to try.
        `resumable=False`: an item was complete, so a silent retry is out of the question."""
        if failure.remedy == "none":
            raise failure.final()
        if failure.remedy == "network":
            return self._wait_for_network(failure)
        self.connected()
        if (
            failure.remedy == "request"
            and resumable
            and self._requests < self._provider.request_max_retries
        ):
            self._requests += 1
            seconds = self._delay(failure, self._requests)
            news = None
            if seconds > _QUIET_WAIT:
                news = Retrying(f"Waiting {seconds:.0f} s ({failure})", failure.info)
            return Pause(seconds, news)
        self._requests = 0
        if self._streams >= self._provider.stream_max_retries:
            raise failure.final()
        self._streams += 1
        message = f"Reconnecting... {self._streams}/{self._provider.stream_max_retries} ({failure})"
        return Pause(self._delay(failure, self._streams), Retrying(message, failure.info))

    def _delay(self, failure: Failure, count: int) -> float:
        if failure.wait is not None:
            return min(failure.wait, LONGEST_WAIT)
        return self._jittered(FIRST_DELAY * 2 ** min(count - 1, 10))

    def _jittered(self, seconds: float) -> float:
        return seconds * (0.9 + 0.2 * self._timing.random())

    def _wait_for_network(self, failure: Failure) -> Pause:
        now = self._timing.monotonic()
        if self._offline_since is None:
            self._offline_since = now
            self._last_news = now - _NEWS_EVERY
        left = self._offline_since + self._provider.connect_timeout_s - now
        if left <= 0:
            raise failure.final()
        seconds = self._jittered(FIRST_DELAY * 2 ** min(self._offline_tries, 10))
        seconds = min(seconds, LONGEST_NETWORK_DELAY, left)
        self._offline_tries += 1
        news = None
        if now - self._last_news >= _NEWS_EVERY:
            self._last_news = now
            news = Retrying(
                f"Reconnecting... waiting for network (Connection failed: {failure.cause})",
                failure.info,
            )
        return Pause(seconds, news)
