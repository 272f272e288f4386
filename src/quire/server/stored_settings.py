"""Settings that a stored thread goes on with (Codex 0.169): those of its last turn, where the
client that opens it names no others."""

from __future__ import annotations

from collections.abc import Iterable

from msgspec.structs import replace

from quire.protocol.local import ThreadSettings, TurnChanges
from quire.protocol.policy import TurnContext
from quire.protocol.records import Record, TurnSettings
from quire.protocol.revert import surviving


def last_context(records: Iterable[Record]) -> TurnContext | None:
    """The settings of the last turn that counts."""
    settings = (each for each in reversed(surviving(records)) if isinstance(each, TurnSettings))
    return next((each.context for each in settings), None)


def as_before(settings: ThreadSettings, last: TurnContext, *, same_model: bool) -> ThreadSettings:
    """`settings` with the folder, and with `same_model` the model, of the last turn."""
    if settings.cwd is None:
        roots = settings.workspace_roots or last.workspace_roots
        settings = replace(settings, cwd=last.cwd, workspace_roots=roots)
    if same_model and settings.model is None and settings.model_provider is None:
        settings = replace(settings, model=last.model, model_provider=last.model_provider)
    return settings


def changes_as_before(
    settings: ThreadSettings, last: TurnContext, *, same_model: bool
) -> TurnChanges:
    """What else of the last turn holds on."""
    named_sandbox = settings.sandbox_mode is not None or settings.permissions is not None
    same_model = same_model and settings.model is None
    return TurnChanges(
        approval_policy=None if settings.approval_policy is not None else last.approval_policy,
        approvals_reviewer=(
            None if settings.approvals_reviewer is not None else last.approvals_reviewer
        ),
        sandbox=None if named_sandbox else last.sandbox,
        effort=last.effort if same_model else None,
        summary=last.summary if same_model else None,
    )
