"""Permission profiles: what they mean for the sandbox, what it cannot hold, and their list."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from quire.config.errors import ConfigError
from quire.config.load import ConfigSources, LoadedConfig, load
from quire.config.permissions import ActiveProfile
from quire.config.profile_list import ProfileList
from quire.config.schema import SandboxWorkspaceWrite
from quire.config.store import ConfigStore
from quire.server.calls.permissions import PermissionCalls
from tests.unit.test_config_calls import call

GOLDEN = json.loads(
    (Path(__file__).parents[1] / "data" / "codex-0.169-permissions.json").read_text()
)
DEV = """
default_permissions = "dev"
[permissions.dev]
extends = ":workspace"
description = "D"
[permissions.dev.workspace_roots]
"/opt" = true
"/srv" = false
[permissions.dev.network]
enabled = true
"""


def sources(base: Path, config: str, requirements: str = "", **flags: object) -> ConfigSources:
    (base / "config.toml").write_text(config)
    (base / "requirements.toml").write_text(requirements)
    return ConfigSources(
        home=str(base),
        cwd=str(base),
        flags=flags,
        system_file=str(base / "none.toml"),
        requirements_files=(str(base / "requirements.toml"),),
    )


def loaded(base: Path, config: str, requirements: str = "", **flags: object) -> LoadedConfig:
    return load(sources(base, config, requirements, **flags))


def test_a_profile_is_told_to_the_sandbox(tmp_path: Path) -> None:
    found = loaded(tmp_path, DEV)
    assert found.config.sandbox_mode == "workspace-write"
    assert found.config.sandbox_workspace_write == SandboxWorkspaceWrite(
        writable_roots=("/opt",), network_access=True
    )
    assert found.permissions == ActiveProfile("dev", ":workspace")
    assert found.warnings == ()


@pytest.mark.parametrize("case", GOLDEN["policies"], ids=lambda case: case[0][:60])
def test_policies_are_those_of_codex(tmp_path: Path, case: list[object]) -> None:
    text, policy = case
    assert isinstance(text, str) and isinstance(policy, dict)
    config = loaded(tmp_path, text).config
    write = config.sandbox_workspace_write
    if policy["type"] != "workspaceWrite":
        modes = {"readOnly": "read-only", "dangerFullAccess": "danger-full-access"}
        assert config.sandbox_mode == modes[policy["type"]]
        return
    assert config.sandbox_mode == "workspace-write"
    assert {
        "type": "workspaceWrite",
        "writableRoots": list(write.writable_roots),
        "networkAccess": write.network_access,
        "excludeTmpdirEnvVar": write.exclude_tmpdir_env_var,
        "excludeSlashTmp": write.exclude_slash_tmp,
    } == policy


@pytest.mark.parametrize("case", GOLDEN["errors"], ids=lambda case: case[0][:60])
def test_mistakes_have_the_words_of_codex(tmp_path: Path, case: list[str]) -> None:
    text, words = case
    with pytest.raises(ConfigError) as caught:
        loaded(tmp_path, text)
    assert words.removeprefix("failed to load configuration: ") in str(caught.value)


@pytest.mark.parametrize(
    ("entries", "what"),
    [
        ("", "`:root` other than"),
        ('":root" = "write"', "`:root` other than"),
        ('":root" = "read"\n":tmpdir" = "none"', '`:tmpdir` = "none"'),
        (
            '":root" = "read"\n"/secret" = "deny"\n"/secret/a" = "read"',
            '`/secret/a` = "read" in a folder that is hidden',
        ),
        ('":root" = "read"\n"/opt" = "write"', "writing or the network without"),
        (
            '":root" = "read"\n":workspace_roots" = "write"\n"/opt" = "write"\n"/opt/a" = "read"',
            '`/opt/a` = "read" below a folder that may be written',
        ),
        ('":root" = "read"\n":workspace_roots" = {"docs" = "read"}', '`docs` = "read" below'),
        ('":root" = "read"\n":workspace_roots" = {"*.env" = "deny"}', "the pattern `*.env`"),
        ('":root" = "read"\n":minimal" = "read"', "`:minimal`"),
    ],
)
def test_what_the_sandbox_cannot_hold_is_an_error(tmp_path: Path, entries: str, what: str) -> None:
    """Codex 0.169 holds more of these; where it does not know a name it goes on without."""
    text = f'default_permissions = "dev"\n[permissions.dev.filesystem]\n{entries}\n'
    with pytest.raises(ConfigError) as caught:
        loaded(tmp_path, text)
    message = str(caught.value)
    assert what in message and "cannot be enforced by the sandbox" in message
    assert "\n" not in message


def test_what_is_hidden_goes_with_the_profile(tmp_path: Path) -> None:
    text = (
        'default_permissions = "dev"\n[permissions.dev]\nextends = ":workspace"\n'
        '[permissions.dev.filesystem]\n"/secret" = "none"\n"~/keys" = "deny"\n'
    )
    found = loaded(tmp_path, text)
    assert found.permissions is not None
    assert found.permissions.denied_reads == ("/secret", str(Path("~/keys").expanduser()))
    assert found.config.sandbox_mode == "workspace-write"


def test_limits_of_the_network_are_not_passed_over(tmp_path: Path) -> None:
    text = DEV + 'mode = "limited"\n'
    with pytest.raises(ConfigError, match=r"`network\.mode` cannot be enforced"):
        loaded(tmp_path, text)


def test_a_sandbox_mode_that_is_set_above_comes_first(tmp_path: Path) -> None:
    found = loaded(tmp_path, DEV, sandbox_mode="read-only")
    assert (found.config.sandbox_mode, found.permissions) == ("read-only", None)
    found = loaded(tmp_path, DEV, default_permissions=":danger-full-access")
    assert found.config.sandbox_mode == "danger-full-access"
    found = loaded(tmp_path, 'sandbox_mode = "danger-full-access"\n' + DEV.lstrip())
    assert found.config.sandbox_mode == "workspace-write"


def test_a_project_cannot_choose_a_profile(tmp_path: Path) -> None:
    (tmp_path / ".git").mkdir()
    folder = tmp_path / ".quire"
    folder.mkdir()
    (folder / "config.toml").write_text('default_permissions = ":danger-full-access"\n')
    text = f'[projects."{tmp_path}"]\ntrust_level = "trusted"\n'
    found = loaded(tmp_path, text)
    assert found.config.sandbox_mode is None
    assert "a project may not set `default_permissions`" in found.warnings[0]


def test_the_administrator_decides_which_profiles_there_are(tmp_path: Path) -> None:
    required = (
        'default_permissions = ":workspace"\n[allowed_permission_profiles]\n'
        '":workspace" = true\n":read-only" = true\n'
    )
    found = loaded(tmp_path, DEV, required)
    assert found.permissions == ActiveProfile(":workspace")
    assert found.config.sandbox_workspace_write.network_access is False
    assert "falling back to required value :workspace" in found.warnings[0]
    found = loaded(tmp_path, "", required)
    assert found.permissions == ActiveProfile(":workspace"), "his default is the default"


def test_profiles_are_listed_as_codex_does(tmp_path: Path) -> None:
    required = 'allowed_sandbox_modes = ["read-only", "workspace-write"]\n'
    for text, wanted in (("", ""), (DEV, required)):
        store = ConfigStore(sources(tmp_path, text, wanted))
        routes = PermissionCalls(ProfileList(store.load)).routes()
        for params, answer in GOLDEN["list with dev" if text else "list"]:
            assert call(routes, "permissionProfile/list", **params) == answer
