"""Broken configuration: one line that names the place and what to do."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest
import tomlkit
from hypothesis import given
from hypothesis import strategies as st

from quire.config.errors import ConfigError
from quire.config.keys import UNSUPPORTED, WITHOUT_EFFECT
from quire.config.load import ConfigSources, load
from quire.config.schema import MAPS, TABLES, Config


def failure(home: Path, *overrides: str) -> str:
    with pytest.raises(ConfigError) as error:
        load(
            ConfigSources(
                home=str(home), cwd=str(home), overrides=overrides, system_file=str(home / "none")
            )
        )
    message = str(error.value)
    assert "\n" not in message
    return message


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("model = = 1\n", "line 1, column 9: invalid value"),
        ('a = 1\nmodel = "x\n', "line 2, column 11: illegal character '\\n'"),
        ("[a]\n[a]\n", "line 2, column 3: cannot declare ('a',) twice"),
        ("a = 1\na = 2\n", "line 2, column 6: cannot overwrite a value"),
        ('model = "\udcff"\n', "line 1: not valid UTF-8"),
        ("x = " + "[" * 100_000, "nested too deeply"),
    ],
)
def test_broken_toml(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "config.toml"
    path.write_bytes(text.encode("utf-8", "surrogateescape"))
    assert failure(tmp_path).startswith(f"config: {path}: {message}")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('model_context_window = "abc"', 'model_context_window: expected an integer, got "abc"'),
        ("model_context_window = 1.5", "model_context_window: expected an integer, got 1.5"),
        ("model_context_window = 0", "model_context_window: expected an integer >= 1, got 0"),
        ("model = 3", "model: expected a string, got 3"),
        ('model = ""', 'model: expected a string that is not empty, got ""'),
        ("model.x = 3", "model: expected a string, got a table"),
        ('tools = "x"', 'tools: expected a table, got "x"'),
        ("tools.update_plan = true", "tools.update_plan: expected a table, got true"),
        (
            "tools.update_plan.enabled = 1",
            "tools.update_plan.enabled: expected true or false, got 1",
        ),
        (
            'sandbox_mode = "off"',
            'sandbox_mode: expected read-only, workspace-write or danger-full-access, got "off"',
        ),
        ("sandbox_mode = 1", "sandbox_mode: expected a string, got 1"),
        (
            '[projects."/a.b"]\ntrust_level = "maybe"',
            'projects."/a.b".trust_level: expected trusted or untrusted, got "maybe"',
        ),
        ("projects.x = 1", "projects.x: expected a table, got 1"),
        (
            "shell_environment_policy.exclude = ['A', 3]",
            "shell_environment_policy.exclude[1]: expected a string, got 3",
        ),
        (
            "model_providers.p.connect_timeout_s = -1",
            "model_providers.p.connect_timeout_s: expected a number >= 0.0, got -1",
        ),
        (
            "model_providers.p.query_params.v = 2",
            "model_providers.p.query_params.v: expected a string, got 2",
        ),
        (
            "model_providers.p.experimental_bearer_token = 12345",
            "model_providers.p.experimental_bearer_token: expected a string, got something else",
        ),
        ('features.x = "yes"', 'features.x: expected true or false, got "yes"'),
        ("hide_agent_reasoning = []", "hide_agent_reasoning: expected true or false, got a list"),
        (
            f'sandbox_mode = "{"x" * 99}"',
            (
                f"sandbox_mode: expected read-only, workspace-write or "
                f'danger-full-access, got "{"x" * 60}..."'
            ),
        ),
    ],
)
def test_wrong_values(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "config.toml"
    path.write_text(text + "\n")
    assert failure(tmp_path) == f"config: {path}: {message}"


@pytest.mark.parametrize("text", [".".join("a" * 2000) + " = 1", "a = " + "[" * 90 + "]" * 90])
def test_nesting_without_end_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "config.toml"
    path.write_text(text + "\n")
    assert failure(tmp_path) == f"config: {path}: nested too deeply"


def test_a_wrong_override_names_the_option(tmp_path: Path) -> None:
    assert failure(tmp_path, "model_context_window=abc") == (
        'config: -c model_context_window=abc: expected an integer, got "abc"'
    )


def test_a_wrong_value_below_a_right_one_does_no_harm(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text('sandbox_mode = "off"\n')
    loaded = load(
        ConfigSources(home=str(tmp_path), cwd=str(tmp_path), overrides=("sandbox_mode=read-only",))
    )
    assert loaded.config.sandbox_mode == "read-only"


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("model", "-c model: expected KEY=VALUE"),
        ("=x", "-c =x: a part of the key is empty"),
        ("a..b=1", "-c a..b=1: a part of the key is empty"),
        ('a."b=1', "-c a.\"b=1: the key's quotes do not match"),
        (
            'approval_policy="untrusted"',
            (
                '-c approval_policy="untrusted": approval_policy = '
                '"untrusted" is no longer supported; remove this setting'
            ),
        ),
        (
            "profile=x",
            "-c profile=x: `profile` is no longer supported; use `-p x` with x.config.toml",
        ),
        (
            "profile.x=1",
            "-c profile.x=1: `profile` is no longer supported; use `-p NAME` with NAME.config.toml",
        ),
        (
            "model_providers.p.wire_api=chat",
            (
                "-c model_providers.p.wire_api=chat: "
                'model_providers.p: `wire_api = "chat"` is no longer supported; set '
                '`wire_api = "responses"`'
            ),
        ),
    ],
)
def test_overrides_that_cannot_be(tmp_path: Path, override: str, message: str) -> None:
    assert failure(tmp_path, override) == f"config: {message}"


def test_a_folder_a_pipe_and_a_huge_file(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.mkdir()
    assert failure(tmp_path) == f"config: {path}: cannot be read: not a regular file"
    path.rmdir()
    os.mkfifo(path)
    assert failure(tmp_path) == f"config: {path}: cannot be read: not a regular file"
    path.unlink()
    path.write_bytes(b"#" * ((1 << 20) + 1))
    assert failure(tmp_path) == f"config: {path}: larger than 1048576 bytes"
    path.unlink()
    path.symlink_to(path)
    assert failure(tmp_path).startswith(f"config: {path}: cannot be read: ")


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.symlink_to("/proc/self/mem")  # a regular file that not even root reads from its start
    assert failure(tmp_path) == f"config: {path}: cannot be read: Input/output error"


def test_a_file_with_a_byte_order_mark(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_bytes(b"\xef\xbb\xbfmodel = 'x'\r\n")
    assert load(ConfigSources(home=str(tmp_path), cwd=str(tmp_path))).config.model == "x"


def test_a_trusted_projects_broken_file(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text(f'projects."{tmp_path}".trust_level = "trusted"\n')
    (tmp_path / ".quire").mkdir()
    path = tmp_path / ".quire" / "config.toml"
    path.write_text("model = [\n")
    assert failure(tmp_path).startswith(f"config: {path}: end of document: invalid value")


def test_a_home_that_is_a_file(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.write_text("")
    assert load(ConfigSources(home=str(home), cwd=str(tmp_path))).config.model is None


KEYS = st.sampled_from(
    [*Config.__struct_fields__, *UNSUPPORTED, *WITHOUT_EFFECT, "profile", "granular", "x", "a.b"]
    + [
        key
        for struct in (*TABLES[Config].values(), *MAPS.values())
        for key in struct.__struct_fields__
    ]
)
VALUES = st.recursive(
    st.one_of(st.booleans(), st.integers(-5, 10**6), st.floats(), st.text(max_size=5))
    | st.sampled_from(["never", "untrusted", "on-failure", "chat", "trusted", "read-only", "low"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=6,
)


@given(
    user=st.dictionaries(KEYS, VALUES, max_size=4),
    project=st.dictionaries(KEYS, VALUES, max_size=4),
)
def test_any_document_loads_or_has_one_line(
    user: dict[str, object], project: dict[str, object]
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        home, root = Path(folder, "home"), Path(folder, "root")
        (root / ".quire").mkdir(parents=True)
        home.mkdir()
        projects = user.get("projects")
        user["projects"] = {
            **(projects if isinstance(projects, dict) else {}),
            str(root): {"trust_level": "trusted"},
        }
        (home / "config.toml").write_text(tomlkit.dumps(user))
        (root / ".quire" / "config.toml").write_text(tomlkit.dumps(project))
        sources = ConfigSources(home=str(home), cwd=str(root), system_file=f"{folder}/none")
        try:
            loaded = load(sources)
        except ConfigError as error:
            assert "\n" not in str(error)
        else:
            assert loaded.config.model_provider == user.get("model_provider")
            assert loaded.config.sandbox_mode != "danger-full-access" or (
                user.get("sandbox_mode") == "danger-full-access"
            )
            assert all("\n" not in warning for warning in loaded.warnings)
