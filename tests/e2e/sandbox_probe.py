"""Tries to leave the sandbox it runs in, and to do what must work inside.

    python sandbox_probe.py FACTS        FACTS: JSON, see `Facts`

Prints JSON: attempt -> "ok", the name of the errno, or what else happened. Each attempt runs in a
process of its own. System calls get arguments that the kernel refuses by another errno than EPERM.
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import json
import os
import platform
import resource
import signal
import socket
import stat
import sys
import termios
from collections.abc import Callable
from typing import TypedDict


class Facts(TypedDict):
    """Where things are. `outside` holds `file` and may be written by the user, not by commands."""

    workspace: str
    outside: str
    home: str
    tcp: int
    udp: int
    unix: str
    datagram: str
    abstract: str
    pid: int
    memory: int
    secret: str


FACTS: Facts = json.loads(sys.argv[1])
WORKSPACE, OUTSIDE = FACTS["workspace"], FACTS["outside"]
ATTEMPTS: dict[str, Callable[[], object]] = {}
LIBC = ctypes.CDLL(None, use_errno=True)
X86 = platform.machine() == "x86_64"
TIMEOUT_S = 20


class Failed(Exception):
    """What happened, in a word."""


def attempt(function: Callable[[], object]) -> Callable[[], object]:
    ATTEMPTS[function.__name__] = function
    return function


def call(x86: int, other: int, *arguments: object) -> int:
    result = LIBC.syscall(x86 if X86 else other, *arguments)
    if result < 0:
        raise OSError(ctypes.get_errno(), "")
    return result


def write(path: str, flags: int = os.O_CREAT) -> None:
    fd = os.open(path, os.O_WRONLY | flags, 0o644)
    os.write(fd, b"probe\n")
    os.close(fd)


def inside(*names: str) -> str:
    return os.path.join(WORKSPACE, *names)


def outside(*names: str) -> str:
    return os.path.join(OUTSIDE, *names)


# --- writing ---------------------------------------------------------------------------------


@attempt
def write_workspace() -> None:
    write(inside("file"), os.O_APPEND)
    write(inside("sub", "new"))


@attempt
def write_workspace_entry() -> None:
    write(inside("entry"))
    os.rename(inside("entry"), inside("entry2"))
    os.unlink(inside("entry2"))


@attempt
def write_tmp() -> None:
    path = f"/tmp/quire-probe-{os.getpid()}-{os.urandom(4).hex()}"
    write(path)
    os.unlink(path)


@attempt
def write_dev_shm() -> None:
    write("/dev/shm/quire-probe")


@attempt
def write_outside() -> None:
    write(outside("new"))


@attempt
def append_outside() -> None:
    write(outside("file"), os.O_APPEND)


@attempt
def truncate_outside() -> None:
    os.truncate(outside("file"), 0)


@attempt
def unlink_outside() -> None:
    os.unlink(outside("file2"))


@attempt
def chmod_outside() -> None:
    os.chmod(outside("file"), 0o777)


@attempt
def write_home() -> None:
    write(os.path.join(FACTS["home"], ".profile"))


@attempt
def write_own_code() -> None:
    write(os.path.abspath(sys.argv[0]), os.O_APPEND)


@attempt
def symlink_escape() -> None:
    write(inside("leads-outside", "new2"))


@attempt
def new_symlink_escape() -> None:
    os.symlink(OUTSIDE, inside("sub", "link"))
    write(inside("sub", "link", "new3"))


@attempt
def hardlink_escape() -> None:
    os.link(outside("file"), inside("sub", "hard"))
    write(inside("sub", "hard"), os.O_APPEND)


@attempt
def rename_out() -> None:
    os.rename(inside("file"), outside("moved"))


@attempt
def dotdot_escape() -> None:
    write(inside("sub", "..", "..", "outside", "new4"))


@attempt
def fifo_outside() -> None:
    os.close(os.open(outside("fifo"), os.O_WRONLY | os.O_NONBLOCK))


@attempt
def proc_root_escape() -> None:
    write("/proc/1/root" + outside("new5"))


@attempt
def proc_cwd_escape() -> None:
    write("/proc/1/cwd" + outside("new6"))


# --- protected names ---------------------------------------------------------------------------


@attempt
def git_write() -> None:
    write(inside(".git", "config"), os.O_APPEND)


@attempt
def git_new() -> None:
    write(inside(".git", "hooks", "post-checkout"))


@attempt
def git_hardlink() -> None:
    os.link(inside(".git", "config"), inside("sub", "config"))
    write(inside("sub", "config"), os.O_APPEND)


@attempt
def git_chmod() -> None:
    os.chmod(inside(".git", "config"), 0o777)


@attempt
def git_truncate() -> None:
    os.truncate(inside(".git", "config"), 0)


@attempt
def git_remount() -> None:
    LIBC.mount(b"none", inside(".git").encode(), None, ctypes.c_ulong(32 | 4096), None)
    write(inside(".git", "config"), os.O_APPEND)


@attempt
def git_unlink() -> None:
    os.unlink(inside(".git", "config"))


@attempt
def git_rmdir() -> None:
    os.rmdir(inside(".git", "hooks"))


@attempt
def git_rename() -> None:
    os.rename(inside(".git"), inside("sub", "git"))


@attempt
def git_replace() -> None:
    os.mkdir(inside("sub", "fake"))
    os.rename(inside("sub", "fake"), inside(".git"))


@attempt
def missing_folder() -> None:
    write_in(".quire", "config.toml")


@attempt
def missing_file() -> None:
    write(inside(".codex"), os.O_EXCL | os.O_CREAT)


@attempt
def missing_symlink() -> None:
    os.symlink("sub", inside(".agents"))


@attempt
def missing_rename() -> None:
    os.makedirs(inside("sub", "aws"), exist_ok=True)
    os.rename(inside("sub", "aws"), inside(".aws"))


@attempt
def missing_remove_stand_in() -> None:
    os.rmdir(inside(".codex"))


@attempt
def missing_in_tmpdir() -> None:
    folder = os.path.join(os.environ["TMPDIR"], ".codex")
    os.makedirs(folder, exist_ok=True)
    write(os.path.join(folder, "config.toml"))


@attempt
def nested_names() -> None:
    write_in(os.path.join("sub", ".codex"), "config.toml")


def write_in(folder: str, name: str) -> None:
    os.makedirs(inside(folder), exist_ok=True)
    write(inside(folder, name))


# --- sockets -----------------------------------------------------------------------------------


@attempt
def tcp() -> None:
    socket.create_connection(("127.0.0.1", FACTS["tcp"]), timeout=2).close()


@attempt
def tcp_listen() -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()


@attempt
def udp() -> None:
    with socket.socket(type=socket.SOCK_DGRAM) as sender:
        sender.sendto(b"x", ("127.0.0.1", FACTS["udp"]))


def connect_unix(address: str) -> None:
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(address)


@attempt
def unix_path() -> None:
    connect_unix(FACTS["unix"])


@attempt
def unix_abstract() -> None:
    connect_unix("\0" + FACTS["abstract"])


@attempt
def unix_datagram() -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
        sender.sendmsg([b"x"], [], 0, FACTS["datagram"])


@attempt
def pair_datagram() -> None:
    ends = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    ends[0].sendmsg([b"x"], [], 0, FACTS["datagram"])


@attempt
def pair_stream() -> None:
    for kind in (socket.SOCK_STREAM, socket.SOCK_SEQPACKET):
        left, right = socket.socketpair(socket.AF_UNIX, kind)
        left.sendall(b"hello")
        right.sendmsg([b"there"])
        if right.recv(9) + left.recvmsg(9)[0] != b"hellothere":
            raise Failed("lost")
        left.getpeername()
        left.getsockname()
        left.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)


@attempt
def pair_passes_descriptors() -> None:
    left, right = socket.socketpair()
    socket.send_fds(left, [b"x"], [1])
    os.close(socket.recv_fds(right, 1, 1)[1][0])


def make_socket(family: int, kind: int, protocol: int = 0) -> None:
    socket.socket(family, kind, protocol).close()


@attempt
def raw_socket() -> None:
    make_socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)


@attempt
def packet_socket() -> None:
    make_socket(socket.AF_PACKET, socket.SOCK_RAW)


@attempt
def vsock() -> None:
    make_socket(socket.AF_VSOCK, socket.SOCK_STREAM)


@attempt
def alg_socket() -> None:
    make_socket(socket.AF_ALG, socket.SOCK_SEQPACKET)


@attempt
def netlink_route() -> None:
    make_socket(socket.AF_NETLINK, socket.SOCK_RAW, 0)


@attempt
def netlink_audit() -> None:
    make_socket(socket.AF_NETLINK, socket.SOCK_RAW, 9)


# --- processes ---------------------------------------------------------------------------------


@attempt
def signal_host() -> None:
    os.kill(FACTS["pid"], 0)


@attempt
def limit_host() -> None:
    """A limit on its CPU time would kill it. This one changes nothing."""
    now = resource.prlimit(FACTS["pid"], resource.RLIMIT_CORE)
    resource.prlimit(FACTS["pid"], resource.RLIMIT_CORE, now)


@attempt
def see_host() -> None:
    os.stat(f"/proc/{FACTS['pid']}")


@attempt
def read_host_memory() -> None:
    os.close(os.open(f"/proc/{FACTS['pid']}/mem", os.O_RDWR))


@attempt
def ptrace_host() -> None:
    call(101, 117, 0x4206, FACTS["pid"], 0, 0)


@attempt
def ptrace_child() -> None:
    child = os.fork()
    if child == 0:
        signal.pause()
    try:
        call(101, 117, 0x4206, child, 0, 0)
    finally:
        os.kill(child, signal.SIGKILL)


@attempt
def process_vm_read() -> None:
    call(310, 270, os.getpid(), 0, 0, 0, 0, 0)


@attempt
def host_environment() -> None:
    """Secrets of the processes outside, and of what made the sandbox."""
    for name in os.listdir("/proc"):
        try:
            with open(f"/proc/{name}/environ", "rb") as file:
                if FACTS["secret"].encode() in file.read():
                    return
        except OSError:
            continue
    raise PermissionError(errno.EACCES, "")


@attempt
def own_environment() -> None:
    expected = {"PATH", "HOME", "TMPDIR", "PYTHONDONTWRITEBYTECODE", "LD_LIBRARY_PATH"}
    if set(os.environ) - {"LC_CTYPE"} != expected:
        raise Failed(" ".join(sorted(os.environ)))


@attempt
def own_descriptors() -> None:
    found = {int(name) for name in os.listdir("/proc/self/fd")}
    for fd in sorted(found - {0, 1, 2, REPORT}):
        try:
            target = os.readlink(f"/proc/self/fd/{fd}")
        except OSError:
            continue  # The one that listed them.
        raise Failed(f"{fd} is {target}")


@attempt
def own_privileges() -> None:
    with open("/proc/self/status") as file:
        status = dict(line.split(":\t", 1) for line in file.read().splitlines() if ":\t" in line)
    wanted = {f"Cap{name}": "0000000000000000" for name in ("Inh", "Prm", "Eff", "Amb")}
    wanted |= {"NoNewPrivs": "1", "Seccomp": "2"}
    if os.getuid() == 0:  # Others may not drop it; without new privileges it is of no use.
        wanted["CapBnd"] = "0000000000000000"
    wrong = [f"{name}={status[name]}" for name in wanted if status[name] != wanted[name]]
    if wrong:
        raise Failed(" ".join(wrong))


# --- namespaces and mounts ---------------------------------------------------------------------


def unshare(flags: int) -> None:
    call(272, 97, flags)


@attempt
def new_user_namespace() -> None:
    unshare(0x1000_0000)


@attempt
def new_mount_namespace() -> None:
    unshare(0x2_0000)


@attempt
def new_network_namespace() -> None:
    unshare(0x4000_0000)


@attempt
def clone_user_namespace() -> None:
    pid = call(56, 220, 0x1000_0000 | signal.SIGCHLD, 0, 0, 0, 0)
    if pid == 0:
        os._exit(0)


@attempt
def clone3() -> None:
    call(435, 435, 0, 0)


@attempt
def enter_namespace() -> None:
    fd = os.open("/proc/self/ns/uts", os.O_RDONLY)
    call(308, 268, fd, 0)


@attempt
def mount() -> None:
    call(165, 40, b"t", inside("no-such").encode(), b"tmpfs", 0, 0)


@attempt
def unmount() -> None:
    call(166, 39, inside("no-such").encode(), 0)


@attempt
def change_root() -> None:
    call(161, 51, inside("no-such").encode())


@attempt
def pivot_root() -> None:
    call(155, 41, inside("no-such").encode(), inside("no-such").encode())


@attempt
def open_tree() -> None:
    call(428, 428, -1, b"no-such", 0)


@attempt
def move_mount() -> None:
    call(429, 429, -1, b"no-such", -1, b"no-such", 0)


@attempt
def fsopen() -> None:
    call(430, 430, b"no-such", 0)


@attempt
def mount_setattr() -> None:
    call(442, 442, -1, b"", 0, 0, 0)


# --- the kernel --------------------------------------------------------------------------------


@attempt
def io_uring() -> None:
    call(425, 425, 0, 0)


@attempt
def bpf() -> None:
    call(321, 280, 9999, 0, 0)


@attempt
def perf_event() -> None:
    call(298, 241, 0, 0, 0, -1, 0)


@attempt
def keyctl() -> None:
    call(250, 219, 9999, 0, 0, 0, 0)


@attempt
def add_key() -> None:
    call(248, 217, 0, 0, 0, 0, 0)


@attempt
def userfaultfd() -> None:
    call(323, 282, 0xFFFF_FFFF)


@attempt
def open_by_handle() -> None:
    call(304, 265, -1, 0, 0)


@attempt
def load_module() -> None:
    call(175, 105, 0, 0, 0)


@attempt
def load_kernel() -> None:
    call(246, 104, 0, 999, 0, 0)


@attempt
def x32_call() -> None:
    if not X86:
        raise PermissionError(errno.EPERM, "")
    call(0x4000_0000 + 39, 0)


@attempt
def type_into_terminal() -> None:
    _, slave = os.openpty()
    fcntl.ioctl(slave, termios.TIOCSTI, b"x")


@attempt
def system_v_memory() -> None:
    """Memory that processes of the host share."""
    call(29, 194, FACTS["memory"], 64, 0)


def open_for_writing(path: str) -> None:
    os.close(os.open(path, os.O_WRONLY))


@attempt
def proc_sys() -> None:
    open_for_writing("/proc/sys/kernel/core_pattern")


@attempt
def proc_sysrq() -> None:
    open_for_writing("/proc/sysrq-trigger")


@attempt
def proc_irq() -> None:
    open_for_writing("/proc/irq/default_smp_affinity")


@attempt
def sys_write() -> None:
    open_for_writing("/sys/kernel/mm/transparent_hugepage/enabled")


@attempt
def dev_kmsg() -> None:
    open_for_writing("/dev/kmsg")


@attempt
def dev_disk() -> None:
    for name in sorted(os.listdir("/dev")):
        if stat.S_ISBLK(os.stat(f"/dev/{name}").st_mode):
            open_for_writing(f"/dev/{name}")
            return
    raise FileNotFoundError(errno.ENOENT, "")


@attempt
def make_device() -> None:
    os.mknod(inside("sub", "device"), 0o600 | stat.S_IFBLK, os.makedev(7, 0))


# --- what must work ------------------------------------------------------------------------------


@attempt
def terminal() -> None:
    os.close(os.openpty()[0])
    write("/dev/null", 0)


@attempt
def threads_and_fork() -> None:
    import threading

    thread = threading.Thread(target=os.getpid)
    thread.start()
    thread.join()
    child = os.fork()
    if child == 0:
        os._exit(3)
    if os.waitpid(child, 0)[1] != 3 << 8:
        raise Failed("wrong exit")


@attempt
def asyncio_runs() -> None:
    import asyncio

    async def main() -> bytes:
        process = await asyncio.create_subprocess_exec(
            "/bin/echo", "hi", stdout=asyncio.subprocess.PIPE
        )
        return (await process.communicate())[0]

    if asyncio.run(main()) != b"hi\n":
        raise Failed("lost")


@attempt
def multiprocessing_runs() -> None:
    import multiprocessing

    with multiprocessing.get_context("fork").Pool(2) as pool:
        if pool.map(abs, [-1, -2]) != [1, 2]:
            raise Failed("wrong")


@attempt
def shared_memory_runs() -> None:
    from multiprocessing.shared_memory import SharedMemory

    memory = SharedMemory(create=True, size=16)
    memory.close()
    memory.unlink()


# --- running them --------------------------------------------------------------------------------

REPORT = -1


def outcome(function: Callable[[], object]) -> str:
    try:
        function()
    except TimeoutError:
        return "timeout"
    except OSError as exc:
        return errno.errorcode.get(exc.errno or 0, f"OSError {exc}")
    except Failed as exc:
        return f"failed: {exc}"
    return "ok"


def run(function: Callable[[], object]) -> str:
    global REPORT
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        REPORT = writing
        signal.alarm(TIMEOUT_S)
        try:
            os.write(writing, outcome(function).encode())
        finally:
            os._exit(0)
    os.close(writing)
    with open(reading, "rb") as file:
        said = file.read().decode()
    _, status = os.waitpid(child, 0)
    code = os.waitstatus_to_exitcode(status)
    return said or (signal.Signals(-code).name if code < 0 else f"exit {code}")


print(json.dumps({name: run(function) for name, function in ATTEMPTS.items()}))
