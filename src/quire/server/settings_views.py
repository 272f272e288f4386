"""Settings that a client gives with a thread or a turn, in the words of the core."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
from msgspec import Raw

from quire.protocol import policy
from quire.protocol.local import (
    ImageInput,
    InputPart,
    LocalImageInput,
    TextInput,
    ThreadSettings,
    TurnChanges,
)
from quire.protocol.rpc.items import (
    AudioUserInput,
    ImageUserInput,
    LocalAudioUserInput,
    LocalImageUserInput,
    MentionUserInput,
    SkillUserInput,
    TextUserInput,
    UserInput,
)
from quire.protocol.rpc.thread import ThreadOverrides
from quire.protocol.rpc.turn import TurnStartParams
from quire.protocol.rpc.values import ApprovalsReviewer, AskForApproval
from quire.server.errors import InvalidRequest
from quire.server.views import sandbox_policy


def thread_settings(params: ThreadOverrides, client: str) -> ThreadSettings:
    """Raises `InvalidRequest` for settings that cannot be used."""
    if params.permissions is not None and params.sandbox is not None:
        raise InvalidRequest("`permissions` cannot be combined with `sandbox`")
    return ThreadSettings(
        cwd=params.cwd,
        model=params.model,
        model_provider=params.model_provider,
        approval_policy=approval_policy(params.approval_policy),
        approvals_reviewer=reviewer(params.approvals_reviewer),
        sandbox_mode=params.sandbox,
        permissions=params.permissions,
        config=config_values(params.config or {}),
        base_instructions=params.base_instructions,
        developer_instructions=params.developer_instructions,
        service_tier=params.service_tier,
        workspace_roots=params.runtime_workspace_roots or (),
        originator=client or None,
    )


def turn_changes(params: TurnStartParams) -> TurnChanges:
    """Raises `InvalidRequest` for settings that cannot be used."""
    if params.permissions is not None and params.sandbox_policy is not None:
        raise InvalidRequest("`permissions` cannot be combined with `sandboxPolicy`")
    return TurnChanges(
        cwd=params.cwd,
        model=params.model,
        effort=effort(params.effort),
        summary=params.summary,
        approval_policy=approval_policy(params.approval_policy),
        approvals_reviewer=reviewer(params.approvals_reviewer),
        sandbox=None if params.sandbox_policy is None else sandbox_policy(params.sandbox_policy),
        permissions=params.permissions,
        service_tier=params.service_tier,
        mode=params.collaboration_mode.mode if params.collaboration_mode is not None else None,
    )


def config_values(config: dict[str, Raw]) -> dict[str, object]:
    """Overrides by dotted key. A null says nothing."""
    decoded = {key: msgspec.json.decode(value) for key, value in config.items()}
    return {key: value for key, value in decoded.items() if value is not None}


def approval_policy(words: AskForApproval | None) -> policy.ApprovalPolicy | None:
    if words == "untrusted":
        raise InvalidRequest('approval policy "untrusted" is no longer supported; use "on-request"')
    return None if words is None else policy.approval_policy(words)


def reviewer(words: ApprovalsReviewer | None) -> policy.ApprovalsReviewer | None:
    return "auto_review" if words == "guardian_subagent" else words


def effort(word: str | None) -> policy.ReasoningEffort | None:
    if word is None:
        return None
    try:
        return msgspec.convert(word, policy.ReasoningEffort)
    except msgspec.ValidationError:
        raise InvalidRequest(f"unknown reasoning effort: {word}") from None


def input_parts(parts: tuple[UserInput, ...]) -> tuple[InputPart, ...]:
    """What a person sent, as far as a model can be sent it."""
    return tuple(_parts(parts))


def _parts(parts: tuple[UserInput, ...]) -> Iterator[InputPart]:
    for part in parts:
        match part:
            case TextUserInput(text=text):
                yield TextInput(text)
            case LocalImageUserInput(path=path):
                yield LocalImageInput(path)
            case ImageUserInput(url=str(url), detail=detail):
                yield ImageInput(url, detail)
            case MentionUserInput(name=name, path=path) | SkillUserInput(name=name, path=path):
                yield TextInput(f"[{name}]({path})")
            case ImageUserInput() | AudioUserInput() | LocalAudioUserInput():
                raise InvalidRequest("only text and images can be sent to this model")
