"""What a client may ask of a thread. The ids are the client's."""

from __future__ import annotations

from msgspec import Struct

from quire.protocol.items import ContentPart
from quire.protocol.policy import TurnContext


class ContextSources(Struct, frozen=True, kw_only=True):
    """Texts that a turn's context is rendered from; gathered outside the core, which does no I/O.

    `agents_md` is the whole wrapped fragment (`# AGENTS.md instructions for DIR` …) or None.
    `current_date` is `YYYY-MM-DD`, `timezone` an IANA name, `tmpdir` an absolute path or None.
    """

    base_instructions: str
    developer_instructions: str | None = None
    agents_md: str | None = None
    current_date: str = ""
    timezone: str = ""
    tmpdir: str | None = None


class UserInput(Struct, frozen=True):
    """A person's input. `text` and `images` (absolute paths) are for display; `content` is what
    the model gets."""

    text: str
    content: tuple[ContentPart, ...]
    images: tuple[str, ...] = ()


class UserTurn(Struct, frozen=True):
    """Start a turn. Refused while another turn of the thread runs."""

    turn_id: str
    input: UserInput
    context: TurnContext
    sources: ContextSources


class Interrupt(Struct, frozen=True):
    """Stop the running turn: finished outputs stay, open calls are closed, the thread resumes."""


class Shutdown(Struct, frozen=True):
    """End the thread's life in this process: interrupt, kill what still runs, close the log."""


Op = UserTurn | Interrupt | Shutdown


class Submission(Struct, frozen=True):
    id: str
    op: Op
