"""Locks that another program keeps: a command in the sandbox can take any that it can read."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from quire.config.rules.store import remember
from quire.config.user_file import locked_user_file
from quire.core.errors import QuireError
from quire.rollout.queue import MessageQueue
from quire.server.daemon import Daemon

THREAD = "01a1f874-cfed-77b3-bd86-3ac47aebb23e"


@contextmanager
def held(path: Path) -> Iterator[None]:
    fd = os.open(path, os.O_RDONLY)
    fcntl.flock(fd, fcntl.LOCK_SH)
    try:
        yield
    finally:
        os.close(fd)


def set_config(home: str) -> None:
    with locked_user_file(home) as file:
        file.replace(b"")


def allow(home: str) -> None:
    remember(home, [("git", "status")])


def enqueue(home: str) -> None:
    MessageQueue(home).add(THREAD, b"[]", "")


@pytest.mark.parametrize(
    ("change", "locked"), [(set_config, ""), (allow, "rules"), (enqueue, "queue")]
)
def test_a_lock_that_is_kept_is_not_waited_for_without_end(
    change: Callable[[str], None], locked: str, tmp_path: Path
) -> None:
    change(str(tmp_path))
    with (
        held(tmp_path / locked),
        pytest.raises(QuireError, match="another program keeps it locked"),
    ):
        change(str(tmp_path))
    change(str(tmp_path))


def test_the_lock_of_the_daemon_neither(tmp_path: Path) -> None:
    daemon = Daemon(str(tmp_path), patience=0.1)
    assert daemon.stop() is False
    with (
        held(tmp_path / "app-server-daemon" / "daemon.lock"),
        pytest.raises(QuireError, match="kept locked by another program"),
    ):
        daemon.stop()
