"""Reviews, composed: git in the sandbox, and how the thread of a reviewer differs from the one it
reviews for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from msgspec.structs import replace

from quire.app.choice import OFFLINE, key_variables
from quire.config.schema import Config
from quire.core.errors import UsageError
from quire.core.ports import CommandAction, CommandRules, Judgement, Sandbox
from quire.protocol.local import ThreadSettings
from quire.protocol.policy import SandboxMode, SandboxPolicy, TurnContext

if TYPE_CHECKING:
    from quire.app.profile import Profile
    from quire.server.reviews import Reviews

CANNOT_REVIEW = (
    "the embedded offline model cannot review code: it only repairs failing tests; choose another "
    "model with -m, or with `review_model` in config.toml"
)


def check_model(model: str) -> None:
    """Raises `UsageError` for a model that cannot review."""
    if model == OFFLINE:
        raise UsageError(CANNOT_REVIEW)


def reviewer_settings(
    config: Config, context: TurnContext, instructions: str, flags: Mapping[str, object]
) -> ThreadSettings:
    """The settings of a reviewer's thread. `flags` are those of the command line. Raises
    `UsageError` for a model that cannot review."""
    model = config.review_model or context.model
    check_model(model)
    more: dict[str, object] = {}
    if model == context.model and context.effort is not None:
        more["model_reasoning_effort"] = context.effort
    return ThreadSettings(
        cwd=context.cwd,
        model=model,
        approval_policy="never",
        sandbox_mode=_mode(flags),
        service_tier=context.service_tier,
        config=more,
        base_instructions=instructions,
        workspace_roots=context.workspace_roots,
    )


CANNOT_JUDGE = "the embedded offline model cannot judge actions; choose another model with -m"


def judge_settings(context: TurnContext, instructions: str) -> ThreadSettings:
    """The settings of a thread for who decides about an action of a turn under `context`: the
    same model, read-only. Raises `UsageError` for a model that cannot."""
    if context.model == OFFLINE:
        raise UsageError(CANNOT_JUDGE)
    effort = {} if context.effort is None else {"model_reasoning_effort": context.effort}
    return ThreadSettings(
        cwd=context.cwd,
        model=context.model,
        approval_policy="never",
        sandbox_mode="read-only",
        service_tier=context.service_tier,
        config=dict[str, object](effort),
        base_instructions=instructions,
        workspace_roots=context.workspace_roots,
    )


class NothingAllowed:
    """Rules of which none takes a command out of the sandbox; what they refuse stays refused."""

    def __init__(self, rules: CommandRules) -> None:
        self._rules = rules

    def judge(self, action: CommandAction) -> Judgement:
        judged = self._rules.judge(action)
        return replace(judged, decision=None) if judged.decision == "allow" else judged

    def remember(self, prefixes: tuple[tuple[str, ...], ...]) -> None:
        raise UsageError("nothing is remembered here")


def confined(context: TurnContext, asking: SandboxPolicy, settings: ThreadSettings) -> TurnContext:
    """`context` without rights, whatever else the configuration says: read-only, unless no sandbox
    was asked for and is allowed. What is hidden from the thread that asks stays hidden."""
    loaded = context.sandbox
    mode = "read-only" if settings.sandbox_mode == "read-only" else loaded.mode
    hidden = tuple(dict.fromkeys((*asking.denied_reads, *loaded.denied_reads)))
    sandbox = SandboxPolicy(mode=mode, denied_reads=hidden)
    return replace(context, sandbox=sandbox, approval_policy="never")


def reviews(profile: Profile, sandbox: Sandbox) -> Reviews:
    """Starts reviews in the threads of a process."""
    from quire.rollout.ids import UuidSource
    from quire.server.reviews import Reviews
    from quire.tools.environment import EnvironmentPolicy, inherited
    from quire.workspace.git import Git
    from quire.workspace.review_diff import ReviewDiffs

    setup = profile.setup
    secrets = key_variables(profile.choice.provider, profile.config)
    policy = EnvironmentPolicy(model_keys=secrets)
    unconfined = profile.context.sandbox.mode == _mode(setup.loaded.sources.flags)
    rights = profile.context.sandbox if unconfined else SandboxPolicy()
    git = Git(sandbox, lambda: inherited(policy, setup.env), rights)
    return Reviews(ReviewDiffs(git), UuidSource().new)


def _mode(flags: Mapping[str, object]) -> SandboxMode:
    """Read-only, but where a person said on the command line that there is to be no sandbox."""
    wanted = (flags.get("sandbox_mode"), flags.get("approval_policy"))
    return "danger-full-access" if wanted == ("danger-full-access", "never") else "read-only"
