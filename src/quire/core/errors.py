"""The errors of the core, as one tree.

    QuireError
    ├── AgentError               ends the turn; its text is for people
    │   ├── ModelError           the model could not answer; carries an `ErrorInfo`
    │   └── RolloutError         the log could not be written or read
    ├── ToolError                becomes the tool's output: the model's business, never fatal
    └── UsageError               the person asked for something impossible; one line, exit code 1

Anything else that is raised is a bug and crashes loudly, after the log was made legal.
"""

from __future__ import annotations

from quire.protocol.thread import ErrorInfo

CONTEXT_FULL = (
    "Quire ran out of room in the model's context window. "
    "Start a new thread or clear earlier history before retrying."
)


class QuireError(Exception):
    """Root of all errors that Quire raises on purpose. `str()` is one line for people."""


class AgentError(QuireError):
    """Ends the turn as failed. The history stays legal and the thread resumes."""

    @property
    def info(self) -> ErrorInfo:
        return ErrorInfo(message=str(self))


class ModelError(AgentError):
    """The model could not answer, after whatever retries its adapter makes."""

    def __init__(self, message: str, code: str = "other", http_status: int | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.http_status = http_status

    @property
    def info(self) -> ErrorInfo:
        return ErrorInfo(message=str(self), code=self.code, http_status=self.http_status)


class RolloutError(AgentError):
    """The thread's log cannot be written (full disk, lost folder) or read."""


class ToolError(QuireError):
    """What went wrong in a call, in words for the model. It becomes the call's output."""


class UsageError(QuireError):
    """A request that cannot be met: says what is wrong, where, and what to do."""


def create_process_error(reason: str) -> str:
    """The text the model gets for a command that was not started (Codex 0.169, row T5): an error
    within an error, each shown as Rust's `Debug` shows it."""
    rejected = f'Rejected("{_debug(reason)}")'
    return f'exec_command failed: CreateProcess {{ message: "{_debug(rejected)}" }}'


def _debug(text: str) -> str:
    named = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\r": "\\r", "\t": "\\t", "\0": "\\0"}
    return "".join(named.get(c) or (c if c.isprintable() else f"\\u{{{ord(c):x}}}") for c in text)
