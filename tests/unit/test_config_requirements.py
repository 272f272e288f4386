"""`requirements.toml`: what an administrator demands holds over every layer."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from quire.app.server import ServerPlace, make_server
from quire.config.errors import ConfigError
from quire.config.load import ConfigSources, LoadedConfig, load
from quire.config.requirements import PatternToken, PrefixRule
from quire.protocol.local import ThreadStartParams, TurnChanges
from quire.protocol.policy import GranularApproval, SandboxMode, SandboxPolicy, TurnContext


def loaded(base: Path, requirements: str, config: str = "", *overrides: str) -> LoadedConfig:
    (base / "requirements.toml").write_text(requirements)
    (base / "config.toml").write_text(config)
    return load(
        ConfigSources(
            home=str(base),
            cwd=str(base),
            overrides=overrides,
            system_file=str(base / "none.toml"),
            requirements_files=(str(base / "absent.toml"), str(base / "requirements.toml")),
        )
    )


_DISALLOWED = "is disallowed by requirements; falling back to required value"


def test_what_is_not_allowed_falls_back_with_a_warning(tmp_path: Path) -> None:
    found = loaded(
        tmp_path,
        'allowed_approval_policies = ["on-request"]\nallowed_sandbox_modes = ["read-only"]\n'
        'allowed_approvals_reviewers = ["user"]\n',
        'approval_policy = "never"\napprovals_reviewer = "guardian_subagent"\n',
        "sandbox_mode=danger-full-access",
    )
    config = found.config
    assert config.approval_policy == "on-request"
    assert config.approvals_reviewer == "user"
    assert config.sandbox_mode == "read-only", "no option of the command line is above it"
    details = f"(set by {tmp_path}/requirements.toml)"
    assert found.warnings == (
        (
            f"Configured value for `approval_policy` {_DISALLOWED} on-request. Details: invalid "
            f"value for `approval_policy`: `never` is not in the allowed set [on-request] {details}"
        ),
        (
            f"Configured value for `approvals_reviewer` {_DISALLOWED} user. Details: invalid value "
            f"for `approvals_reviewer`: `auto_review` is not in the allowed set [user] {details}"
        ),
        (
            f"Configured value for `sandbox_mode` {_DISALLOWED} read-only. Details: invalid value "
            "for `sandbox_mode`: `danger-full-access` is not in the allowed set [read-only] "
            f"{details}"
        ),
    )


def test_what_is_allowed_stays_and_says_nothing(tmp_path: Path) -> None:
    found = loaded(
        tmp_path,
        'allowed_approval_policies = ["never", {granular = {sandbox_approval = true, rules = true, '
        'mcp_elicitations = false}}]\nallowed_sandbox_modes = ["read-only", "workspace-write"]\n',
        'sandbox_mode = "workspace-write"\n[approval_policy.granular]\nsandbox_approval = true\n'
        "rules = true\nmcp_elicitations = false\n",
    )
    granular = GranularApproval(sandbox_approval=True, rules=True, mcp_elicitations=False)
    assert found.config.approval_policy == granular
    assert found.config.sandbox_mode == "workspace-write"
    assert found.warnings == ()


def test_a_default_that_is_not_allowed_is_set(tmp_path: Path) -> None:
    found = loaded(tmp_path, 'allowed_approval_policies = ["on-request"]\n')
    assert (found.config.approval_policy, found.warnings) == ("on-request", ())
    found = loaded(tmp_path, 'allowed_approval_policies = ["never", "on-request"]\n')
    assert found.config.approval_policy is None
    found = loaded(tmp_path, 'allowed_approvals_reviewers = ["auto_review"]\n')
    assert found.config.approvals_reviewer == "auto_review"


def test_demands_take_the_place_of_what_is_configured(tmp_path: Path) -> None:
    found = loaded(
        tmp_path,
        'model_provider = "corp"\nallow_login_shell = false\n'
        'additional_developer_instructions = "Be careful."\n'
        '[model_providers.corp]\nbase_url = "http://corp"\n[features]\nview_image = false\n'
        '[models.new_thread]\nmodel = "m"\n',
        'model_provider = "x"\ndeveloper_instructions = "Mine."\nfeatures.view_image = true\n'
        '[model_providers.x]\nbase_url = "http://x"\n'
        '[model_providers.corp]\nbase_url = "http://y"\n',
    )
    config = found.config
    assert config.model_provider == "corp"
    assert config.model_providers["corp"].base_url == "http://corp"
    assert config.features["view_image"] is False
    assert config.allow_login_shell is False
    assert config.developer_instructions == "Mine.\n\nBe careful."
    assert config.model == "m"
    place = tmp_path / "requirements.toml"
    overridden = "is overridden by the required value"
    assert found.warnings == (
        f"Configured value for `features.view_image` {overridden} false from {place}.",
        f'Configured value for `model_provider` {overridden} "corp" from {place}.',
    )


def test_what_is_chosen_later_is_asked_of_it_too(tmp_path: Path) -> None:
    required = loaded(
        tmp_path,
        'allowed_approval_policies = ["on-request"]\n'
        'allowed_sandbox_modes = ["read-only", "workspace-write"]\n',
    ).requirements
    assert required is not None
    policy, warning = required.policy("never")
    assert policy == "on-request" and warning and "`never` is not in the allowed set" in warning
    assert required.policy("on-request") == ("on-request", None)
    assert required.sandbox("danger-full-access")[0] == "read-only"
    assert required.sandbox("workspace-write") == ("workspace-write", None)
    assert required.reviewer("auto_review") == ("auto_review", None)
    turn = TurnContext(
        cwd="/w", model="m", model_provider="p", sandbox=SandboxPolicy(mode="danger-full-access")
    )
    limited = required.limited(turn)
    assert (limited.approval_policy, limited.sandbox.mode) == ("on-request", "read-only")
    assert required.allows_profile(":workspace")
    assert not required.allows_profile(":danger-full-access")


def test_rules_are_read_for_whoever_judges_commands(tmp_path: Path) -> None:
    required = loaded(
        tmp_path,
        '[rules]\nprefix_rules = [{pattern = [{token = "rm"}, {any_of = ["-r", "-f"]}], '
        'decision = "forbidden", justification = "no"}]\n',
    ).requirements
    assert required is not None
    assert required.prefix_rules == (
        PrefixRule(
            pattern=(PatternToken(token="rm"), PatternToken(any_of=("-r", "-f"))),
            decision="forbidden",
            justification="no",
        ),
    )


def test_what_is_not_enforced_is_said(tmp_path: Path) -> None:
    place = tmp_path / "requirements.toml"
    assert loaded(tmp_path, "[filesystem]\ndeny_read = ['/x']\n").warnings == (
        f"requirements: {place}: `filesystem` is not enforced by this version",
    )


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("= 1", "line 1, column 1"),
        ('allowed_sandbox_modes = ["workspace-write"]', "must include 'read-only'"),
        ('allowed_sandbox_modes = ["read-only", "nope"]', "Invalid enum value 'nope'"),
        ("allowed_approval_policies = []", "allowed_approval_policies allows nothing"),
        ('allowed_approval_policies = ["untrusted"]', "allowed_approval_policies allows nothing"),
        ('rules.prefix_rules = [{pattern = [], decision = "allow"}]', "Invalid enum value 'allow'"),
        ('features = "all"', "Expected `object | null`, got `str`"),
    ],
)
def test_demands_that_are_not_clear_stop_everything(tmp_path: Path, text: str, fault: str) -> None:
    with pytest.raises(ConfigError) as caught:
        loaded(tmp_path, text + "\n")
    assert fault in str(caught.value)
    assert str(tmp_path / "requirements.toml") in str(caught.value)


def test_a_mode_that_is_asked_for_is_refused_with_the_reason(tmp_path: Path) -> None:
    found = loaded(tmp_path, 'allowed_sandbox_modes = ["read-only"]').requirements
    assert found is not None and found.refused_sandbox("read-only") is None
    assert found.refused_sandbox("workspace-write") == (
        "invalid value for `sandbox_mode`: `workspace-write` is not in the allowed set [read-only] "
        f"(set by {tmp_path / 'requirements.toml'})"
    )


_PROFILES = (
    'default_permissions = ":workspace"\n[allowed_permission_profiles]\n'
    '":read-only" = true\n":workspace" = true\n":danger-full-access" = false\n'
)


@pytest.mark.parametrize(
    ("wanted", "given"),
    [
        ("danger-full-access", "workspace-write"),
        ("workspace-write", "workspace-write"),
        ("read-only", "read-only"),
    ],
)
def test_a_mode_is_no_way_around_the_allowed_profiles(
    wanted: SandboxMode, given: str, tmp_path: Path
) -> None:
    found = loaded(tmp_path, _PROFILES, "", f"sandbox_mode={wanted}")
    assert found.config.sandbox_mode == given
    assert len(found.warnings) == (wanted != given)
    assert found.requirements is not None
    assert (found.requirements.refused_sandbox(wanted) is None) is (wanted == given)


def test_nor_is_the_sandbox_of_a_turn(tmp_path: Path) -> None:
    (tmp_path / "requirements.toml").write_text(_PROFILES)
    place = ServerPlace(
        env={},
        sources=ConfigSources(
            home=str(tmp_path),
            cwd=str(tmp_path),
            system_file=str(tmp_path / "none.toml"),
            requirements_files=(str(tmp_path / "requirements.toml"),),
        ),
    )

    async def body() -> list[str]:
        server = make_server(place)
        loaded = server.hubs.start(ThreadStartParams(ephemeral=True)).loaded
        modes = [loaded.context.sandbox.mode]
        for wanted in ("danger-full-access", "workspace-write"):
            loaded.revise(TurnChanges(sandbox=SandboxPolicy(mode=wanted)))
            modes.append(loaded.context.sandbox.mode)
        await server.aclose()
        return modes

    assert asyncio.run(body()) == ["workspace-write", "read-only", "workspace-write"]
