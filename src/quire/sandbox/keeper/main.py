"""The keeper's loop, and the supervisor of one command."""

from __future__ import annotations

import array
import marshal
import os
import select
import signal
import socket
import time

from quire.sandbox.keeper import child, landlock, libc, namespaces
from quire.sandbox.keeper.job import EXIT, FAILED, FDS, KILL, PID, READY, SIZE_BYTES, Job

_POLL_MS = 500
_KILL_PAUSE_S = 0.002


def main(fd: int) -> None:
    """Serve requests that come on the socket `fd` until Quire closes it."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    requests = socket.socket(fileno=fd)
    while True:
        room = socket.CMSG_SPACE(FDS * 4)
        data, ancillary, _, _ = requests.recvmsg(1, room, socket.MSG_CMSG_CLOEXEC)
        if not data:
            return
        fds = array.array("i")
        for _, _, packed in ancillary:
            fds.frombytes(packed)
        if os.fork() == 0:
            requests.close()
            try:
                _supervise(list(fds))
            finally:
                os._exit(1)
        for given in fds:
            os.close(given)
        _reap()


def _supervise(fds: list[int]) -> None:
    """Start the runner, tell Quire how it ends, kill the tree when Quire says so or is gone."""
    control = socket.socket(fileno=fds[0])
    os.setsid()
    size = int.from_bytes(_exactly(fds[1], SIZE_BYTES), "big")
    job = Job.unpack(_exactly(fds[1], size))
    try:
        libc.become_subreaper()
        if job.layer == "namespaces":
            namespaces.unshare(network=job.network)
        runner = os.fork()
    except (libc.CallFailed, OSError) as exc:
        _failed(control, exc)
        return
    if runner == 0:
        try:
            _run(control, job, fds[1:])
        finally:
            os._exit(child.CANNOT_START)
    _say(control, PID + marshal.dumps(runner))
    for fd in fds[1:]:
        os.close(fd)
    _watch(control, runner, keep_rest=job.layer == "none")


# --- the runner ------------------------------------------------------------------------------


def _run(control: socket.socket, job: Job, fds: list[int]) -> None:
    """Make the sandbox, wait for orders, obey."""
    orders_fd, *streams = fds
    try:
        libc.die_with_parent()
        for target, source in enumerate(streams):
            os.dup2(source, target)
        for fd in {*streams} - {0, 1, 2}:
            os.close(fd)
        _confine(job)
    except (libc.CallFailed, OSError) as exc:
        _failed(control, exc)
        return
    control.send(READY)
    control.close()
    orders = child.read_orders(orders_fd)
    if orders is None:
        return
    if job.layer == "namespaces":
        _be_init(orders, job)
    os.setsid()
    child.become(orders, tty=job.tty)


def _confine(job: Job) -> None:
    if job.layer == "none":
        return
    if job.layer == "namespaces":
        namespaces.build(job.writable, job.read_only, job.links)
    ruleset = -1
    if job.layer == "landlock":
        paths = [path for path, _, _ in job.writable]
        ruleset = landlock.prepare(paths, job.protected, network=job.network)
    libc.drop_capabilities()
    libc.no_new_privileges()
    if ruleset >= 0:
        libc.landlock_restrict(ruleset)
        os.close(ruleset)
    elif job.network:
        libc.scope_abstract_sockets()
    libc.load_filter(job.code)


def _be_init(orders: child.Orders, job: Job) -> None:
    """As the first process of a namespace: start the command, collect orphans, end with it."""
    command = os.fork()
    if command == 0:
        os.setsid()
        child.become(orders, tty=job.tty)
    while True:
        pid, status = os.wait()
        if pid == command:
            os._exit(_exit_code(status))


# --- the supervisor --------------------------------------------------------------------------


def _watch(control: socket.socket, runner: int, *, keep_rest: bool) -> None:
    """Tell the runner's exit code; return once nothing of the tree is left. With `keep_rest` (no
    sandbox), what the command left in the background lives on until Quire lets go of it."""
    poller = select.poll()
    poller.register(control.fileno(), select.POLLIN)
    pidfd = os.pidfd_open(runner)
    poller.register(pidfd, select.POLLIN)
    code: int | None = None
    while True:
        events = {fd for fd, _ in poller.poll(_POLL_MS)}
        if control.fileno() in events:
            killed = control.recv(len(KILL)) != b""
            code = _kill_tree(runner, code)
            if killed:
                _say(control, EXIT + marshal.dumps(code))
            return
        if code is None and pidfd in events:
            _, status = os.waitpid(runner, 0)
            code = _exit_code(status)
            poller.unregister(pidfd)
            if not keep_rest:
                _kill_tree(runner, code)
            _say(control, EXIT + marshal.dumps(code))
        if not _reap(runner if code is None else None):
            return


def _kill_tree(runner: int, code: int | None) -> int:
    """Kill all descendants until there is none. The exit code of the runner, as far as known."""
    while True:
        try:
            while True:
                pid, status = os.waitpid(-1, os.WNOHANG)
                if pid == 0:
                    break
                if pid == runner:
                    code = _exit_code(status)
        except ChildProcessError:
            return 128 + signal.SIGKILL if code is None else code
        for pid in _descendants(os.getpid()):
            try:
                os.kill(pid, signal.SIGKILL)
            except OSError:
                continue  # It ended, or became another user's.
        time.sleep(_KILL_PAUSE_S)


def _descendants(root: int) -> list[int]:
    parents: dict[int, list[int]] = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                with open(f"/proc/{name}/stat", "rb") as file:
                    parent = int(file.read().rpartition(b")")[2].split()[1])
            except (OSError, IndexError):
                continue
            parents.setdefault(parent, []).append(int(name))
    found = parents.get(root, [])
    for pid in found:  # Grows while it is walked.
        found.extend(parents.get(pid, []))
    return found


def _reap(spare: int | None = None) -> bool:
    """Collect children that ended, but not `spare`: who waits for it wants its exit code. False
    when there are no children."""
    while True:
        try:
            flags = os.WEXITED | os.WNOHANG | os.WNOWAIT
            ended = os.waitid(os.P_ALL, 0, flags)
        except ChildProcessError:
            return False
        if ended is None or ended.si_pid == spare:
            return True
        os.waitpid(ended.si_pid, 0)


def _failed(control: socket.socket, exc: libc.CallFailed | OSError) -> None:
    call = exc.call if isinstance(exc, libc.CallFailed) else f"{exc.filename or 'system call'}"
    error = exc.error if isinstance(exc, libc.CallFailed) else exc.errno or 0
    _say(control, FAILED + marshal.dumps((call, error)))


def _say(control: socket.socket, message: bytes) -> None:
    try:
        control.send(message)
    except OSError:
        return  # Quire is gone; the next look at the socket says so.


def _exactly(fd: int, size: int) -> bytes:
    data = b""
    while len(data) < size:
        more = os.read(fd, size - len(data))
        if not more:
            os._exit(0)  # Discarded before it was told anything.
        data += more
    return data


def _exit_code(status: int) -> int:
    code = os.waitstatus_to_exitcode(status)
    return code if code >= 0 else 128 - code
