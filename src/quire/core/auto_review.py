"""What an automatic reviewer answers, and what follows from it (row A11). Pure.

The words for models and people are those of Codex 0.169 where clients or models know them; that
no review was possible is never told as a denial.
"""

from __future__ import annotations

from collections import deque
from typing import Literal

import msgspec
from msgspec import Struct

from quire.core.errors import AgentError, create_process_error
from quire.core.ports import CommandAction, PatchAction
from quire.protocol.thread import ErrorInfo

RiskLevel = Literal["low", "medium", "high", "critical"]
UserAuthorization = Literal["unknown", "low", "medium", "high"]

MAX_CONSECUTIVE = 3
MAX_RECENT = 10
WINDOW = 50
"""So many denials in a row, or among so many reviews of a turn, end the turn."""

SCHEMA = (
    '{"type":"object","additionalProperties":false,"properties":{'
    '"risk_level":{"type":"string","enum":["low","medium","high","critical"]},'
    '"user_authorization":{"type":"string","enum":["unknown","low","medium","high"]},'
    '"outcome":{"type":"string","enum":["allow","deny"]},'
    '"rationale":{"type":"string"}},'
    '"required":["risk_level","user_authorization","outcome","rationale"]}'
)
"""What the reviewer is asked for. Of the members only `outcome` must be there."""


class Verdict(Struct, frozen=True, forbid_unknown_fields=True):
    """A reviewer's answer."""

    outcome: Literal["allow", "deny"]
    risk_level: RiskLevel | None = None
    user_authorization: UserAuthorization | None = None
    rationale: str | None = None

    @property
    def risk(self) -> RiskLevel:
        """As the reviewer said, else by its outcome."""
        return self.risk_level or ("low" if self.outcome == "allow" else "high")

    @property
    def authorization(self) -> UserAuthorization:
        return self.user_authorization or "unknown"

    @property
    def reason(self) -> str:
        said = (self.rationale or "").strip()
        return said or f"The reviewer gave no reason to {self.outcome} it."


class Unavailable(Struct, frozen=True):
    """There was no verdict. `reason` is for people and for the model."""

    reason: str
    timed_out: bool = False


class TooManyDenials(AgentError):
    """The reviewer said no so often that the turn must not go on."""

    @property
    def info(self) -> ErrorInfo:
        return ErrorInfo(message=str(self), code="tooManyDenials")


_decoder = msgspec.json.Decoder(Verdict)


def read_verdict(text: str) -> Verdict | None:
    """The verdict in the reviewer's last words; None for anything but one such JSON object."""
    try:
        return _decoder.decode(text.strip().encode("utf-8", "surrogatepass"))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


class Denials:
    """Counts the denials of one turn."""

    def __init__(self) -> None:
        self._in_a_row = 0
        self._recent: deque[bool] = deque(maxlen=WINDOW)

    def reviewed(self, *, denied: bool) -> None:
        """Count one verdict. Raises `TooManyDenials` when the turn must end."""
        self._in_a_row = self._in_a_row + 1 if denied else 0
        self._recent.append(denied)
        recent = sum(self._recent)
        if denied and (self._in_a_row >= MAX_CONSECUTIVE or recent >= MAX_RECENT):
            raise TooManyDenials(
                "Automatic approval review rejected too many approval requests for this turn "
                f"({self._in_a_row} consecutive, {recent} in the last {WINDOW} reviews); "
                "interrupting the turn."
            )


def denied_words(verdict: Verdict, action: CommandAction | PatchAction) -> str:
    """What the model is told of a denial."""
    return _refusal(
        "This action was rejected due to unacceptable risk.\n"
        f"Reason: {verdict.reason}\n"
        "Do not try to reach the same result another way. Go on with something that is clearly "
        "safer, or end the turn, say what the risk is, and ask the user, who can approve exactly "
        "this action.",
        action,
    )


def unavailable_words(missing: Unavailable, action: CommandAction | PatchAction) -> str:
    """What the model is told when there was no review."""
    return _refusal(
        f"Automatic approval review failed: {missing.reason}\n"
        "The action was not run because no review was available. Nothing was found to be unsafe "
        "or unwanted. Do not work around the approval: try again later, do what needs none, or "
        "ask the user.",
        action,
    )


def _refusal(text: str, action: CommandAction | PatchAction) -> str:
    return create_process_error(text) if isinstance(action, CommandAction) else text
