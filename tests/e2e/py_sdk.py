"""The official Python SDK (PyPI `openai-codex`) with the binary under test."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any, NamedTuple

from openai_codex import ApprovalMode, Codex, CodexConfig, Sandbox, Thread, TurnHandle
from openai_codex.client import CodexClient
from openai_codex.models import UnknownNotification

from tests.e2e.clients import World


def config(world: World, *overrides: str) -> CodexConfig:
    return CodexConfig(
        codex_bin=world.binary,
        cwd=str(world.project),
        env=world.env,
        config_overrides=overrides,
    )


@contextlib.contextmanager
def codex(world: World, *overrides: str) -> Iterator[Codex]:
    with Codex(config(world, *overrides)) as client, pipes(client._client):
        yield client


@contextlib.contextmanager
def pipes(client: CodexClient) -> Iterator[None]:
    """Closes the pipes that the SDK leaves to the garbage collector, once the process has ended."""
    process = client._proc
    assert process is not None
    try:
        yield
    finally:
        client.close()
        for pipe in (process.stdout, process.stderr):
            assert pipe is not None
            pipe.close()


def start(client: Codex, sandbox: Sandbox = Sandbox.workspace_write, **options: Any) -> Thread:
    return client.thread_start(sandbox=sandbox, approval_mode=ApprovalMode.deny_all, **options)


def kinds(items: list[Any]) -> list[str]:
    return [item.root.type for item in items]


def item(items: list[Any], kind: str) -> Any:
    (found,) = [item.root for item in items if item.root.type == kind]
    return found


class Event(NamedTuple):
    """A notification; which payload comes with which method is the SDK's business."""

    method: str
    payload: Any


def follow(turn: TurnHandle) -> Iterator[Event]:
    """What a turn notifies of, to its end; each must be one that the SDK knows."""
    for event in turn.stream():
        assert not isinstance(event.payload, UnknownNotification), event
        yield Event(event.method, event.payload)
