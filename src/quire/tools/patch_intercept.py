"""Finds patches in shell commands: models trained on Codex write `apply_patch <<'EOF'` there.

Taken as a patch is exactly one statement, `apply_patch <<WORD` (or `applypatch`) with the heredoc
to the end of the script, or `cd PATH && ` before it (Codex 0.169). Everything else is a command
for the shell, where `apply_patch` is on the PATH. Where the shell would read a word otherwise than
as written (`~`, `*`, `$`), Codex takes the patch all the same; here the shell gets it.
"""

from __future__ import annotations

import os

from msgspec import Struct

from quire.core.errors import ToolError
from quire.core.ports import Invocation
from quire.protocol.policy import TurnContext

HEADING = "Wall time: 0.0000 seconds\nOutput:\n"
_BARE = (
    "apply_patch verification failed: patch detected without explicit call to apply_patch. "
    'Rerun as ["apply_patch", "<patch>"]'
)
_COMMANDS = ("apply_patch", "applypatch")
_PLAIN = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_./,:@%+=-")
_NOT_IN_DOUBLE_QUOTES = frozenset('"$`\\!\n')


class ShellPatch(Struct, frozen=True):
    """A patch in a shell script. `folder` is the argument of `cd`, as the shell understands it;
    `called` is False for a patch that stands alone, with no command to apply it."""

    patch: str
    folder: str | None = None
    called: bool = True


def intercept(call_id: str, script: str, workdir: str, ctx: TurnContext) -> Invocation | None:
    """The call to run instead of `script`, or None when it is no patch. `workdir` is absolute or
    relative to the turn's. Raises `ToolError` with Codex's words for a patch that does not fit,
    and for one that no command applies."""
    found = parse_shell_patch(script)
    if found is None:
        return None
    if not found.called:
        raise ToolError(_BARE)
    from quire.tools.patch_invocation import prepare_patch

    cwd = os.path.join(ctx.cwd, workdir, found.folder or "")
    return prepare_patch(call_id, found.patch, os.path.normpath(cwd), HEADING)


def parse_shell_patch(script: str) -> ShellPatch | None:
    """Read `script` as a patch, or give None. Pure; never raises."""
    if "<<" not in script and "*** Begin Patch" not in script:
        return None
    from quire.tools.patch_parser import WHITESPACE

    text = script.strip(WHITESPACE)
    if text.startswith(("*** Begin Patch", "<<")):
        return ShellPatch(script, called=False) if _is_patch(text) else None
    head, _, body = text.partition("<<")
    folder, command = _split_cd(head)
    if command.strip(" \t") not in _COMMANDS:
        return None
    patch = _heredoc(body)
    return None if patch is None else ShellPatch(patch, folder)


def _is_patch(text: str) -> bool:
    from quire.tools.patch_parser import PatchError, parse_patch

    try:
        parse_patch(text)
    except PatchError:
        return False
    return True


def _split_cd(head: str) -> tuple[str | None, str]:
    """`cd PATH && REST` as (PATH, REST); (None, head) for anything else."""
    before, and_then, rest = head.rpartition("&&")
    words = before.strip(" \t")
    if not and_then or not words.startswith(("cd ", "cd\t")):
        return None, head
    path = _literal(words[3:].strip(" \t"))
    return (None, head) if path is None else (path, rest.lstrip(" \t\r\n"))


def _literal(word: str) -> str | None:
    """What one shell word means, or None unless that is plain to see."""
    if len(word) >= 2 and word[0] == word[-1] == "'":
        inner = word[1:-1]
        return inner if inner and "'" not in inner and not inner.startswith("-") else None
    if len(word) >= 2 and word[0] == word[-1] == '"':
        inner = word[1:-1]
        plain = inner and not _NOT_IN_DOUBLE_QUOTES & set(inner) and not inner.startswith("-")
        return inner if plain else None
    plain = word and word[0] != "-" and set(word) <= _PLAIN
    return word if plain else None


def _heredoc(text: str) -> str | None:
    """The body of the heredoc whose word begins `text`, if nothing follows it."""
    strip_tabs = text.startswith("-")
    first, _, rest = text.removeprefix("-").partition("\n")
    word = _literal(first.strip(" \t\r"))
    if word is None:
        return None
    body: list[str] = []
    lines = iter(rest.split("\n"))
    for line in lines:
        read = line.lstrip("\t") if strip_tabs else line
        if read.removesuffix("\r") == word:
            break
        body.append(read)
    if any(line.strip() for line in lines):
        return None
    return "\n".join(body)
