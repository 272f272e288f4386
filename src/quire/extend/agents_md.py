"""AGENTS.md: what you and a project want the agent to know.

Your own file from `$QUIRE_HOME` comes first, then one file of each folder from the repository's
root down to the working folder (Codex 0.169: same names, order, limit and joints). A project's
files are untrusted: only regular files inside the repository are read, and nothing is left out
without a warning.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator

from msgspec import Struct

OVERRIDE, DEFAULT = "AGENTS.override.md", "AGENTS.md"
_MAX_GLOBAL_BYTES = 1 << 20


class Instructions(Struct, frozen=True):
    """What was found. `text` is the whole fragment for the model, None when there is nothing to
    say; `sources` are the files it came from, in order; `warnings` are lines for people."""

    text: str | None = None
    sources: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


class Limits(Struct, frozen=True):
    """`max_bytes` is shared by all files of the project (`project_doc_max_bytes`; 0 reads none);
    `fallback_names` are looked for where a folder has no AGENTS.md."""

    max_bytes: int = 32_768
    fallback_names: tuple[str, ...] = ()


DEFAULT_LIMITS = Limits()


def load_instructions(
    home: str, cwd: str, root: str | None, limits: Limits = DEFAULT_LIMITS
) -> Instructions:
    """Read the files that apply in `cwd`. `root` is the repository's root above it, None without
    one; all three are absolute. Never raises: what cannot be read is a warning."""
    reader = _Reader(limits)
    own = reader.global_text(home)
    project = reader.project_text(cwd, root) if limits.max_bytes > 0 else ""
    return Instructions(_fragment(own, project, cwd), tuple(reader.sources), tuple(reader.warnings))


def _fragment(own: str, project: str, cwd: str) -> str | None:
    if not own and not project:
        return None
    scope = f" for {cwd}" if project else ""
    body = "\n\n--- project-doc ---\n\n".join(filter(None, (own, project)))
    return f"# AGENTS.md instructions{scope}\n\n<INSTRUCTIONS>\n{body}\n</INSTRUCTIONS>"


class _Reader:
    def __init__(self, limits: Limits) -> None:
        self._names = (OVERRIDE, DEFAULT, *limits.fallback_names)
        self._limit = limits.max_bytes
        self._left = limits.max_bytes
        self.sources: list[str] = []
        self.warnings: list[str] = []

    def global_text(self, home: str) -> str:
        """Your own instructions: the override unless it is blank, else AGENTS.md."""
        for name in (OVERRIDE, DEFAULT):
            path = os.path.join(home, name)
            data, size = self._read(path, _MAX_GLOBAL_BYTES)
            text = self._decode(data, path).strip()
            if size > len(data):
                self._warn(path, f"is cut to {len(data)} of {size} bytes")
            if text:
                self.sources.append(path)
                return text
        return ""

    def project_text(self, cwd: str, root: str | None) -> str:
        """The files from the root down to `cwd`, joined; blank ones say nothing."""
        texts: list[str] = []
        exhausted: list[str] = []
        for path in self._project_files(cwd, root or cwd):
            data, size = self._read(path, self._left)
            if size and not data:
                exhausted.append(path)
                continue
            self._left -= len(data)
            text = self._decode(_whole_characters(data, size), path)
            if size > len(data):
                self._warn(
                    path,
                    f"is cut to {len(data)} of {size} bytes: a project's instructions "
                    f"may have {self._limit} in all; shorten them or raise project_doc_max_bytes",
                )
            if text.strip():
                self.sources.append(path)
                texts.append(text)
        for path in exhausted:
            self._warn(
                path,
                f"is left out: the {self._limit} bytes for a project's instructions are used up; "
                "shorten them or raise project_doc_max_bytes",
            )
        return "\n\n".join(texts)

    def _project_files(self, cwd: str, root: str) -> Iterator[str]:
        """The file of each folder, from the root down."""
        folders = [cwd]
        if _is_below(cwd, root):
            while folders[-1] != root:
                folders.append(os.path.dirname(folders[-1]))
        for folder in reversed(folders):
            for name in self._names:
                path = os.path.join(folder, name)
                if os.path.basename(name) == name and self._is_usable(path, root):
                    yield path
                    break

    def _is_usable(self, path: str, root: str) -> bool:
        """Whether it is a file that the project may show to the model."""
        try:
            found = os.stat(path)
        except OSError:
            if os.path.lexists(path):
                self._warn(path, "is a link that leads nowhere")
            return False
        if not stat.S_ISREG(found.st_mode):
            self._warn(path, "is not a regular file")
            return False
        real, real_root = os.path.realpath(path), os.path.realpath(root)
        inside = real[len(real_root) :].split("/") if _is_below(real, real_root) else [".git"]
        if ".git" in inside:
            # A link to a private file, or to git's config with its tokens, would show it to the
            # model.
            self._warn(path, "is a link out of the repository's files")
            return False
        return True

    def _read(self, path: str, limit: int) -> tuple[bytes, int]:
        """At most `limit` bytes of a regular file and its whole size; nothing when there is none.
        Never waits."""
        try:
            if not stat.S_ISREG(os.stat(path).st_mode):
                raise OSError(0, "not a regular file")
            flags = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY
            with open(os.open(path, flags), "rb", buffering=0) as file:
                found = os.fstat(file.fileno())
                if not stat.S_ISREG(found.st_mode):
                    raise OSError(0, "not a regular file")
                data = file.read(limit) if limit else b""
                return data or b"", found.st_size
        except (FileNotFoundError, NotADirectoryError):
            return b"", 0
        except OSError as error:
            self._warn(path, f"cannot be read: {error.strerror}")
            return b"", 0

    def _decode(self, data: bytes, path: str) -> str:
        """The text; a byte order mark goes, what is no UTF-8 becomes U+FFFD with a warning."""
        data = data.removeprefix(b"\xef\xbb\xbf")
        try:
            text = data.decode()
        except UnicodeDecodeError:
            self._warn(path, "is not valid UTF-8; the model sees replacement characters")
            text = data.decode("utf-8", "replace")
        if "\0" in text:
            self._warn(path, "has NUL bytes, which are left out")
            text = text.replace("\0", "")
        return text

    def _warn(self, path: str, what: str) -> None:
        self.warnings.append(f"AGENTS.md: {path} {what}")


def _is_below(path: str, root: str) -> bool:
    return path == root or path.startswith(root.rstrip("/") + "/")


def _whole_characters(data: bytes, size: int) -> bytes:
    """`data` without a character that the cut at the limit split."""
    if size <= len(data):
        return data
    for length in range(1, min(4, len(data)) + 1):
        lead = data[-length]
        if lead & 0xC0 == 0x80:
            continue
        needed = 1 if lead < 0x80 else 2 if lead < 0xE0 else 3 if lead < 0xF0 else 4
        return data[:-length] if needed > length else data
    return data
