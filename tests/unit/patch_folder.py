"""What the patch tests share: folders made from cases and read back, and a recording context.

A case's `files` maps a path to its text (invalid UTF-8 as lone surrogates), to None for an empty
folder, to `{"link": target}`, or to `{"text": ..., "mode": ...}` where the mode is not 0644.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from quire.core.admit import Facts
from quire.core.errors import ToolError
from quire.core.gate import Gate
from quire.core.ports import Invocation, Judgement, ToolResult
from quire.core.writable import writable
from quire.protocol.events import FilesPatched, FileTexts, LiveEvent
from quire.protocol.policy import TurnContext
from quire.protocol.thread import FileChangeItem, ThreadItem
from quire.tools.real_disk import RealDisk

Files = dict[str, Any]
DATA = Path(__file__).parent / "data"
NOBODY = 65534


def load(name: str) -> list[dict[str, Any]]:
    """The cases of a data file, one JSON object a line."""
    return [json.loads(line) for line in (DATA / name).read_text("utf-8").splitlines()]


def build(root: Path, files: Files) -> None:
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if content is None:
            path.mkdir(exist_ok=True)
        elif isinstance(content, dict) and "link" in content:
            path.symlink_to(content["link"])
        else:
            text = content["text"] if isinstance(content, dict) else content
            path.write_bytes(text.encode("utf-8", "surrogateescape"))
            path.chmod(content["mode"] if isinstance(content, dict) else 0o644)


def snapshot(root: Path) -> Files:
    """Everything below `root`, in the shape of `build`; folders only when they are empty."""
    found: Files = {}
    for path in sorted(root.rglob("*")):
        name = str(path.relative_to(root))
        if path.is_symlink():
            found[name] = {"link": os.readlink(path)}
        elif path.is_dir():
            if not any(path.iterdir()):
                found[name] = None
        else:
            text = path.read_bytes().decode("utf-8", "surrogateescape")
            mode = path.stat().st_mode & 0o777
            found[name] = text if mode == 0o644 else {"text": text, "mode": mode}
    return found


@contextmanager
def usual_umask() -> Generator[None]:
    before = os.umask(0o022)
    try:
        yield
    finally:
        os.umask(before)


@contextmanager
def ordinary_user() -> Generator[None]:
    """File permissions hold inside, also when the tests run as root."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)


def give_away(*paths: Path) -> None:
    """Make the paths the ordinary user's own."""
    for path in paths:
        if os.geteuid() == 0:
            os.chown(path, NOBODY, -1, follow_symlinks=False)


class RecordingContext:
    """A `ToolContext` that keeps what was begun and finished."""

    thread_id = "thread"
    turn_id = "turn"

    def __init__(self, turn: TurnContext, milliseconds_a_step: int = 0) -> None:
        self.patched: tuple[FileTexts, ...] = ()
        self.turn = turn
        self.begun: list[FileChangeItem] = []
        self.finished: list[FileChangeItem] = []
        self._now = 1_700_000_000_000
        self._step = milliseconds_a_step

    def now_ms(self) -> int:
        self._now += self._step
        return self._now

    def publish(self, event: LiveEvent) -> None:
        assert isinstance(event, FilesPatched)
        self.patched += event.files

    def begin(self, item: ThreadItem) -> None:
        assert isinstance(item, FileChangeItem)
        self.begun.append(item)

    def finish(self, item: ThreadItem) -> None:
        assert isinstance(item, FileChangeItem)
        self.finished.append(item)


def gate() -> Gate:
    """The real gate over the real disk, without a TMPDIR."""

    def may_write(path: str, turn: TurnContext) -> bool:
        return writable(path, turn, None, RealDisk())

    return Gate(Facts(judge=lambda _: Judgement(), writable=may_write))


def run(invocation: Invocation, ctx: RecordingContext) -> ToolResult:
    return asyncio.run(invocation.run(ctx))


def admitted(invocation: Invocation, ctx: RecordingContext) -> str:
    """Judge and run a call as the loop does; what the model is told."""
    try:
        asyncio.run(gate().admit(invocation, ctx, "c"))
        content = run(invocation, ctx).content
    except ToolError as error:
        return str(error)
    assert isinstance(content, str)
    return content
