"""The server in the background: one for each home, found through its registration.

A registration is believed only while the process that it names lives and is the one that wrote it:
process ids are given out again, so the time the process began stands beside its id.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Generator, Sequence

import msgspec
from msgspec import Struct

from quire.core.errors import QuireError
from quire.server.transport.place import connectable, default_path, make_private_folder

START_SECONDS = 30.0
STOP_SECONDS = 10.0
"""From SIGTERM to SIGKILL: turns are ended and logs closed in this time."""
ANSWER_SECONDS = 5.0
PATIENCE_SECONDS = START_SECONDS + 2 * STOP_SECONDS
"""What a restart may take. A lock is not waited for without end: whoever can read its file can
take it, a command in the sandbox too."""
LOG_BYTES = 10 * 1024 * 1024
"""A longer log is put aside as `app-server.log.1`."""
_POLL_SECONDS = 0.02
_INITIALIZE = (
    b'{"id":0,"method":"initialize","params":'
    b'{"clientInfo":{"name":"daemon","title":null,"version":"0"},"capabilities":null}}\n'
)


class DaemonError(QuireError):
    """The server could not be started or stopped: one line."""


class Registration(Struct, frozen=True, rename="camel"):
    """Who serves. `started` names the process beyond its id; `version` is Quire's."""

    pid: int
    started: str
    socket_path: str
    version: str
    program: str
    protocol: str = "app-server"


class Daemon:
    """The background server of one `$QUIRE_HOME`. `grace`: seconds from SIGTERM to SIGKILL;
    `patience`: seconds to wait for others who start or stop it."""

    def __init__(
        self, home: str, grace: float = STOP_SECONDS, patience: float = PATIENCE_SECONDS
    ) -> None:
        self._grace = grace
        self._patience = patience
        self.socket_path = default_path(home)
        self.log_path = os.path.join(home, "log", "app-server.log")
        self._folder = os.path.join(home, "app-server-daemon")
        self._file = os.path.join(self._folder, "daemon.json")

    # --- for those who look for it ---------------------------------------------------------

    def registered(self) -> Registration | None:
        """The server that is registered and alive."""
        try:
            with open(self._file, "rb") as file:
                found = msgspec.json.decode(file.read(64 * 1024), type=Registration)
        except (OSError, msgspec.DecodeError, UnicodeDecodeError):
            return None
        return found if found.started == process_identity(found.pid) else None

    def user_agent(self) -> str | None:
        """How whoever serves at the socket calls itself; None when nobody answers."""
        return user_agent(self.socket_path)

    # --- for those who rule it -------------------------------------------------------------

    def start(self, command: Sequence[str]) -> int | None:
        """Start `command` unless a server answers already; its process id, or None when one did.
        Returns when it answers. Raises `DaemonError`."""
        with self._locked():
            if self.user_agent() is not None:
                return None
            living = self.registered()
            if living is not None:
                self._await_answer(living.pid, lambda: self.registered() is not None)
                return None
            return self._spawn(command)

    def stop(self) -> bool:
        """End it, with SIGKILL when it does not end in time; False when none ran. Raises
        `DaemonError` for a server that somebody else started."""
        with self._locked():
            return self._stop()

    def restart(self, command: Sequence[str]) -> int:
        """Stop it if it runs, and start it; its process id. Raises `DaemonError`."""
        with self._locked():
            self._stop()
            return self._spawn(command)

    # --- for the server itself -------------------------------------------------------------

    def register(self, version: str) -> None:
        """Say that this process serves. Raises `DaemonError`."""
        pid = os.getpid()
        mine = Registration(
            pid, process_identity(pid) or "", self.socket_path, version, sys.executable
        )
        draft = f"{self._file}.{pid}"
        try:
            make_private_folder(self._folder)
            fd = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with open(fd, "wb") as file:
                file.write(msgspec.json.encode(mine))
            os.replace(draft, self._file)
        except OSError as exc:
            raise DaemonError(f"cannot register the server: {exc.strerror}: {draft}") from None

    def unregister(self) -> None:
        """Take the registration away if it is this process's. Never raises."""
        mine = self.registered()
        if mine is not None and mine.pid == os.getpid():
            with contextlib.suppress(OSError):
                os.unlink(self._file)

    def rotate_log(self) -> None:
        """Begin a new log when the current one is long. A process whose standard error is the log
        goes over to the new one. Never raises."""
        with contextlib.suppress(OSError):
            there = os.stat(self.log_path)
            if there.st_size < LOG_BYTES:
                return
            ours = os.path.samestat(os.fstat(2), there)
            os.replace(self.log_path, f"{self.log_path}.1")
            if ours:
                fd = _open_log(self.log_path)
                for stream in (1, 2):
                    os.dup2(fd, stream)
                os.close(fd)

    # --- how -------------------------------------------------------------------------------

    @contextlib.contextmanager
    def _locked(self) -> Generator[None]:
        """One ruler at a time: two that start find one server."""
        try:
            make_private_folder(self._folder)
            fd = os.open(
                os.path.join(self._folder, "daemon.lock"),
                os.O_RDWR | os.O_CREAT | os.O_CLOEXEC,
                0o600,
            )
        except OSError as exc:
            raise DaemonError(f"cannot use {self._folder}: {exc.strerror}") from None
        try:
            self._lock(fd)
            yield
        finally:
            os.close(fd)

    def _lock(self, fd: int) -> None:
        deadline = time.monotonic() + self._patience
        while True:
            try:
                return fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise DaemonError(
                        f"{self._folder}/daemon.lock is kept locked by another program; end it"
                    ) from None
            time.sleep(_POLL_SECONDS)

    def _spawn(self, command: Sequence[str]) -> int:
        self.rotate_log()
        try:
            make_private_folder(os.path.dirname(self.log_path))
            log = _open_log(self.log_path)
        except OSError as exc:
            raise DaemonError(f"cannot write {self.log_path}: {exc.strerror}") from None
        try:
            child = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        except OSError as exc:
            raise DaemonError(f"cannot start {command[0]}: {exc.strerror}") from None
        finally:
            os.close(log)
        try:
            self._await_answer(child.pid, lambda: child.poll() is None)
        except DaemonError:
            child.kill()
            child.wait()
            raise
        child.returncode = 0  # It outlives us; nobody here waits for it.
        return child.pid

    def _await_answer(self, pid: int, lives: Callable[[], bool]) -> None:
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            if self.user_agent() is not None:
                return
            if not lives():
                raise DaemonError(f"the app-server ended at once: {self._last_words()}")
            time.sleep(_POLL_SECONDS)
        raise DaemonError(
            f"the app-server (process {pid}) does not answer at {self.socket_path}; see "
            f"{self.log_path}, or replace it with `quire app-server daemon restart`"
        )

    def _last_words(self) -> str:
        try:
            with open(self.log_path, "rb") as file:
                file.seek(max(0, os.fstat(file.fileno()).st_size - 4096))
                lines = file.read().decode(errors="replace").strip().splitlines()
        except OSError:
            lines = []
        said = lines[-1].removeprefix("error: ") if lines else "it said nothing"
        return f"{said} (log: {self.log_path})"

    def _stop(self) -> bool:
        found = self.registered()
        if found is None:
            if self.user_agent() is not None:
                raise DaemonError(
                    "app server is running but is not managed by quire app-server daemon"
                )
            return False
        _end(found, self._grace)
        with contextlib.suppress(OSError):
            os.unlink(self._file)
        return True


def user_agent(path: str) -> str | None:
    """How the server at the socket `path` calls itself; None when nobody answers in time."""
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(ANSWER_SECONDS)
        answer = bytearray()
        try:
            client.connect(connectable(path))
            client.sendall(_INITIALIZE)
            while b"\n" not in answer and (data := client.recv(65536)):
                answer += data
            return msgspec.json.decode(answer.partition(b"\n")[0], type=_Answer).result.user_agent
        except (OSError, msgspec.DecodeError, UnicodeDecodeError):
            return None


class _Greeting(Struct, frozen=True, rename="camel"):
    user_agent: str


class _Answer(Struct, frozen=True):
    result: _Greeting


def process_identity(pid: int) -> str | None:
    """What tells a process from a later one with the same id; None when it does not live (any
    more): one that ended and was not collected yet does not."""
    if sys.platform != "linux":
        return _identity_by_ps(pid)
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            fields = file.read().rpartition(b")")[2].split()
        with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
            boot = file.read().strip()
    except OSError:
        return None
    return None if fields[0] in (b"Z", b"X") else f"{boot}:{int(fields[19])}"


def _identity_by_ps(pid: int) -> str | None:
    command = ["ps", "-o", "stat=,lstart=", "-p", str(pid)]
    said = subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()
    state, _, began = said.partition(" ")
    return began.strip() if began and not state.startswith("Z") else None


def _end(found: Registration, grace: float) -> None:
    """SIGTERM, and SIGKILL after a while. Raises `DaemonError`."""
    for number, seconds in ((signal.SIGTERM, grace), (signal.SIGKILL, STOP_SECONDS)):
        try:
            if not _signalled(found, number) or _ended(found, seconds):
                return
        except OSError as exc:
            raise DaemonError(
                f"cannot stop the app-server (process {found.pid}): {exc.strerror}"
            ) from None
    raise DaemonError(f"the app-server (process {found.pid}) does not end")


def _signalled(found: Registration, number: signal.Signals) -> bool:
    """Send a signal to that very process; False when it is gone."""
    if sys.platform != "linux":
        if process_identity(found.pid) != found.started:
            return False
        os.kill(found.pid, number)
        return True
    try:
        handle = os.pidfd_open(found.pid)
    except ProcessLookupError:
        return False
    try:
        # The handle was taken first, so it is the process that is looked at now or a later one.
        if process_identity(found.pid) != found.started:
            return False
        signal.pidfd_send_signal(handle, number)
        return True
    except ProcessLookupError:
        return False
    finally:
        os.close(handle)


def _ended(found: Registration, seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while process_identity(found.pid) == found.started:
        if time.monotonic() > deadline:
            return False
        select.select([], [], [], _POLL_SECONDS)
    return True


def _open_log(path: str) -> int:
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
