"""Remembering what a person allowed: lines at the end of `rules/default.rules`."""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence

from msgspec import json

from quire.config.files import read_regular
from quire.config.rules.policy import Words
from quire.config.rules.source import MAX_FILE_BYTES, RuleError, read_text
from quire.core.errors import UsageError

FOLDER = "rules"
FILE = "default.rules"


def allow_line(prefix: Words) -> str:
    """The rule that allows `prefix`, as Codex 0.169 writes it."""
    words = ", ".join(json.encode(word).decode() for word in prefix)
    return f'prefix_rule(pattern=[{words}], decision="allow")'


def remember(home: str, prefixes: Sequence[Words]) -> str:
    """Append the rules that `HOME/rules/default.rules` does not hold yet; returns its path.

    Atomic, also against other processes; the file is for its owner only and keeps its mode when it
    exists. Raises `UsageError` when it cannot be written, is broken, or a prefix is empty."""
    folder = os.path.join(home, FOLDER)
    path = os.path.join(folder, FILE)
    if any(not prefix for prefix in prefixes):
        raise UsageError("rules: a rule needs at least one word")
    try:
        lines = [allow_line(prefix) for prefix in prefixes]
        "".join(lines).encode()
    except UnicodeEncodeError:
        raise UsageError("rules: a word of the command is not valid UTF-8") from None
    try:
        os.makedirs(folder, mode=0o700, exist_ok=True)
        _append(folder, os.path.realpath(path), lines)
    except OSError as error:
        raise UsageError(f"rules: {path}: cannot be written: {error.strerror}") from None
    return path


def _append(folder: str, path: str, lines: list[str]) -> None:
    from quire.config.locking import lock_for_a_change

    lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        lock_for_a_change(lock)
        data = read_regular(path, MAX_FILE_BYTES) or b""
        try:
            text = data.decode()
        except UnicodeDecodeError:
            raise UsageError(f"rules: {path}: not valid UTF-8; correct it first") from None
        known = set(text.splitlines())
        new = [line for line in dict.fromkeys(lines) if line not in known]
        if not new:
            return
        if text and not text.endswith("\n"):
            text += "\n"
        text += "".join(f"{line}\n" for line in new)
        try:
            read_text(text, path)
        except RuleError as error:
            raise UsageError(f"rules: {error}; correct it first") from None
        _replace(path, text.encode())
    finally:
        os.close(lock)


def _replace(path: str, data: bytes) -> None:
    """Write beside the file, then rename: a reader sees the old text or the new one."""
    try:
        mode = stat.S_IMODE(os.stat(path).st_mode)
    except FileNotFoundError:
        mode = 0o600
    temporary = f"{path}.{os.getpid()}.new"
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW
    descriptor = os.open(temporary, flags, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fchmod(file.fileno(), mode)
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise
