"""The server under test: one process for each file, and others where a test needs its own.

A test marked `ours_only(reason)` is about something that Quire does otherwise than Codex 0.169 on
purpose; with another program in `QUIRE_PROTOCOL_CMD` it is left out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from quire.testing.responses_server import ResponsesServer
from tests.protocol.program import Program, is_ours
from tests.protocol.talk import Talk

NewProgram = Callable[..., Program]
NewTalk = Callable[..., Talk]


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "ours_only(reason): Quire differs on purpose")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    left_out = [item for item in items if item.get_closest_marker("ours_only") is not None]
    if left_out and not is_ours():
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in left_out]


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Program]]:
    """The program of this file, under the name `program`; a test that fails takes it away."""
    kept: dict[str, Program] = {}
    yield kept
    for program in kept.values():
        program.close()


@pytest.fixture(scope="module")
def model() -> Iterator[ResponsesServer]:
    with ResponsesServer() as server:
        yield server


@pytest.fixture
def program(
    shared: dict[str, Program],
    model: ResponsesServer,
    tmp_path_factory: pytest.TempPathFactory,
    request: pytest.FixtureRequest,
) -> Iterator[Program]:
    """A server that was greeted and asks the scripted model."""
    if "program" not in shared:
        shared["program"] = Program(tmp_path_factory.mktemp("program") / "home", model)
        shared["program"].initialize()
    yield shared["program"]
    if request.session.testsfailed and request.node.stash.get(FAILED, False):
        shared.pop("program").close()


FAILED = pytest.StashKey[bool]()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    report = yield
    if report.failed:
        item.stash[FAILED] = True
    return report


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An empty folder to work in."""
    made = tmp_path / "work"
    made.mkdir()
    return made


@pytest.fixture
def talk(program: Program, folder: Path) -> Talk:
    """A new thread that asks nobody."""
    return Talk(program, folder)


@pytest.fixture
def new_talk(program: Program, folder: Path) -> NewTalk:
    """Starts threads with the given members of `thread/start`."""
    return lambda **params: Talk(program, folder, **params)


@pytest.fixture
def new_program(tmp_path: Path, model: ResponsesServer) -> Iterator[NewProgram]:
    """Starts other processes, each with a new home: `new_program(settings="…")`."""
    with ExitStack() as stack:
        count = iter(range(100))

        def start(home: Path | None = None, settings: str = "") -> Program:
            place = home or tmp_path / f"home{next(count)}"
            return stack.enter_context(Program(place, model, settings=settings))

        yield start
