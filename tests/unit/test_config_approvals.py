"""Approval policies in `config.toml`, and what the model is told of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from quire.config.errors import ConfigError
from quire.config.load import ConfigSources, LoadedConfig, load
from quire.core.context import permissions_text
from quire.protocol.policy import (
    ApprovalPolicy,
    GranularApproval,
    TurnContext,
    approval_policy,
    approval_words,
)

GRANULAR = GranularApproval(sandbox_approval=True, rules=False, mcp_elicitations=True)


def loaded(tmp_path: Path, text: str, *overrides: str) -> LoadedConfig:
    (tmp_path / "config.toml").write_text(text)
    none = str(tmp_path / "none.toml")
    return load(
        ConfigSources(home=str(tmp_path), cwd=str(tmp_path), overrides=overrides, system_file=none)
    )


def test_a_granular_table_is_read_with_defaults(tmp_path: Path) -> None:
    text = "[approval_policy.granular]\nsandbox_approval=true\nrules=false\nmcp_elicitations=true\n"
    assert loaded(tmp_path, text).config.approval_policy == GRANULAR
    changed = loaded(tmp_path, text, "approval_policy.granular.rules=true").config
    assert isinstance(changed.approval_policy, GranularApproval) and changed.approval_policy.rules


@pytest.mark.parametrize(
    ("value", "fault"),
    [
        ("{granular={rules=true}}", "approval_policy.granular: `sandbox_approval` is missing"),
        (
            "{granular={rules=1,sandbox_approval=true,mcp_elicitations=true}}",
            "approval_policy.granular: rules: expected true or false",
        ),
        (
            "{granular={rules=true,sandbox_approval=true,mcp_elicitations=true,rule=true}}",
            "unknown key `rule`; its keys are sandbox_approval, rules,",
        ),
        ("{rules=true}", 'expected "on-request", "never" or a table `granular`'),
        ("{granular={},other=1}", 'expected "on-request", "never" or a table `granular`'),
        ("{granular=true}", 'expected "on-request", "never" or a table `granular`'),
        ('"sometimes"', 'expected on-request or never, got "sometimes"'),
        ('"untrusted"', "no longer supported; remove this setting"),
    ],
)
def test_a_policy_that_cannot_be_read_is_one_line(tmp_path: Path, value: str, fault: str) -> None:
    with pytest.raises(ConfigError) as caught:
        loaded(tmp_path, f"approval_policy = {value}\n")
    assert fault in str(caught.value)
    assert str(tmp_path / "config.toml") in str(caught.value)


def test_another_fault_is_not_blamed_on_the_granular_table(tmp_path: Path) -> None:
    text = (
        "approval_policy = {granular={rules=true,sandbox_approval=true,mcp_elicitations=true}}\n"
        "model = 3\n"
    )
    with pytest.raises(ConfigError, match="model: expected a string, got 3"):
        loaded(tmp_path, text)


@pytest.mark.parametrize("policy", ["never", "on-request", GRANULAR])
def test_a_policy_comes_back_as_it_was_written(policy: ApprovalPolicy) -> None:
    assert approval_policy(approval_words(policy)) == policy


def test_the_model_is_told_what_can_be_asked() -> None:
    turn = TurnContext(cwd="/w", model="m", model_provider="p", approval_policy=GRANULAR)
    text = permissions_text(turn)
    assert "set `sandbox_permissions` to `require_escalated`" in text
    assert "Commands that a rule marks for approval are refused." in text
    refused = GranularApproval(sandbox_approval=False, rules=True, mcp_elicitations=True)
    turn = TurnContext(
        cwd="/w",
        model="m",
        model_provider="p",
        approval_policy=refused,
        approvals_reviewer="auto_review",
    )
    text = permissions_text(turn)
    assert "nothing can leave it. Do not provide `sandbox_permissions`" in text
    assert "Questions are answered by an automatic reviewer" in text
