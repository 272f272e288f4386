"""What a client may ask of a thread. The ids are the client's."""

from __future__ import annotations

from msgspec import Struct

from quire.protocol.policy import TurnContext


class UserInput(Struct, frozen=True):
    """A person's input: text, and absolute paths of local images."""

    text: str
    images: tuple[str, ...] = ()


class UserTurn(Struct, frozen=True):
    """Start a turn. Refused while another turn of the thread runs."""

    turn_id: str
    input: UserInput
    context: TurnContext


class Interrupt(Struct, frozen=True):
    """Stop the running turn: finished outputs stay, open calls are closed, the thread resumes."""


class Shutdown(Struct, frozen=True):
    """End the thread's life in this process: interrupt, kill what still runs, close the log."""


Op = UserTurn | Interrupt | Shutdown


class Submission(Struct, frozen=True):
    id: str
    op: Op
