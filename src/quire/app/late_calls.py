"""The namespaces of the app-server that turns do not need, each with what it needs."""

from __future__ import annotations

from msgspec.structs import replace

from quire.app import App
from quire.app.calls import Everyone, History, by_name
from quire.app.choice import OFFLINE, choose_model
from quire.app.setup import environment_policy, sandbox_policy
from quire.config.profile_list import ProfileList
from quire.config.providers import ProviderSummaries
from quire.config.settings import Settings
from quire.config.store import ConfigStore
from quire.core.errors import UsageError
from quire.models.account import AccountKeys
from quire.models.listing import CatalogListing
from quire.protocol.policy import SandboxPolicy
from quire.rollout.ids import UuidSource
from quire.server.calls.account import AccountCalls
from quire.server.calls.auto_review import AutoReviewCalls
from quire.server.calls.command import CommandCalls
from quire.server.calls.config import ConfigCalls
from quire.server.calls.fs import FsCalls
from quire.server.calls.git import GitCalls
from quire.server.calls.history import HistoryCalls
from quire.server.calls.models import ModelCalls
from quire.server.calls.occurrences import OccurrenceCalls
from quire.server.calls.permissions import PermissionCalls
from quire.server.calls.process import ProcessCalls
from quire.server.calls.queue import QueueCalls
from quire.server.calls.review import ReviewCalls
from quire.server.calls.search import SearchCalls
from quire.server.calls.server import ServerCalls
from quire.server.calls.stored_threads import StoredThreadCalls
from quire.server.calls.terminals import TerminalCalls
from quire.server.hubs import Hubs
from quire.server.routes import Routes
from quire.tools.environment import inherited
from quire.workspace.files import WorkspaceFiles
from quire.workspace.git import Git
from quire.workspace.remote_diff import RemoteDiffs
from quire.workspace.watch import InotifyWatcher


def compose_late(app: App, hubs: Hubs, everyone: Everyone, stored: History) -> Routes:
    """What is not needed to run turns."""
    setup = app.setup
    store = ConfigStore(setup.loaded.sources)
    library, histories = stored.library, stored.histories
    providers = ProviderSummaries(store.load)

    def offline() -> bool:
        config = store.load().config
        try:
            return choose_model(config, setup.env, setup.home).info.slug == OFFLINE
        except UsageError:  # Something else is configured; what it lacks is said when it is used.
            return False

    def environment() -> dict[str, str]:
        # The keys of all configured providers are kept from commands, whichever is in use.
        return inherited(environment_policy(store.load().config, None), setup.env)

    git = Git(app.sandbox, environment)
    calls = (
        StoredThreadCalls(hubs, library, histories, everyone.tell),
        HistoryCalls(hubs, library, histories),
        OccurrenceCalls(library),
        QueueCalls(hubs, library, stored.queues),
        TerminalCalls(hubs, UuidSource().new),
        AutoReviewCalls(hubs, everyone.overrule),
        ReviewCalls(hubs, app.reviews()),
        ModelCalls(
            CatalogListing(lambda: store.load().config.model_catalog_json, offline),
            providers,
        ),
        AccountCalls(AccountKeys(setup.home, setup.env, providers.needs_login), everyone.tell),
        ConfigCalls(Settings(store)),
        PermissionCalls(ProfileList(store.load)),
        FsCalls(InotifyWatcher()),
        CommandCalls(app.sandbox, environment, Permissions(store), setup.cwd),
        ProcessCalls(app.sandbox, environment),
        SearchCalls(WorkspaceFiles(git), setup.cwd),
        GitCalls(RemoteDiffs(git), setup.cwd),
        ServerCalls(hubs, everyone.in_flight, setup.cwd),
    )
    return by_name(calls)


class Permissions:
    """Implements `server.calls.command.Permissions`."""

    def __init__(self, store: ConfigStore) -> None:
        self._store = store

    def configured(self) -> SandboxPolicy:
        return sandbox_policy(self._store.load())

    def refused(self, policy: SandboxPolicy) -> str | None:
        required = self._store.load().requirements
        return None if required is None else required.refused_sandbox(policy.mode)

    def profile(self, name: str) -> SandboxPolicy:
        sources = self._store.sources
        flags = {**sources.flags, "default_permissions": name}
        return sandbox_policy(ConfigStore(replace(sources, flags=flags)).load())
