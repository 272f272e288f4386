"""`config/*` and `configRequirements/read` over real files: the shapes of Codex 0.169, and that
no write loses anything."""

from __future__ import annotations

import asyncio
import fcntl
import json
import os
import random
import threading
import tomllib
from hashlib import sha256
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import Raw

from quire.config.editing import Edit, EditError, apply, edited
from quire.config.load import ConfigSources
from quire.config.settings import Settings
from quire.config.store import ConfigStore
from quire.server.calls.config import ConfigCalls
from quire.server.errors import RpcError
from quire.server.routes import Routes
from tests.protocol_schema import check_message
from tests.unit.test_model_calls import Client

GOLDEN = json.loads((Path(__file__).parents[1] / "data" / "codex-0.169-config.json").read_text())
START = """# head
model = "gpt-5.5" # mine
approval_policy = "never"

[tools] # t
update_plan = { enabled = true }

# about x
[model_providers.x]
name = "X" # n
base_url = "http://u"
"""


def call(routes: Routes, method: str, **params: object) -> dict[str, object]:
    """The result as JSON gives it, or the error with its data."""

    async def answer() -> object:
        try:
            return await routes[method](Raw(msgspec.json.encode(params)), Client())
        except RpcError as error:
            data = {} if error.data is None else {"data": error.data}
            return {"code": error.code, **data, "message": str(error)}

    result: object = json.loads(msgspec.json.encode(asyncio.run(answer())))
    assert isinstance(result, dict)
    if "message" not in result:
        check_message("server", {"id": 1, "result": result}, answers=method)
    return result


class Server:
    """The namespace over a home folder, perhaps with options and requirements."""

    def __init__(
        self, home: Path, overrides: tuple[str, ...] = (), requirements: str | None = None
    ) -> None:
        self.home = home
        self.file = home / "config.toml"
        required = home / "requirements.toml"
        if requirements is not None:
            required.write_text(requirements)
        sources = ConfigSources(
            home=str(home),
            cwd=str(home),
            overrides=overrides,
            system_file="/etc/codex/config.toml.none",
            requirements_files=(str(required),),
        )
        self.routes = ConfigCalls(Settings(ConfigStore(sources))).routes()

    def call(self, method: str, **params: object) -> dict[str, object]:
        """The result, or the error with its data."""
        return call(self.routes, method, **params)

    def write(self, key: str, value: object, how: str = "replace") -> dict[str, object]:
        return self.call("config/value/write", keyPath=key, value=value, mergeStrategy=how)


@pytest.fixture
def server(tmp_path: Path) -> Server:
    made = Server(tmp_path)
    made.file.write_text(START)
    return made


def version(values: object) -> str:
    text = json.dumps(values, sort_keys=True, separators=(",", ":"))
    return f"sha256:{sha256(text.encode()).hexdigest()}"


def test_writes_leave_the_same_text_as_codex(server: Server) -> None:
    for key, value, how, text in GOLDEN["writes"]:
        answer = server.write(key, value, how)
        assert answer["status"] == "ok", answer
        assert server.file.read_text() == text
        assert answer == {
            "status": "ok",
            "version": version(tomllib.loads(text)),
            "filePath": str(server.file),
            "overriddenMetadata": None,
        }


def test_versions_are_those_of_codex(server: Server) -> None:
    for text, wanted in GOLDEN["versions"]:
        server.file.write_text(text)
        answer = server.call("config/batchWrite", edits=[])
        assert answer["version"] == wanted


@pytest.mark.parametrize("case", GOLDEN["refused"], ids=lambda case: f"{case[0]}={case[1]}"[:40])
def test_refusals_have_the_words_of_codex(server: Server, case: list[object]) -> None:
    key, value, error = case
    assert isinstance(key, str)
    assert server.write(key, value) == error
    assert server.file.read_text() == START


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("model", 3, "model: expected a string, got 3"),
        ("sandbox_mode", "nope", "sandbox_mode: expected read-only, workspace-write or danger"),
        ("model.sub", "x", "`model` is not a table"),
        ("approval_policy", {"granular": {"rules": True}}, "`sandbox_approval` is missing"),
        ("approval_policy", "untrusted", "no longer supported; remove this setting"),
    ],
)
def test_what_is_no_configuration_is_not_written(
    server: Server, key: str, value: object, words: str
) -> None:
    error = server.write(key, value)
    assert error["code"] == -32600
    assert error["data"] == {"config_write_error_code": "configValidationError"}
    assert words in str(error["message"]) and "\n" not in str(error["message"])
    assert server.file.read_text() == START


def test_a_batch_is_made_as_a_whole_or_not(server: Server) -> None:
    edits = [
        {"keyPath": "model", "value": "a", "mergeStrategy": "replace"},
        {"keyPath": "sandbox_mode", "value": 5, "mergeStrategy": "upsert"},
    ]
    assert "code" in server.call("config/batchWrite", edits=edits)
    assert server.file.read_text() == START
    edits[1]["value"] = "read-only"
    assert server.call("config/batchWrite", edits=edits)["status"] == "ok"
    values = tomllib.loads(server.file.read_text())
    assert (values["model"], values["sandbox_mode"]) == ("a", "read-only")


def test_an_old_version_is_a_conflict(server: Server) -> None:
    read = server.call("config/read", includeLayers=True)
    layers = read["layers"]
    assert isinstance(layers, list)
    known = layers[0]["version"]
    write = {"keyPath": "model", "value": "a", "mergeStrategy": "replace"}
    assert "code" not in server.call("config/value/write", **write, expectedVersion=known)
    again = server.call("config/value/write", **write, expectedVersion=known)
    assert again == GOLDEN["conflict"]


def test_only_the_users_file_is_written(server: Server, tmp_path: Path) -> None:
    write = {"keyPath": "model", "value": "a", "mergeStrategy": "replace"}
    other = tmp_path / "other.toml"
    assert server.call("config/value/write", **write, filePath=str(other)) == GOLDEN["readonly"]
    assert not other.exists()
    assert "code" not in server.call("config/value/write", **write, filePath=str(server.file))


def test_a_first_write_makes_the_file(tmp_path: Path) -> None:
    server = Server(tmp_path / "new")
    assert server.write("model", "other")["version"] == version({"model": "other"})
    assert server.file.read_text() == 'model = "other"\n'
    assert server.file.stat().st_mode & 0o777 == 0o600


def test_mode_and_links_stay(server: Server, tmp_path: Path) -> None:
    """Codex 0.169 makes every file 0600."""
    real = tmp_path / "dotfiles.toml"
    server.file.rename(real)
    real.chmod(0o640)
    server.file.symlink_to(real)
    answer = server.write("model", "a")
    assert answer["filePath"] == str(real)
    assert server.file.is_symlink() and real.stat().st_mode & 0o777 == 0o640
    assert sorted(os.listdir(tmp_path)) == ["config.toml", "dotfiles.toml"]


def test_a_comment_above_a_removed_key_stays(server: Server) -> None:
    """Codex 0.169 takes the head of the file away with its first key."""
    server.write("model", None)
    assert server.file.read_text() == START.replace('model = "gpt-5.5" # mine\n', "")


def test_a_broken_file_is_left_alone(server: Server) -> None:
    server.file.write_text(START + "broken = = 1\n")
    error = server.write("model", "a")
    assert error["code"] == -32603
    place = f"config: {server.file}: line 12, column 10"
    assert str(error["message"]).startswith(f"failed to load configuration: {place}")
    read = server.call("config/read")
    assert read["code"] == -32603
    assert str(read["message"]).startswith(f"failed to read configuration layers: {place}")
    assert server.file.read_text() == START + "broken = = 1\n"


def test_a_wrong_value_can_be_mended_by_a_write(server: Server) -> None:
    server.file.write_text('sandbox_mode = "nope"\n')
    assert server.write("sandbox_mode", "read-only")["status"] == "ok"


def test_writers_wait_for_each_other(server: Server, tmp_path: Path) -> None:
    lock = os.open(tmp_path, os.O_RDONLY)
    fcntl.flock(lock, fcntl.LOCK_EX)
    answers: list[object] = []
    names = [f"n{number}" for number in range(8)]

    def write(name: str) -> None:
        answers.append(server.write(f"projects.{name}.trust_level", "trusted")["status"])

    threads = [threading.Thread(target=write, args=(name,)) for name in names]
    for thread in threads:
        thread.start()
    assert not answers, "nobody writes while somebody else holds the lock"
    os.close(lock)
    for thread in threads:
        thread.join()
    assert set(tomllib.loads(server.file.read_text())["projects"]) == set(names)


def test_what_has_no_effect_is_said(tmp_path: Path) -> None:
    server = Server(tmp_path, overrides=("model=flag", "desktop.a=3"))
    flags = {
        "name": {"type": "sessionFlags"},
        "version": version({"model": "flag", "desktop": {"a": 3}}),
    }
    for key, value, effective in (("model", "other", "flag"), ("desktop.a", 5, 3)):
        answer = server.write(key, value)
        assert answer["status"] == "okOverridden"
        assert answer["overriddenMetadata"] == {
            "message": "Overridden by session flags",
            "overridingLayer": flags,
            "effectiveValue": effective,
        }
    assert server.write("model", "flag")["overriddenMetadata"] is None


def test_settings_are_read_with_their_origins(tmp_path: Path) -> None:
    server = Server(tmp_path, overrides=("model=flag",))
    project = tmp_path / "project"
    (project / ".git").mkdir(parents=True)
    (project / ".quire").mkdir()
    (project / ".quire" / "config.toml").write_text('model_verbosity = "low"\n')
    server.file.write_text(
        'model = "u"\nproject_root_markers = [".git", ".hg"]\n'
        f'[desktop]\nd = 2020-01-02T03:04:05Z\n[projects."{project}"]\ntrust_level = "trusted"\n'
    )
    answer = server.call("config/read", includeLayers=True, cwd=str(project))
    config, origins, layers = answer["config"], answer["origins"], answer["layers"]
    assert isinstance(config, dict) and isinstance(origins, dict) and isinstance(layers, list)
    assert set(GOLDEN["members"]) <= set(config)
    assert (config["model"], config["model_verbosity"]) == ("flag", "low")
    assert config["desktop"] == {"d": "2020-01-02T03:04:05Z"}
    assert config["tools"] is None and config["sandbox_workspace_write"] is None
    kinds = {key: origin["name"]["type"] for key, origin in origins.items()}
    assert kinds == {
        "model": "sessionFlags",
        "model_verbosity": "project",
        "project_root_markers.0": "user",
        "project_root_markers.1": "user",
        "desktop.d": "user",
        f"projects.{project}.trust_level": "user",
    }
    assert [layer["name"]["type"] for layer in layers] == [
        *("sessionFlags", "project", "user", "system")
    ]
    assert layers[1]["name"]["dotCodexFolder"] == str(project / ".quire")
    assert all(list(layer) == ["name", "version", "config", "disabledReason"] for layer in layers)
    assert all(layer["version"] == version(layer["config"]) for layer in layers)
    assert server.call("config/read")["layers"] is None


def test_trust_is_given_by_a_write_of_its_own(tmp_path: Path) -> None:
    """Codex 0.169 marks a project trusted when a thread starts in it with a writable sandbox."""
    server = Server(tmp_path, overrides=("sandbox_mode=danger-full-access",))
    project = tmp_path / "project"
    (project / ".git").mkdir(parents=True)
    (project / ".quire").mkdir()
    (project / ".quire" / "config.toml").write_text('model_verbosity = "low"\n')

    def verbosity() -> object:
        config = server.call("config/read", cwd=str(project))["config"]
        assert isinstance(config, dict)
        return config["model_verbosity"]

    assert verbosity() is None and not server.file.exists()
    server.write(f'projects."{project}".trust_level', "trusted")
    assert verbosity() == "low"


# --- requirements --------------------------------------------------------------------------

REQUIRED = """
allowed_approval_policies = ["on-request"]
allowed_sandbox_modes = ["read-only", "workspace-write"]
allowed_approvals_reviewers = ["user"]
allowed_web_search_modes = ["disabled"]
allow_login_shell = false
additional_developer_instructions = "be good"
[features]
goals = false
[models.new_thread]
model = "gpt-6-sol"
"""


def test_requirements_are_answered_as_codex_does(tmp_path: Path) -> None:
    assert Server(tmp_path).call("configRequirements/read") == GOLDEN["no requirements"]
    answer = Server(tmp_path, requirements=REQUIRED).call("configRequirements/read")
    wanted = GOLDEN["requirements"]
    wanted["requirements"]["allowedLoginMethods"] = ["api"]
    assert answer == wanted


def test_a_required_feature_cannot_be_written_otherwise(tmp_path: Path) -> None:
    server = Server(tmp_path, requirements=REQUIRED)
    error = server.write("features.goals", True)
    assert error["message"] == (
        "Invalid configuration: invalid value for `features`: `features.goals=true` is not in the "
        f"allowed set [goals=false] (set by {tmp_path}/requirements.toml)"
    )
    assert server.write("features.goals", False)["status"] == "ok"


# --- any file keeps what is not written ----------------------------------------------------

keys = st.sampled_from(["a", "b", "x y", "d.e", "model"])
scalars = (
    st.integers(-5, 5)
    | st.booleans()
    | st.text('ab"\n#', max_size=3)
    | st.floats(allow_nan=False, allow_infinity=False)
)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(keys, inner, max_size=3),
    max_leaves=6,
)
edit_lists = st.lists(
    st.builds(
        Edit,
        path=st.lists(keys, min_size=1, max_size=3).map(tuple),
        value=st.none() | values,
        merge=st.booleans(),
    ),
    min_size=1,
    max_size=2,
).map(tuple)


def written(key: str) -> str:
    return json.dumps(key)


def inline(value: object) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{written(k)} = {inline(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list):
        return f"[{', '.join(map(inline, value))}]"
    return json.dumps(value) if not isinstance(value, float) else repr(float(value))


def rendered(table: dict[str, object], path: tuple[str, ...], chance: random.Random) -> list[str]:
    """The lines of a file with this table, a comment above and behind each key; tables inline or
    with headers."""
    lines: list[str] = []
    below: list[str] = []
    for key, value in table.items():
        here = (*path, key)
        if isinstance(value, dict) and chance.random() < 0.7:
            below += ["", f"[{'.'.join(map(written, here))}] # table {'/'.join(here)}"]
            below += rendered(value, here, chance)
        else:
            lines += [f"# above {'/'.join(here)}", f"{written(key)} = {inline(value)} # behind"]
    return lines + below


@settings(max_examples=200, deadline=None)
@given(st.dictionaries(keys, values, max_size=5), edit_lists, st.integers(0, 99))
def test_an_edit_changes_what_it_says_and_no_comment(
    table: dict[str, object], edits: tuple[Edit, ...], seed: int
) -> None:
    before = "\n".join(rendered(table, (), random.Random(seed))) + "\n"
    values_before = tomllib.loads(before)
    try:
        wanted = apply(values_before, edits)
    except EditError:
        return
    after = edited(before.encode(), edits, "file").decode()
    assert pruned(tomllib.loads(after)) == pruned(wanted)
    touched = {edit.path[0] for edit in edits}
    for line in before.splitlines():
        place = line.removeprefix("# above ")
        if place != line and place.split("/")[0] not in touched:
            assert line in after.splitlines()


def pruned(table: dict[str, object]) -> dict[str, object]:
    inner = {k: pruned(v) if isinstance(v, dict) else v for k, v in table.items()}
    return {k: v for k, v in inner.items() if v != {}}
