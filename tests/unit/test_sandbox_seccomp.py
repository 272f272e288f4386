"""The filter, run by an interpreter of its instructions, for both architectures."""

from __future__ import annotations

import errno
import os
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quire.sandbox import seccomp

ALLOW, KILL = "allow", "kill"
ARCHITECTURES = {"x86_64": 0xC000_003E, "aarch64": 0xC000_00B7}
I386 = 0x4000_0003
UNIX, INET, INET6, NETLINK, PACKET, VSOCK = 1, 2, 10, 16, 17, 40
STREAM, DGRAM, RAW, SEQPACKET, CLOEXEC = 1, 2, 3, 5, 0o2000000
# name -> number on x86_64, on aarch64
CALLS = {
    "read": (0, 63),
    "openat": (257, 56),
    "clone": (56, 220),
    "clone3": (435, 435),
    "execve": (59, 221),
    "ioctl": (16, 29),
    "socket": (41, 198),
    "socketpair": (53, 199),
    "connect": (42, 203),
    "bind": (49, 200),
    "sendto": (44, 206),
    "getpeername": (52, 205),
    "getsockname": (51, 204),
    "ptrace": (101, 117),
    "mount": (165, 40),
    "unshare": (272, 97),
    "io_uring_setup": (425, 425),
    "shmget": (29, 194),
    "kill": (62, 129),
    "prlimit64": (302, 261),
    "landlock_restrict_self": (446, 446),
    "seccomp": (317, 277),
}


def run(code: bytes, arch: int, number: int, arguments: tuple[int, ...] = ()) -> str | int:
    """`allow`, `kill` or an errno."""
    padded = [argument & (2**64 - 1) for argument in (*arguments, 0, 0, 0, 0, 0, 0)][:6]
    data = struct.pack("<IIQ6Q", number & 0xFFFF_FFFF, arch, 0, *padded)
    program = list(struct.iter_unpack("=HBBI", code))
    accumulator = at = 0
    while True:
        operation, jump_true, jump_false, value = program[at]
        at += 1
        if operation == 0x20:
            accumulator = struct.unpack_from("<I", data, value)[0]
        elif operation == 0x54:
            accumulator &= value
        elif operation == 0x06:
            if value >> 16 == 5:
                return value & 0xFFFF
            return {0x7FFF_0000: ALLOW, 0x8000_0000: KILL}[value]
        else:
            tests = {
                0x15: accumulator == value,
                0x45: accumulator & value != 0,
                0x35: accumulator >= value,
            }
            at += jump_true if tests[operation] else jump_false


class Filter:
    def __init__(self, architecture: str, network: bool = False, own_ipc: bool = True) -> None:
        self._arch = ARCHITECTURES[architecture]
        self._column = list(ARCHITECTURES).index(architecture)
        self.code = seccomp.build(architecture, network=network, own_ipc=own_ipc)

    def __call__(self, name: str, *arguments: int) -> str | int:
        return run(self.code, self._arch, CALLS[name][self._column], arguments)


@pytest.fixture(params=list(ARCHITECTURES))
def architecture(request: pytest.FixtureRequest) -> str:
    return request.param


def test_ordinary_calls(architecture: str) -> None:
    for network in (True, False):
        allowed = Filter(architecture, network)
        for name in ("read", "openat", "execve", "kill", "sendto", "seccomp"):
            assert allowed(name) == ALLOW
        # Refused, these would make bash believe that it runs under rshd.
        assert allowed("getpeername") == allowed("getsockname") == ALLOW
        assert allowed("landlock_restrict_self") == ALLOW


def test_dangerous_calls(architecture: str) -> None:
    for network in (True, False):
        for name in ("ptrace", "mount", "unshare", "io_uring_setup"):
            assert Filter(architecture, network)(name) == errno.EPERM


def test_clone_makes_no_namespaces(architecture: str) -> None:
    call = Filter(architecture)
    assert call("clone3") == errno.ENOSYS
    assert call("clone", 0x11) == ALLOW
    assert call("clone", 0x3D0F00) == ALLOW  # A thread.
    for bit in (17, 25, 26, 27, 28, 29, 30):
        assert call("clone", 1 << bit | 0x11) == errno.EPERM


def test_sockets_without_network(architecture: str) -> None:
    call = Filter(architecture)
    for family in (UNIX, INET, INET6, NETLINK, PACKET, VSOCK):
        assert call("socket", family, STREAM) == errno.EPERM
    assert call("connect") == call("bind") == errno.EPERM
    assert call("socketpair", UNIX, STREAM | CLOEXEC) == ALLOW
    assert call("socketpair", UNIX, SEQPACKET) == ALLOW
    for kind in (DGRAM, DGRAM | CLOEXEC, RAW):
        assert call("socketpair", UNIX, kind) == errno.EPERM
    assert call("socketpair", INET, STREAM) == errno.EPERM


def test_sockets_with_network(architecture: str) -> None:
    call = Filter(architecture, network=True)
    for family in (INET, INET6):
        for kind in (STREAM, DGRAM, STREAM | CLOEXEC):
            assert call("socket", family, kind) == ALLOW
        for kind in (RAW, 10, SEQPACKET):
            assert call("socket", family, kind) == errno.EPERM
    assert call("socket", UNIX, DGRAM) == ALLOW
    assert call("socket", NETLINK, RAW, 0) == ALLOW
    assert call("socket", NETLINK, RAW, 9) == errno.EPERM
    for family in (PACKET, VSOCK, 38, 44, 29):
        assert call("socket", family, STREAM) == errno.EPERM
    assert call("connect") == call("bind") == ALLOW


def test_terminals(architecture: str) -> None:
    call = Filter(architecture)
    assert call("ioctl", 1, 0x5401) == ALLOW
    assert call("ioctl", 1, 0x5412) == errno.EPERM
    # The kernel looks at the low half of the argument only.
    assert call("ioctl", 1, 0xDEAD_BEEF_0000_5412) == errno.EPERM


def test_shared_memory_without_an_ipc_namespace(architecture: str) -> None:
    assert Filter(architecture)("shmget") == ALLOW
    assert Filter(architecture, own_ipc=False)("shmget") == errno.EPERM


def test_limits_of_others_where_others_are_seen(architecture: str) -> None:
    assert Filter(architecture)("prlimit64", 1, 0) == ALLOW
    alone = Filter(architecture, own_ipc=False)
    assert alone("prlimit64", 0, 7) == ALLOW
    assert alone("prlimit64", 1, 0) == errno.EPERM


@given(number=st.integers(0, 2**32 - 1), arch=st.sampled_from([I386, 0, 0x4000_0028]))
def test_foreign_architectures_die(number: int, arch: int) -> None:
    for architecture in ARCHITECTURES:
        assert run(Filter(architecture).code, arch, number) == KILL


@given(number=st.integers(0x4000_0000, 2**32 - 1))
def test_x32_is_refused(number: int) -> None:
    call = Filter("x86_64")
    assert run(call.code, ARCHITECTURES["x86_64"], number) == errno.EPERM


@given(
    number=st.integers(0, 500),
    arguments=st.tuples(*[st.integers(0, 2**64 - 1)] * 3),
    network=st.booleans(),
)
def test_every_call_gets_an_answer(number: int, arguments: tuple[int, ...], network: bool) -> None:
    for architecture, arch in ARCHITECTURES.items():
        code = Filter(architecture, network).code
        assert run(code, arch, number, arguments) in (ALLOW, errno.EPERM, errno.ENOSYS)


def test_other_machines() -> None:
    assert seccomp.supported(os.uname().machine)
    assert not seccomp.supported("riscv64")
