"""`model/list`, `modelProvider/list` and `account/*` over the files they read and write."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from msgspec import Raw, Struct

from quire.config.load import ConfigSources
from quire.config.providers import ProviderSummaries
from quire.config.store import ConfigStore
from quire.models.account import AccountKeys
from quire.models.listing import CatalogListing
from quire.protocol.rpc.account import LoginAccountParams
from quire.protocol.rpc.method import Notification
from quire.server.calls.account import AccountCalls
from quire.server.calls.models import ModelCalls
from quire.server.errors import RpcError
from tests.protocol_schema import check_message
from tests.unit.rpc_caller import ScriptedCaller

SECRET = "sk-a-secret-1234567"
PROVIDERS = """
model_provider = "mock"
[model_providers.mock]
name = "Mock"
base_url = "http://127.0.0.1:9/v1"
env_key = "MOCK_KEY"
[model_providers.o]
name = "O"
base_url = "http://user:pw@127.0.0.1:9/v1?key=1"
requires_openai_auth = true
[model_providers.b]
name = "B"
base_url = "http://127.0.0.1:9/v1"
experimental_bearer_token = "tok"
[model_providers.n]
name = "N"
"""
GOLDEN = json.loads((Path(__file__).parents[1] / "data" / "codex-0.169-settings.json").read_text())


class Client:
    """A caller that keeps what it is told."""

    name = "test"
    experimental = True

    def __init__(self) -> None:
        self.told: list[object] = []

    def notify(self, kind: Notification, params: Struct) -> None:
        told = {"method": kind.name, "params": msgspec.to_builtins(params)}
        check_message("server", told)
        self.told.append(told)

    def on_close(self, callback: object) -> None: ...

    def after_reply(self, callback: Callable[[], None]) -> None:
        callback()

    @property
    def client(self) -> ScriptedCaller:
        raise NotImplementedError


class Server:
    """The two namespaces over a home folder."""

    def __init__(self, home: Path, env: dict[str, str] | None = None) -> None:
        self.home = home
        sources = ConfigSources(home=str(home), cwd=str(home), system_file=str(home / "none.toml"))
        store = ConfigStore(sources)
        providers = ProviderSummaries(store.load)
        listing = CatalogListing(lambda: store.load().config.model_catalog_json, lambda: False)
        keys = AccountKeys(str(home), env or {}, providers.needs_login)
        calls = (ModelCalls(listing, providers), AccountCalls(keys))
        self.routes = {name: h for c in calls for name, h in c.routes().items()}
        self.client = Client()

    def call(self, method: str, **params: object) -> object:
        """The result, or the error as `{"code", "message"}`."""

        async def answer() -> object:
            try:
                raw = Raw(msgspec.json.encode(params))
                result = await self.routes[method](raw, self.client)
            except RpcError as error:
                return {"code": error.code, "message": str(error)}
            await asyncio.sleep(0)
            answer: object = json.loads(msgspec.json.encode(result))
            check_message("server", {"id": 1, "result": answer}, answers=method)
            return answer

        return asyncio.run(answer())


@pytest.fixture
def server(tmp_path: Path) -> Server:
    return Server(tmp_path)


def test_a_model_has_the_members_that_codex_sends(server: Server) -> None:
    answer = server.call("model/list", limit=1)
    assert isinstance(answer, dict)
    assert answer["nextCursor"] == "1"
    (theirs,), (ours,) = GOLDEN["model/list"]["data"], answer["data"]
    assert list(ours) == list(theirs)
    words = ("description", "availabilityNux", "multiAgentVersion", "serviceTiers")
    told = {k: v for k, v in theirs.items() if k not in (*words, "supportedReasoningEfforts")}
    assert {k: ours[k] for k in told} == told
    efforts = [e["reasoningEffort"] for e in theirs["supportedReasoningEfforts"]]
    assert [e["reasoningEffort"] for e in ours["supportedReasoningEfforts"]] == efforts
    assert ours["serviceTiers"][0].keys() == theirs["serviceTiers"][0].keys()


def test_pages_of_models(server: Server) -> None:
    everything = server.call("model/list", includeHidden=True)
    assert isinstance(everything, dict) and everything["nextCursor"] is None
    found: list[object] = []
    cursor: object = None
    while True:
        page = server.call("model/list", cursor=cursor, limit=5, includeHidden=True)
        assert isinstance(page, dict)
        found += page["data"]
        cursor = page["nextCursor"]
        if cursor is None:
            break
    assert found == everything["data"]
    shown = server.call("model/list")
    assert isinstance(shown, dict)
    assert shown["data"] == [m for m in everything["data"] if not m["hidden"]]
    assert [m["id"] for m in shown["data"] if m["isDefault"]] == ["gpt-6.1-sol"]
    assert shown["data"][-1]["id"] == "offline", "the embedded model can be chosen too"


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"cursor": "x"}, "invalid cursor: x"),
        ({"cursor": "99"}, "cursor 99 exceeds total models 10"),
        ({"limit": -1}, "Invalid request: invalid value: integer `-1`, expected u32"),
        (
            {"modelProvider": "nope"},
            (
                "This chat uses model provider \u201cnope\u201d, which is no longer configured. "
                "Restore this provider\u2019s configuration to continue."
            ),
        ),
    ],
)
def test_pages_that_do_not_exist(server: Server, params: dict[str, object], message: str) -> None:
    assert server.call("model/list", **params) == {"code": -32600, "message": message}


def test_providers_are_listed_as_codex_does(server: Server) -> None:
    (server.home / "config.toml").write_text(PROVIDERS)
    assert server.call("modelProvider/list") == GOLDEN["modelProvider/list"]
    (server.home / "config.toml").write_text("")
    answer = server.call("modelProvider/list")
    assert isinstance(answer, dict) and answer["defaultProviderId"] == "openai"


def test_a_key_comes_and_goes(server: Server) -> None:
    assert server.call("account/read") == GOLDEN["account/read"]
    assert server.call("account/login/start", type="apiKey", apiKey=SECRET) == {"type": "apiKey"}
    assert server.client.told == [
        {
            "method": "account/login/completed",
            "params": {
                "loginId": None,
                "success": True,
                "error": None,
                "onboardingEntrypoint": None,
            },
        },
        {"method": "account/updated", "params": {"authMode": "apikey", "planType": None}},
    ]
    file = server.home / "auth.json"
    assert json.loads(file.read_text())["OPENAI_API_KEY"] == SECRET
    assert file.stat().st_mode & 0o777 == 0o600
    read = server.call("account/read", refreshToken=True)
    assert read == {**GOLDEN["account/read"], "account": {"type": "apiKey"}}
    limits = server.call("account/rateLimits/read")
    assert limits == GOLDEN["account/rateLimits/read with a key"]
    server.client.told.clear()
    assert server.call("account/logout") == {}
    assert server.client.told == [
        {"method": "account/updated", "params": {"authMode": None, "planType": None}}
    ]
    assert not file.exists()
    assert server.call("account/logout") == {}
    assert server.call("account/rateLimits/read") == GOLDEN["account/rateLimits/read"]


def test_a_key_never_goes_out(server: Server) -> None:
    """Codex 0.169 answers `getAuthStatus` with the key itself."""
    server.call("account/login/start", type="apiKey", apiKey=SECRET)
    assert server.call("getAuthStatus", includeToken=True) == {
        "authMethod": "apikey",
        "authToken": None,
        "requiresOpenaiAuth": True,
    }
    assert SECRET not in repr(LoginAccountParams(type="apiKey", api_key=SECRET))


def test_keys_in_the_environment_count(tmp_path: Path) -> None:
    """Codex 0.169's app-server passes over them; Quire's requests use them."""
    server = Server(tmp_path, {"OPENAI_API_KEY": SECRET})
    answer = server.call("account/read")
    assert isinstance(answer, dict) and answer["account"] == {"type": "apiKey"}


def test_a_provider_of_its_own_needs_no_login(server: Server) -> None:
    (server.home / "config.toml").write_text(PROVIDERS)
    server.call("account/login/start", type="apiKey", apiKey=SECRET)
    answer = server.call("account/read")
    assert answer == {**GOLDEN["account/read"], "requiresOpenaiAuth": False}


@pytest.mark.parametrize("method", sorted(GOLDEN["errors"]))
def test_refusals_have_the_words_of_codex(server: Server, method: str) -> None:
    for params, error in GOLDEN["errors"][method]:
        assert server.call(method, **params) == error


@pytest.mark.parametrize("value", ["", "  ", "two words", "line\nbreak", "\u00e4"])
def test_what_is_no_key_is_not_kept(server: Server, value: str) -> None:
    """Codex 0.169 stores an empty one."""
    error = server.call("account/login/start", type="apiKey", apiKey=value)
    assert isinstance(error, dict) and error["code"] == -32600
    assert not (server.home / "auth.json").exists()
    assert server.client.told == []


@pytest.mark.parametrize("kind", ["chatgpt", "chatgptDeviceCode", "amazonBedrock"])
def test_other_logins_are_refused(server: Server, kind: str) -> None:
    error = server.call("account/login/start", type=kind, apiKey=SECRET)
    assert isinstance(error, dict) and error["message"].endswith("Use API key login instead.")


def test_a_login_that_cannot_be_stored_is_an_error(server: Server) -> None:
    (server.home / "auth.json").mkdir()
    error = server.call("account/login/start", type="apiKey", apiKey=SECRET)
    assert isinstance(error, dict) and error["code"] == -32603
    assert SECRET not in error["message"]
