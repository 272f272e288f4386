"""`quire.client` against the whole server in this process and a scripted model."""

from __future__ import annotations

import asyncio
import contextlib
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from quire.client import (
    AgentMessageDelta,
    ApprovalRequest,
    CallRefused,
    CannotConnect,
    ClientError,
    CommandExecution,
    ConnectionLost,
    Decision,
    FileChange,
    ItemCompleted,
    ItemStarted,
    QuestionDeclined,
    Quire,
    Thread,
    TurnCompleted,
    TurnFailed,
    TurnStarted,
    UncommittedChangesReviewTarget,
)
from quire.testing.responses_server import ResponsesServer
from tests.e2e.quire import Place
from tests.loops import in_loop

ESCALATE = {"sandbox_permissions": "require_escalated", "justification": "it must"}


@pytest.fixture
def server() -> Iterator[ResponsesServer]:
    with ResponsesServer([]) as server:
        yield server


@pytest.fixture
def place(tmp_path: Path, server: ResponsesServer) -> Place:
    place = Place(tmp_path)
    place.configure(server)
    return place


def quire(place: Place) -> Quire:
    """A client with the server in this process."""
    return Quire(home=str(place.home), cwd=str(place.repo), env=place.environment())


async def asking(q: Quire, place: Place) -> Thread:
    return await q.thread(
        cwd=str(place.repo), sandbox="workspace-write", approval_policy="on-request"
    )


def patch_outside(place: Place) -> tuple[Path, dict]:
    target = place.repo.parent / "outside.txt"
    return target, {"patch": f"*** Begin Patch\n*** Add File: {target}\n+hi\n*** End Patch\n"}


@in_loop
async def test_a_turn_is_its_events_in_order(place: Place, server: ResponsesServer) -> None:
    server.swap([{"sh": "echo hi"}, {"text": "A long answer that comes in several pieces."}])
    async with quire(place) as q:
        thread = await q.thread(cwd=str(place.repo), sandbox="workspace-write")
        run = thread.run("go")
        events = [event async for event in run]
    kinds = [type(event) for event in events]
    assert kinds.index(TurnStarted) < kinds.index(ItemStarted) < kinds.index(ItemCompleted)
    assert isinstance(events[-1], TurnCompleted)
    deltas = "".join(event.delta for event in events if isinstance(event, AgentMessageDelta))
    assert run.outcome.text == deltas == "A long answer that comes in several pieces."
    commands = [item for item in run.outcome.items if isinstance(item, CommandExecution)]
    assert [(item.exit_code, item.aggregated_output) for item in commands] == [(0, "hi\n")]


@in_loop
async def test_a_result_has_text_usage_and_items(place: Place, server: ResponsesServer) -> None:
    server.swap([patch_inside(), {"text": "done"}])
    async with quire(place) as q:
        thread = await asking(q, place)
        result = await thread.ask("go")
    changes = [item.changes for item in result.items if isinstance(item, FileChange)]
    assert [(one.path, one.diff) for (one,) in changes] == [
        (str(place.repo / "new.txt"), "new line\n")
    ]
    assert (result.status, result.text, result.declined) == ("completed", "done", ())
    assert result.usage is not None and result.usage.total.total_tokens == 2100


def patch_inside() -> dict:
    return {"patch": "*** Begin Patch\n*** Add File: new.txt\n+new line\n*** End Patch\n"}


@in_loop
async def test_a_failed_turn_raises_with_what_there_is(
    place: Place, server: ResponsesServer
) -> None:
    server.swap([{"sh": "echo hi"}, {"status": 400, "error": "no such thing"}])
    async with quire(place) as q:
        thread = await asking(q, place)
        with pytest.raises(TurnFailed, match="no such thing") as caught:
            await thread.ask("go")
    assert caught.value.result.status == "failed"
    assert any(isinstance(item, CommandExecution) for item in caught.value.result.items)


# --- questions -------------------------------------------------------------------------------


@in_loop
async def test_without_a_callback_questions_are_declined_and_said(
    place: Place, server: ResponsesServer
) -> None:
    target, patch = patch_outside(place)
    server.swap([{"sh": "echo out", "args": ESCALATE}, patch, {"text": "ok"}])
    async with quire(place) as q:
        thread = await asking(q, place)
        run = thread.run("go")
        said = [event async for event in run if isinstance(event, QuestionDeclined)]
    kinds = [e.request.kind for e in said if isinstance(e.request, ApprovalRequest)]
    assert kinds == ["command", "patch"]
    assert run.outcome.declined == tuple(said)
    assert run.outcome.text == "ok" and not target.exists()


@in_loop
async def test_a_callback_sees_the_command_and_the_changes(
    place: Place, server: ResponsesServer
) -> None:
    target, patch = patch_outside(place)
    server.swap([{"sh": "echo out", "args": ESCALATE}, patch, {"text": "ok"}])
    asked: list[ApprovalRequest] = []

    async def approve(request: ApprovalRequest) -> Decision:
        asked.append(request)
        return "accept"

    async with quire(place) as q:
        thread = await q.thread(
            cwd=str(place.repo),
            sandbox="workspace-write",
            approval_policy="on-request",
            approve=approve,
        )
        result = await thread.ask("go")
    command, change = asked
    assert (command.kind, command.reason) == ("command", "it must")
    assert "echo out" in (command.command or "")
    assert [(one.path, one.diff) for one in change.changes] == [(str(target), "hi\n")]
    assert target.read_text() == "hi\n" and result.declined == ()


@in_loop
async def test_cancel_ends_the_turn(place: Place, server: ResponsesServer) -> None:
    server.swap([{"sh": "echo out", "args": ESCALATE}, {"text": "never"}])

    async def approve(request: ApprovalRequest) -> Decision:
        return "cancel"

    async with quire(place) as q:
        thread = await q.thread(cwd=str(place.repo), approval_policy="on-request", approve=approve)
        assert (await thread.ask("go")).status == "interrupted"


@pytest.mark.parametrize("answer", ["raise", "perhaps"])
@in_loop
async def test_a_failing_callback_ends_the_run_with_its_error(
    place: Place, server: ResponsesServer, answer: str
) -> None:
    server.swap([{"sh": "echo out", "args": ESCALATE}, {"text": "never"}])

    async def approve(request: ApprovalRequest) -> Decision:
        if answer == "raise":
            raise KeyError("mine")
        return msgspec.convert(answer, Any)  # A caller without types.

    async with quire(place) as q:
        thread = await q.thread(cwd=str(place.repo), approval_policy="on-request", approve=approve)
        with pytest.raises(KeyError if answer == "raise" else TypeError):
            await thread.ask("go")
        assert (await thread.read()).turns[-1].status == "interrupted"


# --- stopping --------------------------------------------------------------------------------


async def started(thread: Thread) -> None:
    """Leave a run as soon as its command runs."""
    async for event in thread.run("go"):
        if isinstance(event, ItemStarted) and isinstance(event.item, CommandExecution):
            break


async def ended(thread: Thread) -> str:
    """The status of the newest turn once it does not run any more."""
    async with asyncio.timeout(10):
        while (status := (await thread.read()).turns[-1].status) == "inProgress":
            await asyncio.sleep(0.01)
    return status


@in_loop
async def test_leaving_a_run_interrupts_the_turn(place: Place, server: ResponsesServer) -> None:
    server.swap([{"sh": "sleep 30"}, {"text": "never"}])
    async with quire(place) as q:
        thread = await asking(q, place)
        await started(thread)
        assert await ended(thread) == "interrupted"
        server.swap([{"text": "again"}])
        assert (await thread.ask("and now")).text == "again"


@in_loop
async def test_a_held_run_has_ended_when_it_is_left(place: Place, server: ResponsesServer) -> None:
    server.swap([{"sh": "sleep 30"}, {"text": "never"}])
    async with quire(place) as q:
        thread = await asking(q, place)
        async with thread.run("go") as run:
            async for event in run:
                if isinstance(event, ItemStarted) and isinstance(event.item, CommandExecution):
                    break
        assert run.outcome.status == "interrupted"
        assert (await thread.read()).turns[-1].status == "interrupted"


@in_loop
async def test_a_cancellation_interrupts_the_turn(place: Place, server: ResponsesServer) -> None:
    server.swap([{"sh": "sleep 30"}, {"text": "never"}])
    async with quire(place) as q:
        thread = await asking(q, place)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.5):
                await thread.ask("go")
        assert (await thread.read()).turns[-1].status == "interrupted"


@in_loop
async def test_interrupt_and_steer(place: Place, server: ResponsesServer) -> None:
    server.swap([{"sh": "sleep 1"}, {"text": "steered"}, {"sh": "sleep 30"}])
    async with quire(place) as q:
        thread = await asking(q, place)
        run = thread.run("go")
        async for event in run:
            if isinstance(event, ItemStarted) and isinstance(event.item, CommandExecution):
                await thread.steer("also this")
        assert run.outcome.text == "steered"
        assert b"also this" in bytes(server.requests[1].body)
        run = thread.run("slow")
        async for event in run:
            if isinstance(event, ItemStarted) and isinstance(event.item, CommandExecution):
                await thread.interrupt()
        assert run.outcome.status == "interrupted"
        with pytest.raises(CallRefused, match="no active turn"):
            await thread.interrupt()


@in_loop
async def test_a_run_is_iterated_once(place: Place, server: ResponsesServer) -> None:
    server.swap([{"text": "one"}])
    async with quire(place) as q:
        run = (await asking(q, place)).run("go")
        with pytest.raises(ClientError, match="not started"):
            _ = run.outcome
        assert (await run.result()).text == "one"
        with pytest.raises(ClientError, match="iterated once"):
            async for _ in run:
                pass


# --- threads -----------------------------------------------------------------------------------


@in_loop
async def test_threads_are_resumed_forked_and_listed(place: Place, server: ResponsesServer) -> None:
    server.swap([{"text": f"answer {n}"} for n in range(9)])
    async with quire(place) as q:
        thread = await asking(q, place)
        await thread.ask("first words")
        await thread.rename("mine")
    async with quire(place) as q:
        again = await q.resume(thread.id)
        await again.ask("more words")
        copy = await q.fork(thread.id)
        await copy.ask("other words")
        body = bytes(server.requests[-1].body)
        assert b"first words" in body and b"more words" in body
        other = await asking(q, place)
        await other.ask("third")
        listed = [stored.id async for stored in q.threads(limit=1)]
        assert sorted(listed) == sorted([thread.id, copy.id, other.id])
        names = {stored.id: stored.name async for stored in q.threads()}
        assert names[thread.id] == "mine"
        await other.archive()
        assert other.id not in [stored.id async for stored in q.threads()]
        with pytest.raises(CallRefused, match="invalid session id") as caught:
            await q.resume("unknown-id")
        assert (caught.value.method, caught.value.code) == ("thread/resume", -32600)


@in_loop
async def test_another_client_of_the_thread_sees_its_events(
    place: Place, server: ResponsesServer
) -> None:
    server.swap([{"text": "seen"}])
    async with quire(place) as q:
        thread = await asking(q, place)
        watching = asyncio.create_task(watch(thread))
        await asyncio.sleep(0)
        await thread.ask("go")
        assert await watching == "seen"


async def watch(thread: Thread) -> str:
    text = ""
    async for event in thread.events():
        match event:
            case AgentMessageDelta(delta=delta):
                text += delta
            case TurnCompleted():
                return text
            case _:
                pass
    return text


@in_loop
async def test_models_and_any_call_by_name(place: Place) -> None:
    async with quire(place) as q:
        assert any(model.is_default for model in await q.models())
        loaded = await q.call("thread/loaded/list", {"limit": 5}, dict)
        assert loaded["data"] == []
        with pytest.raises(CallRefused, match="unknown variant"):
            await q.call("no/such")


@in_loop
async def test_a_review_is_a_result(place: Place, server: ResponsesServer) -> None:
    (place.repo / "README.md").write_text("# changed\n")
    findings = {
        "findings": [],
        "overall_correctness": "patch is correct",
        "overall_explanation": "Nothing is wrong with it.",
        "overall_confidence_score": 0.9,
    }
    server.swap([{"json": findings}])
    async with quire(place) as q:
        result = await q.review(UncommittedChangesReviewTarget(), cwd=str(place.repo))
    assert "Nothing is wrong with it." in result.text


@in_loop
async def test_an_output_schema_and_settings_of_a_turn(
    place: Place, server: ResponsesServer
) -> None:
    server.swap([{"json": {"n": 1}}])
    schema = {"type": "object", "properties": {"n": {"type": "integer"}}}
    async with quire(place) as q:
        thread = await q.thread(cwd=str(place.repo), config={"model_reasoning_effort": "low"})
        await thread.ask(["one", "two"], output_schema=schema, sandbox="read-only", effort="high")
    body = server.requests[0].json()
    assert body["text"]["format"]["schema"] == schema
    assert body["reasoning"]["effort"] == "high"
    assert thread.info.reasoning_effort == "low"


# --- connecting ----------------------------------------------------------------------------------


@in_loop
async def test_what_cannot_be_reached_says_so(place: Place, tmp_path: Path) -> None:
    for address, said in (
        (f"unix://{tmp_path}/none.sock", "No such file"),
        ("ws://127.0.0.1:1", "127.0.0.1"),
        ("stdio:/no/such/program", "No such file"),
        ("stdio:", "needs a command"),
        ("ftp://x", "is no address"),
    ):
        with pytest.raises(CannotConnect, match=said):
            async with Quire(connect=address):
                pass
    (place.home / "config.toml").write_text('sandbox_mode = "no such"\n')
    with pytest.raises(CannotConnect):
        async with quire(place):
            pass
    with pytest.raises(ClientError, match="not open"):
        await Quire().thread()


@pytest.mark.parametrize("kind", ["stdio", "unix", "ws"])
@in_loop
async def test_a_server_in_another_process(
    place: Place, server: ResponsesServer, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    """Two clients in turn go on with one thread."""
    server.swap([{"text": "from afar"}, {"text": "and again"}])
    for name, value in place.environment().items():
        monkeypatch.setenv(name, value)
    async with contextlib.AsyncExitStack() as stack:
        address, token = await stack.enter_async_context(listening(place, kind))
        async with connected(address, token) as q:
            thread = await asking(q, place)
            assert (await thread.ask("go")).text == "from afar"
        async with connected(address, token) as q:
            assert (await (await q.resume(thread.id)).ask("go")).text == "and again"
        if token is not None:
            with pytest.raises(CannotConnect, match="401"):
                async with Quire(connect=address, token="another"):
                    pass


def connected(address: str, token: str | None) -> Quire:
    return Quire(connect=address) if token is None else Quire(connect=address, token=token)


@contextlib.asynccontextmanager
async def listening(place: Place, kind: str) -> AsyncIterator[tuple[str, str | None]]:
    """An app-server that can be reached; where, and with which token."""
    if kind == "stdio":
        yield f"stdio:{sys.executable} -m quire app-server", None
        return
    token = "t" * 40
    (place.repo.parent / "token").write_text(token)
    socket = place.repo.parent / "s"
    words = ["--listen", f"unix://{socket}"]
    if kind == "ws":
        words = ["--listen", "ws://127.0.0.1:0", "--ws-auth", "capability-token"]
        words += ["--ws-token-file", str(place.repo.parent / "token")]
    process = place.start("app-server", *words)
    try:
        assert process.stderr is not None
        if kind == "ws":
            process.stderr.readline()
            found = process.stderr.readline().decode().split()[-1]
            yield found, token
        else:
            async with asyncio.timeout(10):
                while not socket.exists():
                    await asyncio.sleep(0.02)
            yield f"unix://{socket}", None
    finally:
        process.terminate()
        process.communicate()


@in_loop
async def test_the_end_of_the_server_ends_runs(place: Place, server: ResponsesServer) -> None:
    server.swap([{"sh": "sleep 30"}])
    q = quire(place)
    async with q:
        thread = await asking(q, place)
        running = asyncio.create_task(thread.ask("go"))
        await asyncio.to_thread(server.wait_for_requests, 1)
    with pytest.raises(ConnectionLost):
        await running
    with pytest.raises(ConnectionLost):
        await thread.read()


# --- the examples of the documentation ------------------------------------------------------

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


def example(place: Place, name: str, *words: str) -> str:
    done = subprocess.run(
        [sys.executable, str(EXAMPLES / name), *words],
        cwd=place.repo,
        env=place.environment(),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_example_ask(place: Place, server: ResponsesServer) -> None:
    server.swap([{"sh": "ls"}, {"text": "A demo."}])
    out = example(place, "ask.py")
    assert "-> 0" in out and out.endswith("A demo.\n")


def test_example_stream(place: Place, server: ResponsesServer) -> None:
    server.swap([{"sh": "echo hi"}, patch_inside(), {"text": "It is done, all of it."}])
    out = example(place, "stream.py")
    assert "echo hi" in out and f"wrote {place.repo}/new.txt" in out
    assert out.endswith("It is done, all of it.\ncompleted\n")


def test_example_approvals(place: Place, server: ResponsesServer) -> None:
    patch = "*** Begin Patch\n*** Add File: generated/a.txt\n+hi\n*** End Patch\n"
    server.swap([{"sh": "echo out", "args": ESCALATE}, {"patch": patch}, {"text": "tidy"}])
    out = example(place, "approvals.py")
    assert "because: it must" in out and out.endswith("tidy\n")
    assert (place.repo / "generated/a.txt").read_text() == "hi\n"


def test_example_threads(place: Place, server: ResponsesServer) -> None:
    server.swap([{"text": "noted"}, {"text": "7"}, {"text": "14"}])
    lines = example(place, "threads.py").splitlines()
    assert lines[:2] == ["7", "14"] and "numbers" in lines[2:]


def test_example_several(place: Place, server: ResponsesServer) -> None:
    server.swap([{"text": "one of two"}, {"text": "one of two"}])
    assert example(place, "several.py") == "one of two\none of two\n"


def test_every_example_is_run() -> None:
    text = Path(__file__).read_text()
    assert [path.name for path in EXAMPLES.glob("*.py") if f'"{path.name}"' not in text] == []
