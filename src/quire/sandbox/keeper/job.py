"""What the keeper is told: how to make one sandbox."""

from __future__ import annotations

import marshal

Places = list[tuple[str, int, int]]
"""Path, device and inode."""

FDS = 5
"""Descriptors that come with a request: control, orders, stdin, stdout, stderr."""
SIZE_BYTES = 8
"""The job stands first on the orders pipe, its size in front of it; the orders follow."""

PID, READY, FAILED, EXIT = b"pid", b"ready", b"failed", b"exit"
"""First words of the messages on the control socket: the runner's process id; the sandbox is
complete; it cannot be made (with the call and its errno); the command ended (with its exit
code)."""
KILL = b"kill"
"""The only message to the supervisor. When the socket closes, it kills the tree and ends too."""


class Job:
    """`layer` is `namespaces`, `landlock` or `none`; `code` is the seccomp filter. Paths are
    those of the plan; `protected` is what `landlock` must not allow."""

    __slots__ = ("code", "layer", "links", "network", "protected", "read_only", "tty", "writable")

    def __init__(self, layer: str, *, tty: bool, network: bool, code: bytes) -> None:
        self.layer = layer
        self.tty = tty
        self.network = network
        self.code = code
        self.writable: Places = []
        self.read_only: Places = []
        self.links: Places = []
        self.protected: list[str] = []

    def pack(self) -> bytes:
        """As it travels, without its size."""
        head = (self.layer, self.tty, self.network, self.code)
        return marshal.dumps((head, self.writable, self.read_only, self.links, self.protected))

    @classmethod
    def unpack(cls, data: bytes) -> Job:
        """The job that `pack` made, by the same interpreter."""
        (layer, tty, network, code), *places = marshal.loads(data)
        job = cls(layer, tty=tty, network=network, code=code)
        job.writable, job.read_only, job.links, job.protected = places
        return job
