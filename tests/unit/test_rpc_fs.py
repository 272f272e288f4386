"""`fs/*`: recorded answers of Codex 0.169 replayed over real files, and what they do not show."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
from base64 import b64decode, b64encode
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quire.server.calls import base64
from quire.server.calls.fs import FsCalls
from quire.workspace.watch import MAX_PATHS, InotifyWatcher
from tests.unit.rpc_caller import ScriptedCaller, call, samples


def prepare(folder: Path) -> None:
    """The files over which the samples were recorded."""
    (folder / "a").write_text("hi")
    (folder / "a").chmod(0o755)
    (folder / "la").symlink_to("a")
    (folder / "dang").symlink_to("nowhere")
    (folder / "d" / "e").mkdir(parents=True)
    (folder / "d" / "e" / "f").write_text("x")
    (folder / "d" / "le").symlink_to("e")
    (folder / "d" / "dang").symlink_to("gone")
    (folder / "ld").symlink_to("d")
    (folder / "loop").symlink_to("loop")
    os.mkfifo(folder / "fifo")
    (folder / "df").mkdir()
    os.mkfifo(folder / "df" / "p")
    (folder / "df" / "z").write_text("1")
    (folder / "empty").mkdir()
    with (folder / "big").open("wb") as file:
        file.truncate(512 * 1024 * 1024 + 1)


def comparable(answer: Any) -> Any:
    """Without times, and in an order."""
    if isinstance(answer, dict) and "modifiedAtMs" in answer:
        return answer | {"modifiedAtMs": answer["modifiedAtMs"] > 1_600_000_000_000}
    if isinstance(answer, dict) and "entries" in answer:
        return {"entries": sorted(answer["entries"], key=lambda entry: entry["fileName"])}
    return answer


class Bench:
    """The calls, their client and its folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.watcher = InotifyWatcher()
        self.routes = FsCalls(self.watcher).routes()
        self.caller = ScriptedCaller()

    async def call(self, method: str, **params: Any) -> Any:
        return await call(self.routes, self.caller, f"fs/{method}", params)

    async def watch(self, path: str, watch_id: str = "w") -> None:
        answer = await self.call("watch", watchId=watch_id, path=str(self.folder / path))
        assert answer == {"path": str(self.folder / path)}

    async def changed(self, *paths: str) -> None:
        """Until one notification names exactly these; forgets all so far."""
        wanted = [str(self.folder / path) for path in paths]
        await self.caller.until(lambda told: any(t["changedPaths"] == wanted for t in told))
        self.caller.told.clear()


def test_recorded_answers(tmp_path: Path) -> None:
    prepare(tmp_path)

    async def main() -> None:
        bench = Bench(tmp_path)
        for method, params, expected in samples("fs", str(tmp_path)):
            answer = await call(bench.routes, bench.caller, method, params)
            assert comparable(answer) == comparable(expected), (method, params)

    asyncio.run(main())


def test_large_and_binary_contents_come_back(tmp_path: Path) -> None:
    async def main() -> None:
        bench, data = Bench(tmp_path), os.urandom(3_000_001)
        path = str(tmp_path / "x")
        await bench.call("writeFile", path=path, dataBase64=b64encode(data).decode())
        assert b64decode((await bench.call("readFile", path=path))["dataBase64"]) == data
        await bench.call("writeFile", path=path, dataBase64="")
        assert (tmp_path / "x").read_bytes() == b""

    asyncio.run(main())


def test_nothing_waits_for_a_pipe(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "p")

    async def main() -> None:
        bench, path = Bench(tmp_path), str(tmp_path / "p")
        refused = {"error": {"code": -32600, "message": f"path `{path}` is not a file"}}
        assert await bench.call("writeFile", path=path, dataBase64="aGk=") == refused
        assert await bench.call("readFile", path=path) == refused
        reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        assert await bench.call("writeFile", path=path, dataBase64="aGk=") == refused
        os.close(reader)

    asyncio.run(main())


def test_a_copy_onto_itself_loses_nothing(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("kept")
    (tmp_path / "hard").hardlink_to(tmp_path / "a")

    async def main() -> None:
        bench = Bench(tmp_path)
        for target in ("a", "hard"):
            paths = {"sourcePath": str(tmp_path / "a"), "destinationPath": str(tmp_path / target)}
            assert await bench.call("copy", **paths) == {}
        assert (tmp_path / "a").read_text() == "kept"

    asyncio.run(main())


def test_a_copied_folder_is_as_private(tmp_path: Path) -> None:
    (tmp_path / "secret" / "in").mkdir(parents=True)
    (tmp_path / "secret").chmod(0o700)

    async def main() -> None:
        paths = {"sourcePath": f"{tmp_path}/secret", "destinationPath": f"{tmp_path}/new/copy"}
        assert await Bench(tmp_path).call("copy", **paths, recursive=True) == {}
        assert (tmp_path / "new" / "copy").stat().st_mode & 0o777 == 0o700
        assert (tmp_path / "new" / "copy" / "in").is_dir()

    asyncio.run(main())


def test_the_root_is_not_removed(tmp_path: Path) -> None:
    async def main() -> None:
        for path in ("/", "//", "/tmp/.."):
            answer = await Bench(tmp_path).call("remove", path=path, recursive=False)
            assert answer["error"]["code"] == -32600

    asyncio.run(main())


def test_names_that_are_not_utf8_are_shown(tmp_path: Path) -> None:
    (tmp_path / os.fsdecode(b"x\xff")).write_text("")

    async def main() -> None:
        answer = await Bench(tmp_path).call("readDirectory", path=str(tmp_path))
        assert [entry["fileName"] for entry in answer["entries"]] == ["x\ufffd"]

    asyncio.run(main())


def test_a_folder_tells_of_its_entries_but_not_of_theirs(tmp_path: Path) -> None:
    (tmp_path / "d" / "e").mkdir(parents=True)

    async def main() -> None:
        bench = Bench(tmp_path)
        await bench.watch("d")
        (tmp_path / "d" / "e" / "deep").write_text("1")
        (tmp_path / "d" / "x").write_text("1")
        await bench.changed("d/x")
        (tmp_path / "d" / "x").rename(tmp_path / "d" / "y")
        await bench.changed("d/x", "d/y")
        (tmp_path / "d" / "y").read_text()
        (tmp_path / "d" / "y").chmod(0o600)
        await bench.changed("d/y")

    asyncio.run(main())


def test_a_file_may_be_replaced_removed_and_made_anew(tmp_path: Path) -> None:
    async def main() -> None:
        bench, file = Bench(tmp_path), tmp_path / "sub" / "f"
        await bench.watch("sub/f")
        file.parent.mkdir()
        await asyncio.sleep(0.05)
        file.write_text("1")
        await bench.changed("sub/f")
        (tmp_path / "sub" / "f.new").write_text("2")
        (tmp_path / "sub" / "f.new").rename(file)
        await bench.changed("sub/f")
        file.write_text("3")
        await bench.changed("sub/f")
        file.unlink()
        await bench.changed("sub/f")
        file.parent.rmdir()
        await asyncio.sleep(0.05)
        file.parent.mkdir()
        await asyncio.sleep(0.05)
        file.write_text("4")
        await bench.changed("sub/f")

    asyncio.run(main())


def test_a_link_tells_of_what_it_leads_to(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    (tmp_path / "there" / "f").write_text("1")
    (tmp_path / "l").symlink_to("there/f")

    async def main() -> None:
        bench = Bench(tmp_path)
        await bench.watch("l")
        (tmp_path / "there" / "f").write_text("2")
        (tmp_path / "there" / "other").write_text("2")
        await bench.caller.until(lambda told: bool(told))
        assert {p for _, told in bench.caller.told for p in told["changedPaths"]} <= {
            str(tmp_path / "l"),
            str(tmp_path / "there" / "f"),
        }

    asyncio.run(main())


def test_many_changes_are_gathered_and_bounded(tmp_path: Path) -> None:
    async def main() -> None:
        bench = Bench(tmp_path)
        await bench.watch("")
        for number in range(MAX_PATHS + 1):
            os.close(os.open(tmp_path / str(number), os.O_CREAT | os.O_WRONLY))
        told = await bench.caller.until(lambda told: bool(told))
        assert told[0]["changedPaths"] == [str(tmp_path)]

    asyncio.run(main())


def test_watches_are_named_by_their_client_and_end_with_it(tmp_path: Path) -> None:
    async def main() -> None:
        bench, other = Bench(tmp_path), ScriptedCaller("other")
        await bench.watch("")
        again = await bench.call("watch", watchId="w", path=str(tmp_path))
        assert again == {"error": {"code": -32600, "message": "watchId already exists: w"}}
        params = {"watchId": "w", "path": str(tmp_path)}
        assert await call(bench.routes, other, "fs/watch", params) == {"path": str(tmp_path)}
        bench.caller.close()
        (tmp_path / "x").write_text("")
        await other.until(lambda told: bool(told))
        assert bench.caller.told == []
        assert await call(bench.routes, other, "fs/unwatch", {"watchId": "w"}) == {}
        assert await call(bench.routes, other, "fs/unwatch", {"watchId": "w"}) == {}
        other.told.clear()
        (tmp_path / "y").write_text("")
        await asyncio.sleep(0.4)
        assert other.told == []

    asyncio.run(main())


def test_watching_costs_no_descriptor_each(tmp_path: Path) -> None:
    async def main() -> None:
        bench = Bench(tmp_path)
        await bench.watch("", "first")
        before = _watchers()  # Those of other tests may still be closed meanwhile.
        for number in range(300):
            await bench.watch(f"{number}", f"id{number}")
        assert _watchers() <= before
        bench.watcher.close()
        assert _watchers() < before

    gc.collect()
    asyncio.run(main())


def _watchers() -> int:
    """How many inotify descriptors this process has."""
    count = 0
    for name in os.listdir("/proc/self/fd"):
        with contextlib.suppress(OSError):
            count += "inotify" in os.readlink(f"/proc/self/fd/{name}")
    return count


@given(st.binary(max_size=200))
def test_base64_comes_back(data: bytes) -> None:
    assert base64.decode(base64.encode(data)) == data


@given(st.text("aQg4+/=!é", max_size=9) | st.text(max_size=9))
def test_only_the_one_right_text_is_accepted(text: str) -> None:
    try:
        data = base64.decode(text)
    except ValueError as exc:
        assert str(exc).startswith("Invalid ")
    else:
        assert b64encode(data).decode() == text


@pytest.mark.parametrize("text", ["a", "a\n", "aQ", "aQ==\n", "====", "\u2028aaa", "ab==", "aab="])
def test_wrong_base64_is_told_where(text: str) -> None:
    with pytest.raises(ValueError, match=r"^Invalid (symbol|last symbol|padding|input length)"):
        base64.decode(text)
