"""`review/start` of the app-server (Codex 0.169)."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from quire.protocol.review import ReviewTarget
from quire.protocol.rpc.method import Method
from quire.protocol.rpc.turn import Turn

ReviewDelivery = Literal["inline", "detached"]
"""`detached` is for clients with the experimental capability; the generated schema of 0.169
lists `inline` alone."""


class ReviewStartParams(Struct, frozen=True, kw_only=True, rename="camel"):
    thread_id: str
    target: ReviewTarget
    delivery: ReviewDelivery | None = None


class ReviewStartResponse(Struct, frozen=True, kw_only=True, rename="camel"):
    turn: Turn
    review_thread_id: str


METHODS = (Method("review/start", ReviewStartParams, ReviewStartResponse),)
