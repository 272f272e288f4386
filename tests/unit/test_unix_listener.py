"""The unix socket: who owns it, who may use it, what is spoken over it."""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
import stat
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from websockets.asyncio.client import unix_connect

from quire.core.errors import UsageError
from quire.server.channel import MAX_FRAME
from quire.server.transport.addresses import UnixSocket, parse_url
from quire.server.transport.place import connectable, default_path
from quire.server.transport.unix import UnixListener
from tests.unit.channels import listening

LEAVE_A_SOCKET = """
import socket, sys
bound = socket.socket(socket.AF_UNIX)
bound.bind(sys.argv[1])
bound.listen()
"""


def asker(path: str, user: int) -> tuple[int, int]:
    """A process that, once told so on the first descriptor, connects as another user and writes
    what it is answered to the second. Forked, since that user may not be allowed to run Python."""
    (waits, go), (answer, writes) = os.pipe(), os.pipe()
    if os.fork() == 0:
        try:
            os.close(go)
            os.setuid(user)
            os.read(waits, 1)
            with socket.socket(socket.AF_UNIX) as client:
                client.settimeout(10)
                client.connect(path)
                client.sendall(b'"hello"\n')
                os.write(writes, client.recv(100) or b"hung up")
        except ConnectionError:
            os.write(writes, b"hung up")
        finally:
            os._exit(0)
    for fd in (waits, writes):
        os.close(fd)
    return go, answer


def test_the_default_path_is_below_the_home() -> None:
    assert parse_url("unix://", "/h") == UnixSocket(default_path("/h"))
    assert default_path("/h") == "/h/app-server-control/app-server-control.sock"
    assert parse_url("unix://rel.sock", "/h") == UnixSocket("rel.sock")


def test_lines_and_websockets_are_served_at_one_private_socket(tmp_path: Path) -> None:
    path = str(tmp_path / "folder" / "s")

    async def main() -> None:
        async with listening(UnixSocket(path)):
            assert stat.S_IMODE(os.stat(path).st_mode) == 0o600
            assert stat.S_IMODE(os.stat(os.path.dirname(path)).st_mode) == 0o700
            reader, writer = await asyncio.open_unix_connection(path)
            writer.write(b'{"a":1}\n{"half"')
            assert await reader.readline() == b'{"a":1}\n'
            async with unix_connect(path, compression=None) as client:
                assert client.response is not None
                name = "x-codex-websocket-max-unfragmented-message-bytes"
                assert client.response.headers[name] == str(MAX_FRAME)
                await client.send('"other"')
                assert await client.recv() == '"other"'
            writer.write(b":2}")
            writer.write_eof()
            assert await reader.read() == b'{"half":2}\n'
            writer.close()

    asyncio.run(main())
    assert not os.path.exists(path)


def test_a_client_that_makes_the_server_stumble_leaves_the_others_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = str(tmp_path / "s")

    async def main() -> None:
        async with listening(UnixSocket(path)):
            first, first_writer = await asyncio.open_unix_connection(path)
            second, second_writer = await asyncio.open_unix_connection(path)
            first_writer.write(b'"crash"\n')
            assert await first.read() == b""
            second_writer.write(b'"still here"\n')
            assert await second.readline() == b'"still here"\n'
            for writer in (first_writer, second_writer):
                writer.close()

    asyncio.run(main())
    assert capsys.readouterr().err == "a client was dropped: ValueError: as told\n"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be somebody else")
def test_other_users_are_not_served() -> None:
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        path = os.path.join(folder, "s")

        askers = [asker(path, user) for user in (0, 65534)]

        async def main() -> list[bytes]:
            async with listening(UnixSocket(path)):
                os.chmod(folder, 0o755)
                os.chmod(path, 0o666)
                for go, _ in askers:
                    os.close(go)
                return [await asyncio.to_thread(os.read, answer, 100) for _, answer in askers]

        assert asyncio.run(main()) == [b'"hello"\n', b"hung up"]
        for _, answer in askers:
            os.close(answer)
            os.wait()


def test_what_a_dead_server_left_is_replaced(tmp_path: Path) -> None:
    path = str(tmp_path / "s")
    subprocess.run([sys.executable, "-c", LEAVE_A_SOCKET, path], check=True)
    assert os.path.exists(path)
    UnixListener(path).close()
    assert not os.path.exists(path)


def test_a_living_server_is_left_alone(tmp_path: Path) -> None:
    path = str(tmp_path / "s")
    first = UnixListener(path)
    with pytest.raises(UsageError, match="control socket is already in use at /"):
        UnixListener(path)
    first.close()
    with socket.socket(socket.AF_UNIX) as foreign:  # One that knows nothing of our lock.
        foreign.bind(path)
        foreign.listen()
        with pytest.raises(UsageError, match="already in use"):
            UnixListener(path)
    UnixListener(path).close()


def test_a_file_is_never_removed(tmp_path: Path) -> None:
    (tmp_path / "s").write_text("precious")
    with pytest.raises(UsageError, match="something that is no socket stands there"):
        UnixListener(str(tmp_path / "s"))
    assert (tmp_path / "s").read_text() == "precious"


def test_a_folder_that_cannot_be_made_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match=r"cannot listen at .*/file/d/s: File exists: .*/file$"):
        UnixListener(str(tmp_path / "file" / "d" / "s"))


def test_a_path_that_is_too_long_for_the_kernel_becomes_a_link(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runtime = Path(tempfile.mkdtemp(prefix="r", dir="/tmp"))  # Itself short enough.
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(runtime))
    path = str(tmp_path / ("d" * 90) / "s")

    async def main() -> None:
        async with listening(UnixSocket(path)):
            reader, writer = await asyncio.open_unix_connection(connectable(path))
            writer.write(b"1\n")
            assert await reader.readline() == b"1\n"
            writer.close()

    asyncio.run(main())
    asyncio.run(main())
    assert not os.path.lexists(path)
    assert not any((runtime / f"quire-{os.geteuid()}").iterdir())
    shutil.rmtree(runtime)
