"""The system call filter: a classic BPF program for x86_64 and aarch64, built without libseccomp.

Everything is allowed but what is named here. Refused calls fail with EPERM, `clone3` with ENOSYS
(its flags are in memory, which a filter cannot read; libc then uses `clone`). A call by the
numbers of another architecture kills the process; x32 numbers are refused.

The filter is the second wall: namespaces, mounts and dropped capabilities are the first. It is
the only one against sockets by path, since a socket on a read-only mount can be connected to.
"""

from __future__ import annotations

from errno import ENOSYS, EPERM
from struct import Struct as Packer

# (x86_64, aarch64); None where the architecture has no such call.
_DENIED: tuple[tuple[int | None, int | None], ...] = (
    (101, 117),  # ptrace
    (310, 270),  # process_vm_readv
    (311, 271),  # process_vm_writev
    (312, 272),  # kcmp
    (438, 438),  # pidfd_getfd
    (440, 440),  # process_madvise
    (425, 425),  # io_uring_setup
    (426, 426),  # io_uring_enter
    (427, 427),  # io_uring_register
    (165, 40),  # mount
    (166, 39),  # umount2
    (155, 41),  # pivot_root
    (161, 51),  # chroot
    (428, 428),  # open_tree
    (429, 429),  # move_mount
    (430, 430),  # fsopen
    (431, 431),  # fsconfig
    (432, 432),  # fsmount
    (433, 433),  # fspick
    (442, 442),  # mount_setattr
    (467, 467),  # open_tree_attr
    (272, 97),  # unshare
    (308, 268),  # setns
    (321, 280),  # bpf
    (298, 241),  # perf_event_open
    (248, 217),  # add_key
    (249, 218),  # request_key
    (250, 219),  # keyctl
    (304, 265),  # open_by_handle_at
    (246, 104),  # kexec_load
    (320, 294),  # kexec_file_load
    (175, 105),  # init_module
    (313, 273),  # finit_module
    (176, 106),  # delete_module
    (323, 282),  # userfaultfd
    (300, 262),  # fanotify_init
    (179, 60),  # quotactl
    (443, 443),  # quotactl_fd
    (167, 224),  # swapon
    (168, 225),  # swapoff
    (169, 142),  # reboot
    (170, 161),  # sethostname
    (171, 162),  # setdomainname
    (163, 89),  # acct
    (103, 116),  # syslog
    (164, 170),  # settimeofday
    (227, 112),  # clock_settime
    (305, 266),  # clock_adjtime
    (153, 58),  # vhangup
    (172, None),  # iopl
    (173, None),  # ioperm
)
_SHARED_IPC: tuple[tuple[int, int], ...] = (
    (29, 194),  # shmget
    (30, 196),  # shmat
    (31, 195),  # shmctl
    (64, 190),  # semget
    (65, 193),  # semop
    (66, 191),  # semctl
    (220, 192),  # semtimedop
    (68, 186),  # msgget
    (69, 189),  # msgsnd
    (70, 188),  # msgrcv
    (71, 187),  # msgctl
    (240, 180),  # mq_open
    (241, 181),  # mq_unlink
)
_SERVER_CALLS: tuple[tuple[int, int], ...] = (
    (42, 203),  # connect
    (49, 200),  # bind
    (50, 201),  # listen
    (43, 202),  # accept
    (288, 242),  # accept4
)
_SOCKET, _SOCKETPAIR, _CLONE, _CLONE3, _IOCTL, _PRLIMIT = (
    (41, 198),
    (53, 199),
    (56, 220),
    (435, 435),
    (16, 29),
    (302, 261),
)

_AUDIT_ARCH = {"x86_64": 0xC000_003E, "aarch64": 0xC000_00B7}
_X32_BIT = 0x4000_0000
_NEW_NAMESPACES = 0x7E02_0000  # CLONE_NEWNS, CGROUP, UTS, IPC, USER, PID, NET
_TIOCSTI, _TIOCLINUX = 0x5412, 0x541C
_AF_UNIX, _AF_INET, _AF_INET6, _AF_NETLINK, _NETLINK_ROUTE = 1, 2, 10, 16, 0
_SOCK_STREAM, _SOCK_DGRAM, _SOCK_SEQPACKET, _SOCK_TYPE_MASK = 1, 2, 5, 0xF

_LOAD, _JEQ, _JSET, _JGE, _AND, _RETURN = 0x20, 0x15, 0x45, 0x35, 0x54, 0x06
_ALLOW, _KILL, _ERRNO = 0x7FFF_0000, 0x8000_0000, 0x0005_0000
_NR, _ARCH = 0, 4
_PACK = Packer("=HBBI").pack


def supported(architecture: str) -> bool:
    """True when a filter can be built for it."""
    return architecture in _AUDIT_ARCH


def build(architecture: str, *, network: bool, own_ipc: bool) -> bytes:
    """The filter as an array of `struct sock_filter`.

    Without `network`, no socket can be made but a connected pair of unix stream or seqpacket
    sockets: a datagram socket could be sent from to any path. With it, internet and unix sockets
    and routing questions (netlink) work; raw, packet, vsock and all other families do not.
    `own_ipc` says that the sandbox has namespaces of its own; otherwise System V and POSIX message
    queues and memory, which all processes share, are refused too, and so are limits for other
    processes: one on its CPU time kills a process of the host.
    """
    column = 0 if architecture == "x86_64" else 1
    code = _Assembler()
    code.load(_ARCH)
    code.unless(_AUDIT_ARCH[architecture], _KILL)
    code.load(_NR)
    if architecture == "x86_64":
        code.emit(_JGE, 0, 1, _X32_BIT)
        code.returns(_ERRNO | EPERM)
    denied = [row[column] for row in _DENIED]
    if not own_ipc:
        denied += [row[column] for row in _SHARED_IPC]
    if not network:
        denied += [row[column] for row in _SERVER_CALLS]
    for number in denied:
        if number is not None:
            code.when(number, _ERRNO | EPERM)
    code.when(_CLONE3[column], _ERRNO | ENOSYS)
    code.case(_CLONE[column], _clone_body())
    code.case(_IOCTL[column], _ioctl_body())
    code.case(_SOCKETPAIR[column], _socketpair_body())
    if not own_ipc:
        code.case(_PRLIMIT[column], _prlimit_body())
    if network:
        code.case(_SOCKET[column], _socket_body())
    else:
        code.when(_SOCKET[column], _ERRNO | EPERM)
    code.returns(_ALLOW)
    return code.program()


def _clone_body() -> _Assembler:
    body = _Assembler()
    body.load(_argument(0))
    body.emit(_JSET, 0, 1, _NEW_NAMESPACES)
    body.returns(_ERRNO | EPERM)
    return body


def _ioctl_body() -> _Assembler:
    """Putting characters into a terminal's input would run commands outside."""
    body = _Assembler()
    body.load(_argument(1))
    body.when(_TIOCSTI, _ERRNO | EPERM)
    body.when(_TIOCLINUX, _ERRNO | EPERM)
    return body


def _prlimit_body() -> _Assembler:
    body = _Assembler()
    body.load(_argument(0))
    body.unless(0, _ERRNO | EPERM)
    return body


def _socketpair_body() -> _Assembler:
    body = _Assembler()
    body.load(_argument(0))
    body.unless(_AF_UNIX, _ERRNO | EPERM)
    body.load(_argument(1))
    body.emit(_AND, 0, 0, _SOCK_TYPE_MASK)
    body.when(_SOCK_STREAM, _ALLOW)
    body.unless(_SOCK_SEQPACKET, _ERRNO | EPERM)
    return body


def _socket_body() -> _Assembler:
    body = _Assembler()
    body.load(_argument(0))
    body.when(_AF_UNIX, _ALLOW)
    netlink = _Assembler()
    netlink.load(_argument(2))
    netlink.unless(_NETLINK_ROUTE, _ERRNO | EPERM)
    body.case(_AF_NETLINK, netlink)
    body.emit(_JEQ, 2, 0, _AF_INET)
    body.unless(_AF_INET6, _ERRNO | EPERM)
    body.load(_argument(1))
    body.emit(_AND, 0, 0, _SOCK_TYPE_MASK)
    body.when(_SOCK_STREAM, _ALLOW)
    body.unless(_SOCK_DGRAM, _ERRNO | EPERM)
    return body


def _argument(index: int) -> int:
    """Offset of the low half of a call's argument (both architectures are little-endian)."""
    return 16 + 8 * index


class _Assembler:
    """A straight list of instructions. A value in the accumulator is tested, and what matches
    returns at once."""

    def __init__(self) -> None:
        self._code: list[bytes] = []

    def emit(self, operation: int, jump_true: int, jump_false: int, value: int) -> None:
        self._code.append(_PACK(operation, jump_true, jump_false, value))

    def load(self, offset: int) -> None:
        self.emit(_LOAD, 0, 0, offset)

    def returns(self, action: int) -> None:
        self.emit(_RETURN, 0, 0, action)

    def when(self, value: int, action: int) -> None:
        """Return `action` when the accumulator is `value`."""
        self.emit(_JEQ, 0, 1, value)
        self.returns(action)

    def unless(self, value: int, action: int) -> None:
        """Return `action` when the accumulator is not `value`."""
        self.emit(_JEQ, 1, 0, value)
        self.returns(action)

    def case(self, value: int, body: _Assembler) -> None:
        """Run `body` when the accumulator is `value`; what falls out of it is allowed."""
        body.returns(_ALLOW)
        self.emit(_JEQ, 0, len(body._code), value)
        self._code += body._code

    def program(self) -> bytes:
        return b"".join(self._code)
