"""Messages that wait for their turn, one file for each thread: `$QUIRE_HOME/queue/<id>.json`.

The file is a JSON array in the order of the queue (Codex 0.169 has a database). It is replaced
whole, so that it is whole after a crash; a lock on the folder keeps several processes apart.
"""

from __future__ import annotations

import os
from collections.abc import Generator, Sequence
from contextlib import contextmanager, suppress

import msgspec
from msgspec import Raw
from msgspec.structs import replace

from quire.config.locking import lock_for_a_change
from quire.core.errors import RolloutError, UsageError
from quire.protocol.stored import QueuedMessage
from quire.rollout.ids import UuidSource
from quire.rollout.paths import QUEUE, is_thread_id, make_folders

MAX_MESSAGES = 1000

_decoder = msgspec.json.Decoder(list[QueuedMessage])


class MessageQueue:
    """The queues of all threads below `home`. Every method raises `UsageError` for a text that is
    no thread id and `RolloutError` when the disk refuses; nothing has changed then."""

    def __init__(self, home: str) -> None:
        self._folder = os.path.join(home, QUEUE)
        self._ids = UuidSource()

    def list(self, thread_id: str) -> tuple[QueuedMessage, ...]:
        """What waits, first to last."""
        return tuple(self._read(self._path(thread_id)))

    def add(
        self, thread_id: str, content: bytes, client_message_id: str, metadata: bytes = b"null"
    ) -> QueuedMessage:
        """Put a message at the end. `content` (`UserInput[]`) and `metadata` are JSON. Raises
        `UsageError` when too many wait."""
        fresh = QueuedMessage(
            id=self._ids.new(),
            input=Raw(content),
            client_message_id=client_message_id,
            metadata=Raw(metadata),
        )
        with self._changing(thread_id) as waiting:
            if len(waiting) >= MAX_MESSAGES:
                raise UsageError(f"{MAX_MESSAGES} messages wait already; let some of them run")
            waiting.append(fresh)
        return fresh

    def update(
        self, thread_id: str, message_id: str, content: bytes, metadata: bytes | None = None
    ) -> QueuedMessage:
        """Change a message where it stands; `metadata` None keeps what it has. Raises
        `UsageError` when it does not wait."""
        with self._changing(thread_id) as waiting:
            place = _place(waiting, message_id)
            kept = waiting[place].metadata if metadata is None else Raw(metadata)
            waiting[place] = replace(waiting[place], input=Raw(content), metadata=kept)
            return waiting[place]

    def delete(self, thread_id: str, message_id: str) -> bool:
        """Take a message out; False when it does not wait."""
        with self._changing(thread_id) as waiting:
            kept = [message for message in waiting if message.id != message_id]
            found = len(kept) < len(waiting)
            waiting[:] = kept
            return found

    def reorder(self, thread_id: str, message_ids: Sequence[str]) -> None:
        """Bring the messages into this order. Raises `UsageError` unless each one that waits is
        named once."""
        with self._changing(thread_id) as waiting:
            by_id = {message.id: message for message in waiting}
            if sorted(by_id) != sorted(message_ids):
                raise UsageError("queue reorder must include every queued submission exactly once")
            waiting[:] = [by_id[message_id] for message_id in message_ids]

    def take(self, thread_id: str, message_id: str | None = None) -> QueuedMessage | None:
        """Take out the first message, or the named one: of several processes one gets it. None
        when nothing waits. Raises `UsageError` when the named one does not wait."""
        with self._changing(thread_id) as waiting:
            if message_id is not None:
                return waiting.pop(_place(waiting, message_id))
            return waiting.pop(0) if waiting else None

    def put_back(self, thread_id: str, message: QueuedMessage) -> None:
        """Make a message that was taken and could not be sent the first one again."""
        with self._changing(thread_id) as waiting:
            if all(other.id != message.id for other in waiting):
                waiting.insert(0, message)

    def forget(self, thread_id: str) -> None:
        """Remove the whole queue."""
        path = self._path(thread_id)
        if os.path.lexists(path):
            with self._changing(thread_id) as waiting:
                waiting.clear()

    def _path(self, thread_id: str) -> str:
        thread_id = thread_id.lower()
        if not is_thread_id(thread_id):
            raise UsageError(f"invalid thread id: {thread_id}")
        return os.path.join(self._folder, f"{thread_id}.json")

    def _read(self, path: str) -> list[QueuedMessage]:
        try:
            with open(path, "rb") as file:
                return _decoder.decode(file.read())
        except FileNotFoundError:
            return []
        except OSError as exc:
            raise RolloutError(f"cannot read {path}: {exc.strerror}") from exc
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as exc:
            raise RolloutError(f"{path} is damaged ({exc}); remove it to queue anew") from exc

    @contextmanager
    def _changing(self, thread_id: str) -> Generator[list[QueuedMessage]]:
        """The queue, stored again when the block ends without an error."""
        path = self._path(thread_id)
        try:
            make_folders(self._folder)
            lock = os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            try:
                lock_for_a_change(lock)
                waiting = self._read(path)
                before = list(waiting)
                yield waiting
                if waiting != before:
                    _replace(path, waiting)
            finally:
                os.close(lock)
        except OSError as exc:
            raise RolloutError(
                f"cannot write {path}: {exc.strerror}; free some space or mend the folder"
            ) from exc


def _place(waiting: list[QueuedMessage], message_id: str) -> int:
    for place, message in enumerate(waiting):
        if message.id == message_id:
            return place
    raise UsageError(f"queued submission not found: {message_id}")


def _replace(path: str, waiting: list[QueuedMessage]) -> None:
    if not waiting:
        with suppress(FileNotFoundError):
            os.unlink(path)
        return
    fresh = f"{path}.new"
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW
    with open(os.open(fresh, flags, 0o600), "wb") as file:
        file.write(msgspec.json.encode(waiting))
        file.flush()
        os.fsync(file.fileno())
    os.rename(fresh, path)
