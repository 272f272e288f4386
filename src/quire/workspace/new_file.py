"""A file that git does not know yet, as git would show it: `git diff --no-index --binary`.

Asking git would take one process a file, under the rules of a repository that is not trusted.
"""

from __future__ import annotations

import hashlib
import zlib
from base64 import b85encode

_ABBREVIATED = 7
_LOOKED_AT = 8000
"""A NUL within so many bytes makes a file binary."""
_LINE_BYTES = 52
_ESCAPES = {7: "a", 8: "b", 9: "t", 10: "n", 11: "v", 12: "f", 13: "r", 34: '"', 92: "\\"}


def new_file_diff(name: bytes, mode: str, data: bytes, *, sha256: bool = False) -> bytes:
    """The diff that makes the file `name` (with slashes) out of nothing. `mode` is git's
    (`100644`, `100755`, `120000`); `sha256` for a repository of that kind."""
    header = b"blob %d\0" % len(data)
    kind = "sha256" if sha256 else "sha1"
    blob = hashlib.new(kind, header + data, usedforsecurity=False).hexdigest()
    old, new = quoted(b"a/" + name), quoted(b"b/" + name)
    lines = f"diff --git {old} {new}\nnew file mode {mode}\n"
    if b"\0" in data[:_LOOKED_AT]:
        return f"{lines}index {'0' * len(blob)}..{blob}\n".encode() + _binary(data)
    lines += f"index {'0' * _ABBREVIATED}..{blob[:_ABBREVIATED]}\n"
    if not data:
        return lines.encode("utf-8", "surrogateescape")
    end = "\t" if b" " in name and not new.startswith('"') else ""
    count = data.count(b"\n") + (not data.endswith(b"\n"))
    lines += f"--- /dev/null\n+++ {new}{end}\n@@ -0,0 +1{f',{count}' if count != 1 else ''} @@\n"
    added = b"+" + data.removesuffix(b"\n").replace(b"\n", b"\n+") + b"\n"
    missing = b"" if data.endswith(b"\n") else b"\\ No newline at end of file\n"
    return lines.encode("utf-8", "surrogateescape") + added + missing


def quoted(name: bytes) -> str:
    """A name as git writes it: in quotes when there is more than plain ASCII in it."""
    if all(32 <= byte < 127 and byte not in _ESCAPES for byte in name):
        return name.decode("ascii")
    return '"' + "".join(map(_quoted_byte, name)) + '"'


def _quoted_byte(byte: int) -> str:
    if byte in _ESCAPES:
        return "\\" + _ESCAPES[byte]
    return chr(byte) if 32 <= byte < 127 else f"\\{byte:03o}"


def _binary(data: bytes) -> bytes:
    """From nothing to `data`, and back."""
    return b"GIT binary patch\n" + _literal(data) + _literal(b"")


def _literal(data: bytes) -> bytes:
    packed = zlib.compress(data, 1)
    lines = [b"literal %d\n" % len(data)]
    for start in range(0, len(packed), _LINE_BYTES):
        part = packed[start : start + _LINE_BYTES]
        length = len(part) + (64 if len(part) <= 26 else 70)  # A..Z, then a..z.
        lines.append(bytes([length]) + b85encode(part, pad=True) + b"\n")
    return b"".join(lines) + b"\n"
