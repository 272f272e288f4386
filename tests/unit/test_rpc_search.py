"""`fuzzyFileSearch`: ranking as Codex 0.169 was seen to do it, sessions, and what is searched."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from quire.sandbox.linux import LinuxSandbox
from quire.server.calls.search import MAX_SESSIONS, SearchCalls
from quire.server.fuzzy import LIMIT, Corpus, align
from quire.workspace.files import WorkspaceFiles
from quire.workspace.git import Git
from tests.unit.rpc_caller import SAMPLES, ScriptedCaller, call

NAMES = "aAbB_-/. 1é"


class Files:
    """What is below each folder; counts how often it is asked."""

    def __init__(self, **folders: Sequence[str]) -> None:
        self.folders = {f"/{name}": files for name, files in folders.items()}
        self.asked = 0

    async def files(self, root: str) -> Sequence[str]:
        self.asked += 1
        await asyncio.sleep(0)
        return self.folders.get(root, ())


class Bench:
    def __init__(self, files: Files) -> None:
        self.files = files
        self.caller = ScriptedCaller()
        self.routes = SearchCalls(files, "/").routes()

    async def call(self, name: str = "", **params: Any) -> Any:
        return await call(self.routes, self.caller, f"fuzzyFileSearch{name}", params)

    async def found(self, query: str, *roots: str, **more: Any) -> list[str]:
        answer = await self.call(query=query, roots=list(roots), **more)
        return [file["path"] for file in answer["files"]]

    async def answered(self, query: str) -> Any:
        """The latest update, which must be about `query`, once it is complete."""
        name = "fuzzyFileSearch/sessionCompleted"
        await self.caller.until(lambda told: len(told) > 0, name)
        update, completed = self.caller.told[-2:]
        assert completed == (name, {"sessionId": "s"})
        assert update[1]["query"] == query
        self.caller.told.clear()
        return update[1]["files"]


def run(bench: Bench, test: Callable[[Bench], Awaitable[None]]) -> None:
    async def main() -> None:
        async with asyncio.timeout(20):
            await test(bench)

    asyncio.run(main())


def test_recorded_rankings() -> None:
    """Scores, order and places of letters, over one tree of files."""
    recorded = json.loads((SAMPLES / "search.json").read_text())
    corpus = Corpus(recorded["files"])
    for query, expected in recorded["queries"].items():
        found = [[m.path, m.score, list(m.indices), m.is_directory] for m in corpus.search(query)]
        assert found == expected, query


@given(
    st.lists(st.text(NAMES, min_size=1, max_size=12), max_size=12), st.text("abé1/ ", max_size=4)
)
def test_what_is_found_holds_the_letters(files: list[str], query: str) -> None:
    words = query.replace("é", "e").split()
    files = [path.strip("/") for path in files if path.strip("/") and "//" not in path]
    matches = Corpus(files).search(query)
    everything = set(files) | {
        path[:at] for path in files for at, letter in enumerate(path) if letter == "/"
    }

    def holds(path: str, word: str) -> bool:
        rest = iter(path.lower().replace("é", "e"))
        return all(letter in rest for letter in word)

    wanted = {path for path in everything if words and all(holds(path, word) for word in words)}
    assert {match.path for match in matches} == wanted
    for match in matches:
        assert list(match.indices) == sorted(set(match.indices))
        letters = "".join(match.path[at] for at in match.indices).lower().replace("é", "e")
        assert set(letters) == set("".join(words))


@given(st.text("ab/_A", min_size=1, max_size=9), st.text("ab", min_size=1, max_size=3))
def test_the_alignment_is_the_best(path: str, word: str) -> None:
    """Against all ways to place the letters."""
    text = path.lower()
    ways = [[at] for at, letter in enumerate(text) if letter == word[0]]
    for letter in word[1:]:
        ways = [
            [*way, at] for way in ways for at in range(way[-1] + 1, len(text)) if text[at] == letter
        ]
    found = align(word, text, path)
    assert (found is None) == (not ways)
    if found is not None:
        assert found[1] in ways
        assert found[0] >= 16


def test_many_files_are_searched_away_from_the_loop() -> None:
    files = [f"src/part{n % 97}/server_{n}.py" for n in range(50_000)]

    async def test(bench: Bench) -> None:
        ticks = 0

        async def tick() -> None:
            nonlocal ticks
            while True:
                await asyncio.sleep(0.005)
                ticks += 1

        ticking = asyncio.create_task(tick())
        assert len(await bench.found("s", "/r")) == LIMIT
        assert (await bench.found("server_4321.py", "/r"))[0] == "src/part53/server_4321.py"
        assert ticks > 3
        assert bench.files.asked == 1
        ticking.cancel()

    run(Bench(Files(r=files)), test)


def test_several_roots_and_wrong_ones() -> None:
    async def test(bench: Bench) -> None:
        answer = await bench.call(query="main", roots=["/b", "/a", "/none", "a"])
        seen = [(file["root"], file["path"], file["match_type"]) for file in answer["files"]]
        assert seen == [(root, "x/main.rs", "file") for root in ("/a", "/b", "a")]
        assert await bench.found("", "/a") == []
        assert await bench.found("main") == []
        too_many = await bench.call(query="x", roots=["/a"] * 65)
        assert too_many["error"]["code"] == -32600

    run(Bench(Files(a=["x/main.rs"], b=["x/main.rs"])), test)


def test_a_later_search_takes_the_token_over() -> None:
    held = asyncio.Event()

    class Slow(Files):
        async def files(self, root: str) -> Sequence[str]:
            if root == "/slow":
                await held.wait()
            return ["main.py"]

    async def test(bench: Bench) -> None:
        first = asyncio.create_task(bench.found("main", "/slow", cancellationToken="t"))
        await asyncio.sleep(0.01)
        assert await bench.found("main", "/r", cancellationToken="t") == ["main.py"]
        held.set()
        assert await first == []
        assert await bench.found("main", "/slow", cancellationToken="t") == ["main.py"]

    run(Bench(Slow()), test)


def test_a_stopped_search_ends_with_nothing() -> None:
    corpus = Corpus([f"a{n}" for n in range(10_000)])
    stop = threading.Event()
    stop.set()
    assert corpus.search("a", stop.is_set) == []


def test_a_session_answers_the_latest_query() -> None:
    async def test(bench: Bench) -> None:
        start = {"sessionId": "s", "roots": ["/r"]}
        assert await bench.call("/sessionStart", **start) == {}
        assert await bench.answered("") == []
        for query in ("m", "ma", "mai", "main"):
            assert await bench.call("/sessionUpdate", sessionId="s", query=query) == {}
        files = await bench.answered("main")
        assert [file["path"] for file in files] == ["main.py"]
        assert await bench.call("/sessionUpdate", sessionId="s", query="main") == {}
        assert await bench.answered("main") == files
        assert await bench.call("/sessionStart", **start) == {}
        assert await bench.answered("") == []
        assert await bench.call("/sessionStop", sessionId="s") == {}
        gone = await bench.call("/sessionUpdate", sessionId="s", query="x")
        words = "fuzzy file search session not found: s"
        assert gone == {"error": {"code": -32600, "message": words}}
        assert await bench.call("/sessionStop", sessionId="s") == {}

    run(Bench(Files(r=["main.py", "other.py"])), test)


def test_wrong_sessions_and_their_limit() -> None:
    async def test(bench: Bench) -> None:
        empty = await bench.call("/sessionStart", sessionId="", roots=["/r"])
        assert empty == {"error": {"code": -32600, "message": "sessionId must not be empty"}}
        nowhere = await bench.call("/sessionStart", sessionId="s", roots=[])
        words = (
            "failed to start fuzzy file search session: at least one search directory is required"
        )
        assert nowhere == {"error": {"code": -32603, "message": words}}
        for number in range(MAX_SESSIONS):
            assert await bench.call("/sessionStart", sessionId=f"{number}", roots=["/r"]) == {}
        assert "error" in await bench.call("/sessionStart", sessionId="more", roots=["/r"])
        bench.caller.close()
        assert len(asyncio.all_tasks()) <= MAX_SESSIONS + 1
        await asyncio.sleep(0.05)
        assert len(asyncio.all_tasks()) == 1

    run(Bench(Files()), test)


def test_what_git_ignores_is_not_found(tmp_path: Path) -> None:
    for name in ("src/a.py", "gone.py", "build/out.o", "new.txt", "sub/.gitignore", "sub/s.key"):
        path = tmp_path / "w" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("*.key\n")
    (tmp_path / "w" / ".gitignore").write_text("*.o\n")
    (tmp_path / "w" / "link").symlink_to("/")

    async def git(*words: str) -> None:
        process = await asyncio.create_subprocess_exec("git", *words, cwd=tmp_path / "w")
        assert await process.wait() == 0

    async def main() -> None:
        sandbox = LinuxSandbox(str(tmp_path / "home"))
        files = WorkspaceFiles(Git(sandbox, lambda: {"PATH": "/usr/local/bin:/usr/bin:/bin"}))
        plain = await files.files(str(tmp_path / "w"))
        assert {"build/out.o", "link", "sub/s.key"} <= set(plain)
        await git("init", "-q")
        await git("add", "src", "gone.py")
        (tmp_path / "w" / "gone.py").unlink()
        found = await files.files(str(tmp_path / "w"))
        assert set(found) == {"src/a.py", "new.txt", ".gitignore", "sub/.gitignore", "link"}
        assert await files.files(str(tmp_path / "w" / "src")) == ["a.py"]
        assert await files.files(str(tmp_path / "none")) == []
        await sandbox.aclose()

    asyncio.run(main())
