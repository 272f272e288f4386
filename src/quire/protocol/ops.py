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
    the model gets; `client_id` is what the client calls the message."""

    text: str
    content: tuple[ContentPart, ...]
    images: tuple[str, ...] = ()
    client_id: str | None = None


class UserTurn(Struct, frozen=True):
    """Start a turn. Refused while another turn of the thread runs."""

    turn_id: str
    input: UserInput
    context: TurnContext
    sources: ContextSources


class Steer(Struct, frozen=True):
    """Say something to the running turn: it is heard as soon as no call is open. Refused when
    `turn_id` is not the running turn."""

    turn_id: str
    input: UserInput


class Interrupt(Struct, frozen=True):
    """Stop the running turn: finished outputs stay, open calls are closed, the thread resumes."""


class Shutdown(Struct, frozen=True):
    """End the thread's life in this process: interrupt, kill what still runs, close the log."""


Op = UserTurn | Steer | Interrupt | Shutdown


class Submission(Struct, frozen=True):
    id: str
    op: Op
