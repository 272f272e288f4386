"""The JSONL framing, over descriptors of every kind."""

from __future__ import annotations

import asyncio
import os
import pty
import socket
import tty

from hypothesis import given
from hypothesis import strategies as st

from quire.server.transport.stdio import open_descriptors
from quire.server.transport.streams import LineChannel, Lines
from tests.unit.channels import echo

lines_of_text = st.lists(st.binary(max_size=12).map(lambda b: b.replace(b"\n", b"")), max_size=12)


@given(lines_of_text, st.binary(max_size=5).map(lambda b: b.replace(b"\n", b"")), st.data())
def test_lines_are_whole_however_the_bytes_are_split(
    lines: list[bytes], last: bytes, data: st.DataObject
) -> None:
    stream = b"".join(line + b"\n" for line in lines) + last
    cuts = data.draw(st.lists(st.integers(0, len(stream)), max_size=6).map(sorted))
    parser, found = Lines(8), []
    for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True):
        found += parser.feed(stream[start:end])
    found += parser.end()
    every = [*lines, last]
    assert found == [line for line in every if line.strip() and len(line) <= 8]
    assert parser.skipped == sum(len(line) > 8 for line in every)


def test_a_pipe_is_served_to_its_end_and_the_last_line_needs_no_newline() -> None:
    async def main() -> bytes:
        (there, here), (back, out) = os.pipe(), os.pipe()
        os.write(here, b'{"a":1}\n\n  \n{"b"')
        channel = open_descriptors(there, out)
        task = asyncio.create_task(echo(channel))
        await asyncio.sleep(0.01)
        os.write(here, b':2}\n{"c":3}')
        os.close(here)
        await task
        await channel.aclose()
        with open(back, "rb") as file:
            return file.read()

    assert asyncio.run(main()) == b'{"a":1}\n{"b":2}\n{"c":3}\n'


def test_files_work_as_both_ends(tmp_path_factory) -> None:
    folder = tmp_path_factory.mktemp("files")
    lines = b"".join(b'{"n":%d}\n' % number for number in range(50_000))
    (folder / "in").write_bytes(lines)

    async def main() -> None:
        there = os.open(folder / "in", os.O_RDONLY)
        channel = open_descriptors(there, os.open(folder / "out", os.O_WRONLY | os.O_CREAT))
        await echo(channel)
        await channel.aclose()

    asyncio.run(main())
    assert (folder / "out").read_bytes() == lines


def test_one_socket_as_both_ends_keeps_its_flags() -> None:
    async def main() -> bytes:
        ours, theirs = socket.socketpair()
        channel = open_descriptors(os.dup(theirs.fileno()), os.dup(theirs.fileno()))
        task = asyncio.create_task(echo(channel))
        ours.sendall(b'"x"\n')
        await asyncio.sleep(0.01)
        assert os.get_blocking(theirs.fileno())
        ours.shutdown(socket.SHUT_WR)
        await task
        await channel.aclose()
        theirs.close()
        with ours:
            return ours.recv(100)

    assert asyncio.run(main()) == b'"x"\n'


def test_a_terminal_is_served_until_it_hangs_up() -> None:
    async def main() -> bytes:
        ours, theirs = pty.openpty()
        tty.setraw(theirs)
        channel = open_descriptors(os.dup(theirs), os.dup(theirs))
        os.close(theirs)
        task = asyncio.create_task(echo(channel))
        os.write(ours, b'"typed"\n')
        await asyncio.sleep(0.02)
        seen = os.read(ours, 100)
        os.close(ours)
        await asyncio.wait_for(task, 5)
        await channel.aclose()
        return seen

    assert asyncio.run(main()) == b'"typed"\n'


def test_a_reader_that_went_away_is_a_connection_error() -> None:
    async def main() -> str:
        (there, here), (back, out) = os.pipe(), os.pipe()
        channel = open_descriptors(there, out)
        os.close(back)
        try:
            for _ in range(3):
                await channel.send(b"1")
                await asyncio.sleep(0)
        except ConnectionError as exc:
            assert await channel.receive() is None
            return str(exc)
        finally:
            os.close(here)
            await channel.aclose()
        return ""

    assert asyncio.run(main()) == "the client is gone"


def test_sending_waits_for_a_slow_reader_and_writes_all_in_order() -> None:
    async def main() -> tuple[bool, bytes]:
        (there, here), (back, out) = os.pipe(), os.pipe()
        channel = open_descriptors(there, out)
        frame = b"x" * 100_000

        async def send() -> None:
            for number in range(20):
                await channel.send(b"%02d" % number + frame)

        sender = asyncio.create_task(send())
        await asyncio.sleep(0.02)
        waited = not sender.done()
        read = asyncio.create_task(asyncio.to_thread(_read_all, back))
        await sender
        os.close(here)
        await channel.aclose()
        return waited, await read

    waited, data = asyncio.run(main())
    assert waited
    assert [line[:2] for line in data.splitlines()] == [b"%02d" % n for n in range(20)]
    assert len(data) == 20 * 100_003


def test_frames_sent_in_one_pass_leave_in_one_write() -> None:
    async def main() -> list[bytes]:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        channel = open_descriptors(os.dup(theirs.fileno()), os.dup(theirs.fileno()))
        for number in range(3):
            await channel.send(b"%d" % number)
        await asyncio.sleep(0.01)
        await channel.send(b"later")
        await channel.aclose()
        theirs.close()
        with ours:
            return [ours.recv(100) for _ in range(2)]

    assert asyncio.run(main()) == [b"0\n1\n2\n", b"later\n"]


def test_a_message_that_is_too_long_is_skipped_and_said_to_be() -> None:
    async def main() -> tuple[bytes, list[bytes | None]]:
        loop = asyncio.get_running_loop()
        ours, theirs = socket.socketpair()
        _, channel = await loop.connect_accepted_socket(lambda: LineChannel(limit=50), theirs)
        ours.sendall(b'"a"\n' + b"x" * 51 + b'\n"b"\n')
        taken = [await channel.receive(), await channel.receive()]
        answer = ours.recv(200)
        ours.close()
        await channel.aclose()
        return answer, taken

    answer, taken = asyncio.run(main())
    assert taken == [b'"a"', b'"b"']
    assert answer == (
        b'{"id":null,"error":{"code":-32600,"message":"Invalid request: a message is longer than '
        b'50 bytes and was skipped"}}\n'
    )


def test_reading_stops_when_nobody_takes_the_frames() -> None:
    async def main() -> int:
        loop = asyncio.get_running_loop()
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        _, channel = await loop.connect_accepted_socket(LineChannel, theirs)
        line, sent = b"y" * 9_999 + b"\n", 0
        for _ in range(2_000):
            try:
                sent += ours.send(line)
            except BlockingIOError:
                await asyncio.sleep(0.0005)
        taken = 0
        ours.shutdown(socket.SHUT_WR)
        while (frame := await channel.receive()) is not None:
            taken += len(frame) + 1
        assert taken in (sent, sent + 1)
        await channel.aclose()
        ours.close()
        return sent

    assert asyncio.run(main()) < 4_000_000


def test_a_cancelled_receive_loses_nothing() -> None:
    async def main() -> bytes | None:
        (there, here), (back, out) = os.pipe(), os.pipe()
        channel = open_descriptors(there, out)
        try:
            async with asyncio.timeout(0.01):
                await channel.receive()
        except TimeoutError:
            os.write(here, b"1\n")
        found = await channel.receive()
        await channel.aclose()
        for fd in (here, back):
            os.close(fd)
        return found

    assert asyncio.run(main()) == b"1"


def _read_all(fd: int) -> bytes:
    with open(fd, "rb") as file:
        return file.read()
