"""What lists show of a rollout file, read from its beginning; the rest of it is read only for
threads that are shown.

A head ends with the first message of a person. What was read is kept as long as file, time and
size stay as they are; of a file that grew only the new part is searched for reverts.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

import msgspec
from msgspec import Raw, Struct

from quire.core.errors import RolloutError
from quire.protocol.records import GitInfo, ItemCompleted
from quire.protocol.revert import surviving
from quire.protocol.thread import UserMessageItem
from quire.rollout.decode import HistoryBase, Line, parse, record_of
from quire.rollout.history import Find
from quire.rollout.paths import thread_id_of
from quire.rollout.scan import open_log
from quire.rollout.turns import events_of

_BLOCK = 1 << 16
_MARK_BLOCK = 1 << 20
MAX_HEAD = 8 << 20
"""A first message that stands behind so many bytes is not looked for."""

IMAGE_ONLY = "[Image]"
"""The preview of a message without words (Codex 0.169)."""

_REVERT = b'"type":"thread_rolled_back"'
_SETTINGS = b'"type":"turn_context","payload":{'
_USER_KINDS = (b'"UserMessage"', b'"user_message"')
_SOURCES = {"cli": "cli", "vscode": "vscode", "exec": "exec", "mcp": "appServer"}
_AGENTS = {
    "review": "subAgentReview",
    "compact": "subAgentCompact",
    "thread_spawn": "subAgentThreadSpawn",
}


class _Meta(Struct, frozen=True, kw_only=True):
    """`session_meta` without the long texts."""

    id: str
    timestamp: str = ""
    cwd: str = ""
    originator: str = ""
    cli_version: str = ""
    source: Raw = Raw(b"null")
    thread_source: Raw = Raw(b"null")
    model_provider: str | None = None
    forked_from_id: str | None = None
    git: GitInfo | None = None
    history_base: HistoryBase | None = None


class Head(Struct, frozen=True, kw_only=True):
    """`preview` is None when no message was found. `first_ordinal` is that of the message."""

    thread_id: str
    timestamp: str
    cwd: str
    originator: str
    cli_version: str
    source: str
    source_kind: str
    thread_source: str | None
    model_provider: str
    forked_from: str | None
    git: GitInfo | None
    base: HistoryBase | None
    preview: str | None
    first_ordinal: int


class Rest(Struct, frozen=True):
    """What the whole file tells. `reverted` is true when turns were reverted in it."""

    model: str | None = None
    effort: str | None = None
    reverted: bool = False
    preview: str | None = None


class _Settings(Struct, frozen=True):
    model: str | None = None
    effort: str | None = None


class _SettingsLine(Struct, frozen=True):
    payload: _Settings


class Heads:
    """The heads of files, cached. `find` gives the file that a `history_base` names."""

    def __init__(self, find: Find) -> None:
        self._find = find
        self._heads: dict[str, tuple[tuple[int, int], Head | None]] = {}
        self._rests: dict[str, tuple[tuple[int, int], Rest]] = {}

    def head(self, path: str) -> Head | None:
        """None for a file that is no thread or cannot be read."""
        version = _version(path)
        if version is None:
            return None
        known = self._heads.get(path)
        if known is None or known[0] != version:
            try:
                head = self._with_base(_read_head(path))
            except (OSError, msgspec.DecodeError, UnicodeDecodeError, RecursionError):
                head = None
            known = self._heads[path] = (version, head)
        return known[1]

    def rest(self, path: str, head: Head) -> Rest:
        """What is not in the head. An unreadable file gives nothing."""
        version = _version(path)
        if version is None:
            return Rest(preview=head.preview)
        known = self._rests.get(path)
        if known is None or known[0] != version:
            try:
                before = known if known is not None and known[0][1] <= version[1] else None
                rest = self._read_rest(path, head, before)
            except (OSError, RolloutError):
                rest = Rest(preview=head.preview)
            known = self._rests[path] = (version, rest)
        return known[1]

    def forget(self, path: str) -> None:
        """The file is gone."""
        self._heads.pop(path, None)
        self._rests.pop(path, None)

    def _with_base(self, head: Head, depth: int = 0) -> Head:
        """A file that continues another has the other's first message, if it reaches so far."""
        if head.base is None or depth > 20:
            return head
        path = self._find(head.base.thread_id)
        if path is None:
            return head
        first = self._with_base(_read_head(path), depth + 1)
        if first.preview is None or first.first_ordinal >= head.base.end_ordinal_exclusive:
            return head
        return msgspec.structs.replace(
            head, preview=first.preview, first_ordinal=first.first_ordinal
        )

    def _read_rest(
        self, path: str, head: Head, before: tuple[tuple[int, int], Rest] | None
    ) -> Rest:
        fd = open_log(path)
        try:
            start = 0 if before is None else max(0, before[0][1] - len(_REVERT))
            reverted = _contains(fd, _REVERT, start) or (before is not None and before[1].reverted)
            settings = _last_settings(fd)
        finally:
            os.close(fd)
        preview = _surviving_preview(path, self._find) if reverted else head.preview
        return Rest(settings.model, settings.effort, reverted, preview)


def _version(path: str) -> tuple[int, int] | None:
    try:
        there = os.stat(path)
    except OSError:
        return None
    return there.st_mtime_ns, there.st_size


def _read_head(path: str) -> Head:
    """Raises `OSError`, or `DecodeError` for what is no thread."""
    lines = _lines(path)
    first = next(lines, b"")
    line = parse(first)
    if line.type != "session_meta":
        raise msgspec.ValidationError("no session_meta line")
    meta = msgspec.json.decode(line.payload, type=_Meta)
    if meta.id != thread_id_of(os.path.basename(path)):
        raise msgspec.ValidationError("the file of another thread")
    preview, ordinal = _first_message(lines)
    source, kind = source_of(meta.source)
    return Head(
        thread_id=meta.id,
        timestamp=meta.timestamp,
        cwd=meta.cwd,
        originator=meta.originator,
        cli_version=meta.cli_version,
        source=source,
        source_kind=kind,
        thread_source=_text(meta.thread_source),
        model_provider=meta.model_provider or "",
        forked_from=meta.forked_from_id,
        git=meta.git,
        base=meta.history_base,
        preview=preview,
        first_ordinal=ordinal,
    )


def _lines(path: str) -> Iterator[bytes]:
    """The whole lines at the beginning of a file."""
    with open(open_log(path), "rb", buffering=_BLOCK) as file:
        left = MAX_HEAD
        while left > 0 and (line := file.readline(left)).endswith(b"\n"):
            left -= len(line)
            yield line[:-1]


def _first_message(lines: Iterator[bytes]) -> tuple[str | None, int]:
    for data in lines:
        if data.find(b'"event_msg"', 0, 120) < 0 or not any(k in data[:600] for k in _USER_KINDS):
            continue
        try:
            line = parse(data)
            text = _message_text(line)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            continue
        if text is not None:
            return text, line.ordinal or 0
    return None, 0


class _OldMessage(Struct, frozen=True, tag="user_message", tag_field="type"):
    """How Codex stored a person's message before 0.150."""

    message: str


def _message_text(line: Line) -> str | None:
    try:
        return msgspec.json.decode(line.payload, type=_OldMessage).message
    except msgspec.ValidationError:
        record = record_of(line)
    if isinstance(record, ItemCompleted) and isinstance(record.item, UserMessageItem):
        return record.item.text or IMAGE_ONLY
    return None


def source_of(source: Raw) -> tuple[str, str]:
    """(word, `ThreadSourceKind` or `custom`) of the member `source` of a first line: a word, or
    an object like `{"custom":"x"}`, `{"subagent":"review"}`, `{"subagent":{"other":"x"}}`."""
    word = _text(source)
    if word is not None:
        return word, _SOURCES.get(word, "unknown")
    try:
        named = msgspec.json.decode(source, type=dict[str, Raw])
    except msgspec.DecodeError:
        return "", "unknown"
    for kind, value in named.items():
        if kind == "custom":
            return _text(value) or "", "custom"
        if kind in ("subagent", "subAgent", "sub_agent"):
            return kind, _agent_kind(value)
    return "", "unknown"


def _agent_kind(value: Raw) -> str:
    word = _text(value)
    try:
        words = [word] if word else list(msgspec.json.decode(value, type=dict[str, Raw]))
    except msgspec.DecodeError:
        words = []
    return _AGENTS.get(words[0], "subAgentOther") if words else "subAgent"


def _text(value: Raw) -> str | None:
    try:
        return msgspec.json.decode(value, type=str)
    except msgspec.DecodeError:
        return None


def _contains(fd: int, wanted: bytes, start: int) -> bool:
    tail = b""
    while block := os.pread(fd, _MARK_BLOCK, start):
        if wanted in block or wanted in tail + block[: len(wanted)]:
            return True
        tail = block[-len(wanted) :]
        start += len(block)
    return False


def _last_settings(fd: int) -> _Settings:
    """The settings of the newest turn. Read from the end, block by block."""
    end, behind = os.fstat(fd).st_size, b""
    while end > 0:
        start = max(0, end - _BLOCK)
        block = os.pread(fd, end - start, start) + behind
        found = block.rfind(_SETTINGS)
        if found >= 0:
            line_start = block.rfind(b"\n", 0, found) + 1
            line = block[line_start:].partition(b"\n")[0]
            if not line.startswith(b"{"):
                line = b"{" + block[found:].partition(b"\n")[0]
            try:
                return msgspec.json.decode(line, type=_SettingsLine).payload
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
                return _Settings()
        end, behind = start, block[: 1 << 14]
    return _Settings()


def _surviving_preview(path: str, find: Find) -> str | None:
    """The first message of a thread in which turns were reverted; None when none is left."""
    for record in surviving(events_of(path, find)):
        if isinstance(record, ItemCompleted) and isinstance(record.item, UserMessageItem):
            return record.item.text or IMAGE_ONLY
    return None
