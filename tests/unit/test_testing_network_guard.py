"""The switch holds: run in a process of its own, because it cannot be undone."""

from __future__ import annotations

import os
import subprocess
import sys

import quire

SCRIPT = """
import asyncio, socket
from quire.testing.network_guard import NetworkForbidden, forbid_network

forbid_network()
forbid_network()

def refused(action):
    try:
        action()
    except NetworkForbidden as exc:
        return "may only talk" in str(exc)
    return False

def tcp(host, port=9):
    return lambda: socket.create_connection((host, port), timeout=0.2)

def udp(host):
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as sock:
        sock.sendto(b"x", (host, 9))

assert refused(tcp("192.0.2.1")) and refused(tcp("2001:db8::1")) and refused(tcp("0.0.0.0"))
assert refused(tcp("example.invalid")) and refused(lambda: udp("192.0.2.1"))
assert refused(lambda: socket.gethostbyname("example.invalid"))
assert refused(lambda: socket.getaddrinfo(b"example.invalid", 80))
assert refused(lambda: socket.getnameinfo(("192.0.2.1", 80), 0))
assert refused(lambda: asyncio.run(asyncio.open_connection("192.0.2.1", 9)))
assert refused(lambda: asyncio.run(asyncio.open_connection("example.invalid", 9)))

with socket.create_server(("127.0.0.1", 0)) as server:
    port = server.getsockname()[1]
    for host in ("127.0.0.1", "localhost"):
        tcp(host, port)().close()
udp("127.0.0.1")
with socket.socket(socket.AF_UNIX) as sock:
    try:
        sock.connect("/nonexistent/socket")
    except FileNotFoundError:
        print("held")
"""


def test_only_this_machine_can_be_reached() -> None:
    source = os.path.dirname(os.path.dirname(quire.__file__))
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        env={**os.environ, "PYTHONPATH": source},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.stdout, done.returncode) == ("held\n", 0), done.stderr
