"""`requirements.toml`: what the administrator of a machine demands (Codex 0.169).

The first of `REQUIREMENTS_FILES` that exists is the one. What a person configures, on the command
line too, and it does not allow falls back to what it allows; a warning says so.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from quire.config.errors import ConfigError, one_line
from quire.config.overrides import Table
from quire.config.schema import Config, ModelProvider
from quire.protocol.policy import (
    ApprovalPolicy,
    ApprovalsReviewer,
    ApprovalWords,
    SandboxMode,
    TurnContext,
    approval_policy,
    approval_words,
)

WebSearchMode = Literal["disabled", "cached", "indexed", "live"]
_LOGINS = ("api",)


class PatternToken(Struct, frozen=True, kw_only=True):
    """One word of a command: `token`, or any of `any_of`."""

    token: str | None = None
    any_of: tuple[str, ...] | None = None


class PrefixRule(Struct, frozen=True, kw_only=True):
    """A rule for commands that begin with `pattern`. It can only narrow."""

    pattern: tuple[PatternToken, ...]
    decision: Literal["prompt", "prompt-user", "forbidden"]
    justification: str | None = None


class Rules(Struct, frozen=True, kw_only=True):
    prefix_rules: tuple[PrefixRule, ...] = ()


class NewThread(Struct, frozen=True, kw_only=True):
    model: str | None = None
    model_reasoning_effort: str | None = None
    service_tier: str | None = None


class Models(Struct, frozen=True, kw_only=True):
    new_thread: NewThread | None = None


class Requirements(Struct, frozen=True, kw_only=True):
    """The file. None means "not restricted". `place` is its path."""

    place: str = ""
    allowed_approval_policies: tuple[ApprovalWords | Literal["untrusted"], ...] | None = None
    allowed_approvals_reviewers: (
        tuple[ApprovalsReviewer | Literal["guardian_subagent"], ...] | None
    ) = None
    allowed_sandbox_modes: tuple[SandboxMode | Literal["external-sandbox"], ...] | None = None
    allowed_permission_profiles: dict[str, bool] | None = None
    default_permissions: str | None = None
    allowed_web_search_modes: tuple[WebSearchMode, ...] | None = None
    features: dict[str, bool] | None = None
    rules: Rules | None = None
    models: Models | None = None
    model_provider: str | None = None
    model_providers: dict[str, ModelProvider] | None = None
    allow_login_shell: bool | None = None
    additional_developer_instructions: str | None = None

    @property
    def prefix_rules(self) -> tuple[PrefixRule, ...]:
        """Rules about commands; they hold beside a person's own."""
        return self.rules.prefix_rules if self.rules else ()

    def policies(self) -> tuple[ApprovalPolicy, ...] | None:
        """The allowed approval policies, None for all."""
        if self.allowed_approval_policies is None:
            return None
        return tuple(approval_policy(p) for p in self.allowed_approval_policies if p != "untrusted")

    def policy(self, wanted: ApprovalPolicy) -> tuple[ApprovalPolicy, str | None]:
        """`wanted`, or what takes its place and the warning about it."""
        allowed = self.policies()
        if allowed is None or wanted in allowed:
            return wanted, None
        return allowed[0], self._fallback("approval_policy", wanted, allowed[0], allowed)

    def reviewer(self, wanted: ApprovalsReviewer) -> tuple[ApprovalsReviewer, str | None]:
        """The same for who answers questions."""
        allowed = self._reviewers()
        if allowed is None or wanted in allowed:
            return wanted, None
        return allowed[0], self._fallback("approvals_reviewer", wanted, allowed[0], allowed)

    def sandbox(self, wanted: SandboxMode) -> tuple[SandboxMode, str | None]:
        """The same for what commands may touch; `read-only` is always allowed."""
        allowed = self.allowed_sandbox_modes
        if allowed is None or wanted in allowed:
            return wanted, None
        return "read-only", self._fallback("sandbox_mode", wanted, "read-only", allowed)

    def refused_sandbox(self, mode: SandboxMode) -> str | None:
        """What is wrong with a mode that is asked for and not to be replaced; None when it is
        allowed."""
        allowed = self.allowed_sandbox_modes
        if allowed is not None and mode not in allowed:
            return self._refusal("sandbox_mode", mode, allowed)
        if not self.allows_mode(mode):
            allowed = [
                name for name, used in (self.allowed_permission_profiles or {}).items() if used
            ]
            return self._refusal("sandbox_mode", mode, allowed)
        return None

    def allows_mode(self, mode: SandboxMode) -> bool:
        """Whether a mode may be chosen beside the permission profiles: only if its own profile
        may be. Nobody is kept from `read-only`."""
        profiles = self.allowed_permission_profiles
        if mode == "read-only":
            return True
        return profiles is None or any(
            profiles.get(name, False) for name, of in _MODES.items() if of == mode
        )

    def limited(self, turn: TurnContext) -> TurnContext:
        """The settings of a turn as far as they are allowed, for what a client changed."""
        mode, _ = self.sandbox(turn.sandbox.mode)
        return replace(
            turn,
            approval_policy=self.policy(turn.approval_policy)[0],
            approvals_reviewer=self.reviewer(turn.approvals_reviewer)[0],
            sandbox=replace(turn.sandbox, mode=mode),
        )

    def allows_profile(self, name: str) -> bool:
        """Whether a permission profile may be chosen."""
        if self.allowed_permission_profiles is not None:
            return self.allowed_permission_profiles.get(name, False)
        modes = self.allowed_sandbox_modes
        return modes is None or name not in _MODES or _MODES[name] in modes

    def refused_feature(self, values: Table) -> str | None:
        """What is wrong with the `features` of a file that is about to be written."""
        from quire.config.layers import table_at

        for name, value in table_at(values, "features").items():
            demanded = (self.features or {}).get(name)
            if demanded is not None and value is not demanded:
                return (
                    f"invalid value for `features`: `features.{name}={_toml(value)}` is not in "
                    f"the allowed set [{name}={_toml(demanded)}] (set by {self.place})"
                )
        return None

    def _reviewers(self) -> tuple[ApprovalsReviewer, ...] | None:
        if self.allowed_approvals_reviewers is None:
            return None
        names = self.allowed_approvals_reviewers
        return tuple("user" if name == "user" else "auto_review" for name in names)

    def _fallback(self, key: str, wanted: object, given: object, allowed: Sequence[object]) -> str:
        return (
            f"Configured value for `{key}` is disallowed by requirements; falling back to "
            f"required value {_toml(given)}. Details: {self._refusal(key, wanted, allowed)}"
        )

    def _refusal(self, key: str, wanted: object, allowed: Sequence[object]) -> str:
        shown = ", ".join(map(_toml, allowed))
        return (
            f"invalid value for `{key}`: `{_toml(wanted)}` is not in the allowed set [{shown}] "
            f"(set by {self.place})"
        )


_MODES: dict[str, str] = {
    ":read-only": "read-only",
    ":workspace": "workspace-write",
    ":danger-full-access": "danger-full-access",
}


def parse_requirements(values: Table, place: str) -> tuple[Requirements, list[str]]:
    """The requirements in a table, and warnings about those that this version does not enforce.
    Raises `ConfigError`: where the demands are not clear nothing runs."""
    try:
        found = msgspec.convert({**values, "place": place}, Requirements)
    except msgspec.ValidationError as error:
        raise ConfigError(f"requirements: {place}: {error}") from None
    for key, words in (
        ("allowed_approval_policies", found.policies()),
        ("allowed_approvals_reviewers", found.allowed_approvals_reviewers),
    ):
        if words is not None and not words:
            raise ConfigError(f"requirements: {place}: {key} allows nothing")
    modes = found.allowed_sandbox_modes
    if modes is not None and "read-only" not in modes:
        raise ConfigError(
            f"requirements: {place}: allowed_sandbox_modes must include 'read-only' to allow any "
            "permission profile"
        )
    unknown = [key for key in values if key not in Requirements.__struct_fields__]
    return found, [
        one_line(f"requirements: {place}: `{key}` is not enforced by this version")
        for key in unknown
    ]


def constrained(config: Config, found: Requirements) -> tuple[Config, list[str]]:
    """The configuration as far as it is allowed, and what people must know of the difference."""
    warnings: list[str | None] = []
    changed: Table = {}
    if config.approval_policy is not None:
        changed["approval_policy"], warning = found.policy(config.approval_policy)
        warnings.append(warning)
    elif (allowed := found.policies()) is not None and not {"never", "on-request"} <= {*allowed}:
        changed["approval_policy"] = allowed[0]
    if config.approvals_reviewer is not None or found.reviewer("user")[1] is not None:
        wanted = config.approvals_reviewer or "user"
        changed["approvals_reviewer"], warning = found.reviewer(wanted)
        warnings.append(warning if config.approvals_reviewer else None)
    if config.sandbox_mode is not None:
        changed["sandbox_mode"], warning = found.sandbox(config.sandbox_mode)
        warnings.append(warning)
    warnings += _demanded(config, found, changed)
    told = [warning for warning in warnings if warning]
    return replace(config, **changed), told


def _demanded(config: Config, found: Requirements, changed: Table) -> list[str]:
    """Values that are given, not chosen."""
    warnings: list[str] = []
    for name, value in (found.features or {}).items():
        if config.features.get(name, value) is not value:
            warnings.append(
                f"Configured value for `features.{name}` is overridden by the required value "
                f"{_toml(value)} from {found.place}."
            )
    if found.features:
        changed["features"] = {**config.features, **found.features}
    if found.model_provider is not None:
        if config.model_provider not in (None, found.model_provider):
            warnings.append(
                "Configured value for `model_provider` is overridden by the required value "
                f'"{found.model_provider}" from {found.place}.'
            )
        changed["model_provider"] = found.model_provider
    if found.model_providers:
        changed["model_providers"] = {**config.model_providers, **found.model_providers}
    if found.allow_login_shell is False:
        changed["allow_login_shell"] = False
    if text := found.additional_developer_instructions:
        own = config.developer_instructions
        changed["developer_instructions"] = f"{own}\n\n{text}" if own else text
    new = found.models.new_thread if found.models else None
    if new is not None and new.model and config.model is None:
        changed["model"] = new.model
    return warnings


def shown(found: Requirements) -> Table:
    """The requirements as `configRequirements/read` answers them."""
    policies = found.policies()
    table: Table = {}
    table.update((name, None) for name in _MEMBERS.split())
    new = found.models.new_thread if found.models else None
    table |= {
        "modelProvider": found.model_provider,
        "modelProviders": found.model_providers and msgspec.to_builtins(found.model_providers),
        "allowedLoginMethods": _LOGINS,
        "additionalDeveloperInstructions": found.additional_developer_instructions,
        "allowedApprovalPolicies": None
        if policies is None
        else [msgspec.to_builtins(approval_words(policy)) for policy in policies],
        "allowedApprovalsReviewers": found.allowed_approvals_reviewers,
        "allowedSandboxModes": found.allowed_sandbox_modes,
        "allowedPermissionProfiles": found.allowed_permission_profiles,
        "defaultPermissions": found.default_permissions,
        "allowedWebSearchModes": found.allowed_web_search_modes,
        "featureRequirements": found.features,
        "models": new
        and {
            "newThread": {
                "model": new.model,
                "modelReasoningEffort": new.model_reasoning_effort,
                "serviceTier": new.service_tier,
            }
        },
        "allowLoginShell": found.allow_login_shell,
    }
    return table


_MEMBERS = """
    modelProvider modelProviders allowedLoginMethods cliAuthCredentialsStore chatgptBaseUrl
    additionalDeveloperInstructions allowedApprovalPolicies allowedApprovalsReviewers
    allowedSandboxModes allowedWindowsSandboxImplementations allowedPermissionProfiles
    defaultPermissions allowedWebSearchModes allowManagedHooksOnly allowBrowserAndComputerUse
    allowAppshots allowRemoteControl computerUse browserUse inAppBrowser featureRequirements hooks
    enforceResidency network application autoReview models sqliteHome logDir modelCatalogJson
    checkForUpdateOnStartup allowLoginShell feedback otel
"""


def _toml(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()
