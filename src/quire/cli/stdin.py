"""What is piped into `quire exec` (rows E2, P9)."""

from __future__ import annotations

import os
import select
import stat
import sys

from quire.core.errors import UsageError

WAIT_SECONDS = 0.5
NO_PROMPT = "No prompt provided. Either specify one as an argument or pipe the prompt into stdin."


def prompt_from_stdin() -> str:
    """The whole of stdin as the prompt. Raises `UsageError` when there is none."""
    if not _is_open() or os.isatty(0):
        raise UsageError(NO_PROMPT)
    sys.stderr.write("Reading prompt from stdin...\n")
    text = _read_all()
    if not text.strip():
        raise UsageError("No prompt provided via stdin.")
    return text


def with_piped_input(prompt: str) -> str:
    """`prompt`, and after it what is piped in, if a first byte comes within half a second. A pipe
    that stays silent is left alone and one line says so."""
    if not _is_open() or os.isatty(0) or _is_null():
        return prompt
    if not select.select([0], [], [], WAIT_SECONDS)[0]:
        sys.stderr.write(
            f"Nothing came on stdin within {WAIT_SECONDS} s; it was not read. "
            "Redirect it from /dev/null to say so.\n"
        )
        return prompt
    text = _read_all(announce=True)
    return f"{prompt}\n\n<stdin>\n{text}\n</stdin>" if text else prompt


def _read_all(*, announce: bool = False) -> str:
    chunks: list[bytes] = []
    try:
        while chunk := os.read(0, 1 << 16):
            if announce and not chunks:
                sys.stderr.write("Reading additional input from stdin...\n")
            chunks.append(chunk)
    except OSError as exc:
        raise UsageError(f"cannot read stdin: {exc.strerror}") from None
    try:
        return b"".join(chunks).decode("utf-8").rstrip("\n")
    except UnicodeDecodeError as exc:
        raise UsageError(
            f"stdin is not valid UTF-8 (at byte {exc.start}): convert it, or pass it as a file"
        ) from None


def _is_open() -> bool:
    try:
        os.fstat(0)
    except OSError:
        return False
    return True


def _is_null() -> bool:
    return stat.S_ISCHR(os.fstat(0).st_mode)
