"""What is piped into `quire exec` (rows E2, P9)."""

from __future__ import annotations

import os
import select
import stat
import sys

from quire.core.errors import UsageError

WAIT_SECONDS = 0.5
_UTF16_MARKS = (b"\xff\xfe", b"\xfe\xff")
_UTF32_MARK = b"\xff\xfe\0\0"
NO_PROMPT = "No prompt provided. Either specify one as an argument or pipe the prompt into stdin."


def prompt_from_stdin(*, asked: bool = False) -> str:
    """The whole of stdin as the prompt, as it is; `asked` when the command line says `-`. Raises
    `UsageError` when there is none."""
    if not _is_open() or os.isatty(0):
        raise UsageError(NO_PROMPT)
    if not asked:
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
    if not text.strip():
        return prompt
    end = "" if text.endswith("\n") else "\n"
    return f"{prompt}\n\n<stdin>\n{text}{end}</stdin>"


def _read_all(*, announce: bool = False) -> str:
    chunks: list[bytes] = []
    try:
        while chunk := os.read(0, 1 << 16):
            if announce and not chunks:
                sys.stderr.write("Reading additional input from stdin...\n")
            chunks.append(chunk)
    except OSError as exc:
        raise UsageError(f"cannot read stdin: {exc.strerror}") from None
    return _decode(b"".join(chunks))


def _decode(data: bytes) -> str:
    """Text in UTF-8, or in UTF-16 with a byte order mark. Raises `UsageError`."""
    wide = data.startswith(_UTF16_MARKS) and not data.startswith(_UTF32_MARK)
    try:
        return data.decode("utf-16" if wide else "utf-8-sig")
    except UnicodeDecodeError as exc:
        kind = "UTF-16" if wide else "UTF-8"
        raise UsageError(
            f"stdin is not valid {kind} (at byte {exc.start}): convert it to UTF-8, or pass it as "
            "a file"
        ) from None


def _is_open() -> bool:
    try:
        os.fstat(0)
    except OSError:
        return False
    return True


def _is_null() -> bool:
    return stat.S_ISCHR(os.fstat(0).st_mode)
