"""A login shell without its cost.

`bash -lc` runs your profile files for every command: 5 ms when they are short, a quarter of a
second when they start a version manager. What they do is found out once (`login_capture`), kept
in `$QUIRE_HOME/cache` until one of the files, the environment or the shell changes, at most an
hour, and given to `bash -c` afterwards. Where that cannot be exact, the real login shell runs.

Kept are only differences that the files make, in files that only you can read. Nothing is kept on
disk when a variable that looks like a secret is among them, or its value anywhere in them.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from zlib import adler32, crc32

import msgspec
from msgspec import Struct

from quire.tools.environment import SECRET_PATTERNS, matches_any
from quire.tools.login_capture import CAPTURE, DESCRIBE, VOLATILE, LoginEffect, read_capture

MAX_AGE_S = 3600
_MAX_ENTRIES = 16
_VERSION = 1
_PROFILES = ("/etc/profile", "/etc/profile.d", "/etc/bash.bashrc", "/etc/bashrc")
_OWN_PROFILES = (".bash_profile", ".bash_login", ".profile", ".bashrc")
_STEERING = ("BASHOPTS", "BASH_ENV", "BASH_XTRACEFD", "POSIXLY_CORRECT", "SHELLOPTS")
"""Variables that change how bash itself starts: with one of them, nothing is foreseen."""
_SHORTEST_SECRET = 8

_Stamp = tuple[int, int, int]


class _Entry(Struct, frozen=True):
    """What is kept. `files` are the files that the effect depends on, each with its modification
    time (ns), size and inode, None when missing; `present` are paths that exported values name."""

    version: int
    fingerprint: str
    taken: float
    files: dict[str, _Stamp | None]
    present: tuple[str, ...]
    effect: LoginEffect


class LoginShell:
    """What the profile files of `shell` (a path) do to `variables`, as far as it is known."""

    def __init__(self, shell: str, variables: Mapping[str, str], cache: str | None) -> None:
        self._shell = shell
        self._variables = dict(variables)
        self._cache = cache
        self._fingerprint = _fingerprint(shell, variables)
        self._looked = False
        self._entry: _Entry | None = None
        self._prelude: tuple[str, bytes] | None = None

    @property
    def foreseeable(self) -> bool:
        """Whether a capture can say what a login shell would do."""
        if os.path.basename(self._shell) != "bash" or not self._variables.get("HOME"):
            return False
        return not any(name in self._variables for name in _STEERING)

    @property
    def capture(self) -> tuple[str, ...]:
        """The vector whose output `accept` reads, to be run in `variables`."""
        return ("/bin/sh", "-c", CAPTURE, "sh", self._shell, DESCRIBE)

    def effect(self) -> LoginEffect | None:
        """What the files do; None while nobody knows. A kept answer is checked against the files
        when it is first read, afterwards it holds for this process."""
        if not self._looked:
            found = (self._without_files() or self._kept()) if self.foreseeable else None
            self._know(found, secrets=False)
        return None if self._entry is None else self._entry.effect

    def accept(self, output: bytes) -> None:
        """Learn from a finished capture, and keep it for later processes if it has no secrets."""
        found = read_capture(output)
        if found is None:
            return
        effect, sourced = found
        tracked = dict.fromkeys((*self._profiles(), *sourced))
        entry = _Entry(
            version=_VERSION,
            fingerprint=self._fingerprint,
            taken=time.time(),
            files={path: _stamp(path) for path in tracked},
            present=tuple(v for v in effect.exported.values() if _names_a_path(v)),
            effect=effect,
        )
        secrets = _holds_secrets(effect, self._variables)
        self._know(entry, secrets)
        if not secrets:
            self._keep(entry)

    def prelude(self) -> str | None:
        """A file with the effect's `prelude`, for `BASH_ENV`; None when it cannot be written."""
        if self._entry is None or self._prelude is None:
            return None
        path, text = self._prelude
        return path if os.path.exists(path) or _write(path, text) else None

    def _know(self, entry: _Entry | None, secrets: bool) -> None:
        """Take an answer; `secrets` says that it must not be written down."""
        self._looked = True
        self._entry = entry
        if entry is None or self._cache is None or secrets:
            return
        text = f"unset BASH_ENV\n{entry.effect.prelude}\n".encode("utf-8", "surrogateescape")
        name = f"login-{self._fingerprint}-{crc32(text):08x}.sh"
        self._prelude = (os.path.join(self._cache, name), text)

    def _profiles(self) -> list[str]:
        home = self._variables["HOME"]
        folder = "/etc/profile.d"
        try:
            pieces = [os.path.join(folder, name) for name in sorted(os.listdir(folder))]
        except OSError:
            pieces = []
        own = [os.path.join(home, name) for name in _OWN_PROFILES]
        return [os.path.realpath(self._shell), *_PROFILES, *pieces, *own]

    def _without_files(self) -> _Entry | None:
        """No profile file, no effect: no shell has to run to know it."""
        own = [os.path.join(self._variables["HOME"], name) for name in _OWN_PROFILES[:3]]
        if any(os.path.lexists(path) for path in ("/etc/profile", *own)):
            return None
        return _Entry(_VERSION, self._fingerprint, time.time(), {}, (), LoginEffect())

    def _kept(self) -> _Entry | None:
        """The entry on disk, if it still holds."""
        if self._cache is None:
            return None
        try:
            with open(self._path(), "rb") as file:
                if os.fstat(file.fileno()).st_uid != os.geteuid():
                    return None
                entry = msgspec.json.decode(file.read(), type=_Entry)
        except (OSError, msgspec.DecodeError):
            return None
        holds = (
            (entry.version, entry.fingerprint) == (_VERSION, self._fingerprint)
            and 0 <= time.time() - entry.taken < MAX_AGE_S
            and all(_stamp(path) == stamp for path, stamp in entry.files.items())
            and entry.files.keys() >= set(self._profiles())
            and all(os.path.lexists(path) for path in entry.present)
        )
        return entry if holds else None

    def _keep(self, entry: _Entry) -> None:
        if self._cache is None:
            return
        try:
            for needed in (os.path.dirname(self._cache), self._cache):
                os.makedirs(needed, mode=0o700, exist_ok=True)  # the mode is the last one's alone
            data = msgspec.json.encode(entry)
        except (OSError, UnicodeEncodeError):
            return  # a cache that cannot be kept costs time, nothing else
        if _write(self._path(), data):
            _drop_oldest(self._cache)

    def _path(self) -> str:
        return os.path.join(self._cache or "", f"login-{self._fingerprint}.json")


def _fingerprint(shell: str, variables: Mapping[str, str]) -> str:
    """Names the shell and the environment that a profile sees. No hash function of the standard
    library is as cheap to load, and nobody gains from a collision with his own environment."""
    steady = sorted((k, v) for k, v in variables.items() if k not in VOLATILE or k == "SHLVL")
    text = repr((shell, steady)).encode("utf-8", "surrogateescape")
    return f"{crc32(text):08x}{adler32(text):08x}{len(text):x}"


def _stamp(path: str) -> _Stamp | None:
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino


def _names_a_path(value: str) -> bool:
    """True for a value like an agent's socket, which may be gone tomorrow."""
    return value.startswith("/") and ":" not in value and os.path.lexists(value)


def _holds_secrets(effect: LoginEffect, variables: Mapping[str, str]) -> bool:
    """Whether keeping `effect` would write down what looks like a secret."""
    if any(matches_any(SECRET_PATTERNS, name) for name in effect.exported):
        return True
    declared = [line.partition("=")[0].split(" ")[-1] for line in effect.prelude.splitlines()]
    if any(matches_any(SECRET_PATTERNS, name) for name in declared if name.isidentifier()):
        return True
    text = "\n".join((*effect.exported.values(), effect.prelude))
    return any(
        len(value) >= _SHORTEST_SECRET and value in text
        for name, value in variables.items()
        if matches_any(SECRET_PATTERNS, name)
    )


def _write(path: str, data: bytes) -> bool:
    """Replace a file as a whole, readable by nobody else; False when that fails."""
    temporary = f"{path}.{os.getpid()}.new"
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        with open(os.open(temporary, flags, 0o600), "wb") as file:
            file.write(data)
        os.replace(temporary, path)
    except OSError:
        return False
    return True


def _drop_oldest(folder: str) -> None:
    """Keep the newest files; the prelude of a running session is written again when missed."""
    try:
        with os.scandir(folder) as found:
            files = [e for e in found if e.name.startswith("login-")]
        for entry in sorted(files, key=lambda e: e.stat().st_mtime)[: -2 * _MAX_ENTRIES]:
            os.unlink(entry.path)
    except OSError:
        return  # another process drops them too
