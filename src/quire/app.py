"""The composition root: the only file that knows every package.

Configuration in, a server with its ports wired out. Nothing is started before it is needed, but
the first sandbox, which is made ready while the rest is imported.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING

from msgspec import Struct

from quire.config.load import LoadedConfig
from quire.config.schema import Config, ModelProvider
from quire.core.errors import UsageError
from quire.models.auth import KEY_VARIABLES, Key, resolve_key
from quire.models.catalog import DEFAULT_MODEL, ModelInfo, Overrides, lookup
from quire.models.provider import ProviderConfig, openai_provider
from quire.protocol.policy import SandboxPolicy, TurnContext
from quire.sandbox.linux import LinuxSandbox

if TYPE_CHECKING:
    # asyncio comes with these, and must not before the sandbox is made ready.
    from quire.core.ports import Model, Rollout
    from quire.core.thread import Thread
    from quire.protocol.items import Encoded, InputImage
    from quire.protocol.ops import ContextSources
    from quire.protocol.records import SessionMeta
    from quire.protocol.local import (
        InputPart,
        ThreadForkParams,
        ThreadResumeParams,
        ThreadStartParams,
    )
    from quire.server.threads import Opened
    from quire.tools.base import Tool
    from quire.tools.command_shell import CommandShell
    from quire.tools.launch import LearningShell
    from quire.tools.sessions import Sessions

OFFLINE = "offline"


class SystemClock:
    """The clock of this machine."""

    def now(self) -> float:
        return time.time()

    def monotonic(self) -> float:
        return time.monotonic()


class ModelChoice(Struct, frozen=True):
    """The model that threads use: who serves it, with which key, and what is known of it.
    `provider` is None for the embedded offline model."""

    info: ModelInfo
    provider: ProviderConfig | None
    key: Key | None
    ca_certificate: str | None = None

    @property
    def needs_tls(self) -> bool:
        return self.provider is not None and self.provider.base_url.startswith("https:")


def choose_model(config: Config, env: Mapping[str, str], home: str) -> ModelChoice:
    """The embedded model runs with `-m offline`, or when nothing at all is configured: no model,
    no provider, no key. Raises `UsageError` when what is configured cannot be used."""
    overrides = Overrides(
        model_catalog_json=config.model_catalog_json,
        model_context_window=config.model_context_window,
        tool_output_token_limit=config.tool_output_token_limit,
    )
    if config.model == OFFLINE:
        return _offline_choice()
    provider_id = config.model_provider or "openai"
    settings = config.model_providers.get(provider_id)
    if settings is not None:
        provider = _configured_provider(provider_id, settings)
    elif provider_id == "openai":
        provider = openai_provider(env, config.openai_base_url)
    else:
        raise UsageError(
            f"Model provider `{provider_id}` not found: define [model_providers.{provider_id}] "
            "in config.toml or change model_provider"
        )
    key = resolve_key(provider, env, home)
    if key is None and provider.requires_openai_auth:
        named = config.model or config.model_provider or config.openai_base_url
        if named is None and "OPENAI_BASE_URL" not in env:
            return _offline_choice()
        raise UsageError(
            f"no API key for {provider.label}: set {KEY_VARIABLES[0]} (or {KEY_VARIABLES[2]}), run "
            "`quire login --with-api-key`, or use the embedded model with `-m offline`"
        )
    ca_certificate = settings.ca_certificate if settings is not None else None
    info = lookup(config.model or DEFAULT_MODEL, overrides)
    return ModelChoice(info, provider, key, ca_certificate)


def _offline_choice() -> ModelChoice:
    info = ModelInfo(slug=OFFLINE, display_name="Offline repair search")
    return ModelChoice(info, None, None)


def _configured_provider(provider_id: str, settings: ModelProvider) -> ProviderConfig:
    if settings.base_url is None:
        raise UsageError(
            f"config: [model_providers.{provider_id}] has no base_url: add the address up to, and "
            "without, /responses"
        )
    known = ProviderConfig(id=provider_id)
    retries, streams = settings.request_max_retries, settings.stream_max_retries
    idle, connect = settings.stream_idle_timeout_ms, settings.connect_timeout_s
    return ProviderConfig(
        id=provider_id,
        name=settings.name or provider_id,
        base_url=settings.base_url,
        env_key=settings.env_key,
        env_key_instructions=settings.env_key_instructions,
        http_headers=settings.http_headers,
        env_http_headers=settings.env_http_headers,
        query_params=settings.query_params,
        request_max_retries=known.request_max_retries if retries is None else retries,
        stream_max_retries=known.stream_max_retries if streams is None else streams,
        stream_idle_timeout_ms=known.stream_idle_timeout_ms if idle is None else idle,
        connect_timeout_s=known.connect_timeout_s if connect is None else connect,
        experimental_bearer_token=settings.experimental_bearer_token,
        requires_openai_auth=settings.requires_openai_auth,
    )


class Setup(Struct, frozen=True, kw_only=True):
    """What the command line decided before anything is built. Paths are absolute."""

    home: str
    cwd: str
    env: Mapping[str, str]
    loaded: LoadedConfig
    source: str = "exec"
    thread_source: str = "user"
    sandbox_layer: str | None = None


class App:
    """What all threads of a process share. Made before asyncio is imported; `opener` is not."""

    def __init__(self, setup: Setup, choice: ModelChoice) -> None:
        self.setup = setup
        self.choice = choice
        self.context = turn_context(setup, choice)
        self.sandbox = LinuxSandbox(setup.home, setup.sandbox_layer)

    def prewarm(self) -> None:
        """Make the first sandbox ready while the rest is imported. It also fixes where the
        writable roots lead, before any command can replace them."""
        if self.context.sandbox.mode != "danger-full-access":
            self.sandbox.prewarm(self.context.sandbox, self.setup.cwd)

    def opener(self) -> Opener:
        """Opens the threads of this process: `server.threads.ThreadOpener`."""
        return Opener(self)

    async def aclose(self) -> None:
        """End what threads share. Call after they are closed."""
        await self.sandbox.aclose()


class Opener:
    """Makes threads: new ones, stored ones, copies."""

    def __init__(self, app: App) -> None:
        from quire.rollout.ids import UuidSource
        from quire.rollout.store import RolloutStore

        self._app = app
        self._setup = app.setup
        self._config = app.setup.loaded.config
        self._clock = SystemClock()
        self._ids = UuidSource()
        self._store = RolloutStore(app.setup.home)
        self._sources, self._warnings = self._gather()

    def new_id(self) -> str:
        return self._ids.new()

    def read_image(self, path: str) -> InputImage:
        from quire.tools.images import read_image

        return read_image(path)

    def sources(self) -> ContextSources:
        return self._sources

    def start(self, params: ThreadStartParams) -> Opened:
        from quire.rollout.store import MemoryRollout

        thread_id = self._ids.new()
        rollout = MemoryRollout() if params.ephemeral else self._store.create(thread_id)
        thread = self._thread(thread_id, rollout)
        thread.record(self._meta(thread_id))
        return self._opened(thread, thread_id, self._sources.base_instructions)

    def resume(self, params: ThreadResumeParams) -> Opened:
        return self._stored(params.thread_id)

    def fork(self, params: ThreadForkParams) -> Opened:
        from quire.rollout.listing import require_rollout
        from quire.rollout.store import MemoryRollout

        source = require_rollout(self._setup.home, params.thread_id)
        thread_id = self._ids.new()
        meta = self._meta(thread_id, params.thread_id)
        if not params.ephemeral:
            self._store.fork(source, meta)
            return self._stored(thread_id)
        stored = self._store.load(source)
        thread = self._thread(thread_id, MemoryRollout())
        thread.replay((*stored.records, meta))
        thread.recover()
        base = stored.meta.base_instructions
        return self._opened(thread, thread_id, base, stored.warnings)

    def _stored(self, thread_id: str) -> Opened:
        rollout, stored = self._store.resume(thread_id)
        thread = self._thread(thread_id, rollout)
        thread.replay(stored.records)
        thread.recover()
        base = stored.meta.base_instructions
        return self._opened(thread, thread_id, base, stored.warnings)

    def prompt_input(self, parts: tuple[InputPart, ...]) -> list[Encoded]:
        """The encoded items of a new thread's first request: context, and `parts` if there are
        any. Starts and stores nothing."""
        from quire.core.context import context_records
        from quire.protocol.items import Message, encode_item
        from quire.protocol.ops import UserTurn
        from quire.protocol.records import ItemAdded
        from quire.server.inputs import user_input

        context = self._app.context
        words = user_input(parts, context.cwd, self.read_image)
        op = UserTurn(self._ids.new(), words, context, self._sources)
        records = context_records(op, (), self._ids)
        items = [record.item.raw for record in records if isinstance(record, ItemAdded)]
        if parts:
            items.append(encode_item(Message("user", words.content, id=self._ids.new())).raw)
        return items

    def _thread(self, thread_id: str, rollout: Rollout) -> Thread:
        from quire.config.forced_rm import has_forced_rm
        from quire.core.admit import Facts
        from quire.core.gate import Gate
        from quire.core.thread import Ports, Thread
        from quire.tools.launch import LearningShell
        from quire.tools.registry import Registry
        from quire.tools.sessions import Sessions

        sessions = Sessions(self._app.sandbox)
        shell = LearningShell(self._shell(thread_id), self._app.sandbox)
        return Thread(
            Ports(
                model=self._model(),
                tools=Registry(self._tools(sessions, shell), (shell, sessions)),
                rollout=rollout,
                gate=Gate(Facts(forced_rm=has_forced_rm, writable=self._writable)),
                clock=self._clock,
                ids=self._ids,
            )
        )

    def _model(self) -> Model:
        choice = self._app.choice
        if choice.provider is None:
            from quire.models.offline import OfflineModel

            return OfflineModel()
        from quire.models.responses import ResponsesModel

        return ResponsesModel(
            choice.provider,
            choice.key,
            env=self._setup.env,
            ca_certificate=choice.ca_certificate,
            thread_source=self._setup.thread_source,
        )

    def _shell(self, thread_id: str) -> CommandShell:
        from quire.tools.command_shell import CommandShell
        from quire.tools.environment import EnvironmentPolicy
        from quire.tools.shims import shim_folder

        config, home = self._config, self._setup.home
        policy = config.shell_environment_policy
        return CommandShell(
            EnvironmentPolicy(
                inherit=policy.inherit,
                ignore_default_excludes=policy.ignore_default_excludes,
                exclude=policy.exclude,
                include_only=policy.include_only,
                set=policy.set,
                model_keys=key_variables(self._app.choice.provider, config),
                allow_login=config.allow_login_shell,
            ),
            self._setup.env,
            thread_id,
            path_prefix=shim_folder(home),
            cache=os.path.join(home, "cache"),
        )

    def _tools(self, sessions: Sessions, shell: LearningShell) -> list[Tool]:
        from quire.tools.apply_patch import ApplyPatch
        from quire.tools.exec_command import ExecCommand
        from quire.tools.write_stdin import WriteStdin

        config, choice = self._config, self._app.choice
        tools: list[Tool] = [
            ExecCommand(sessions, shell, allow_login=config.allow_login_shell),
            WriteStdin(sessions, config.background_terminal_max_timeout),
            ApplyPatch(choice.info.patch_tool),
        ]
        if config.tools.view_image:
            from quire.tools.view_image import ViewImage

            tools.append(ViewImage())
        if config.tools.update_plan.enabled:
            from quire.tools.update_plan import UpdatePlan

            tools.append(UpdatePlan())
        return tools

    def _writable(self, path: str, turn: TurnContext) -> bool:
        from quire.core.writable import writable
        from quire.sandbox.plan import HOME_FILES
        from quire.sandbox.repository import submodule_pointers
        from quire.tools.real_disk import RealDisk

        env = self._setup.env
        home, person, root = self._setup.home, env.get("HOME"), self._app.sandbox.root
        disk = RealDisk(home, person, HOME_FILES, root, submodule_pointers)
        return writable(path, turn, env.get("TMPDIR"), disk)

    def _gather(self) -> tuple[ContextSources, tuple[str, ...]]:
        from quire.extend.agents_md import Limits, load_instructions
        from quire.extend.prompts import base_instructions
        from quire.protocol.ops import ContextSources

        config = self._config
        limits = Limits(config.project_doc_max_bytes, config.project_doc_fallback_filenames)
        root = self._setup.loaded.project_root
        found = load_instructions(self._setup.home, self._setup.cwd, root, limits)
        base = base_instructions()
        if config.model_instructions_file is not None:
            base = read_text(config.model_instructions_file, "model_instructions_file")
        sources = ContextSources(
            base_instructions=base,
            developer_instructions=config.developer_instructions,
            agents_md=found.text,
            current_date=time.strftime("%Y-%m-%d"),
            timezone=timezone_name(self._setup.env),
            tmpdir=self._setup.env.get("TMPDIR"),
        )
        warning = self._app.choice.info.warning
        return sources, (*found.warnings, *((warning,) if warning else ()))

    def _meta(self, thread_id: str, forked_from: str | None = None) -> SessionMeta:
        from quire import __version__
        from quire.config.repository import git_info
        from quire.protocol.records import SessionMeta

        now = self._clock.now()
        stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(now))
        root, context = self._setup.loaded.project_root, self._app.context
        return SessionMeta(
            thread_id=thread_id,
            timestamp=f"{stamp}.{int(now * 1000) % 1000:03d}Z",
            cwd=self._setup.cwd,
            originator=self._setup.env.get("CODEX_INTERNAL_ORIGINATOR_OVERRIDE", "codex_exec"),
            cli_version=__version__,
            source=self._setup.source,
            model_provider=context.model_provider,
            base_instructions=self._sources.base_instructions,
            workspace_roots=context.workspace_roots,
            forked_from=forked_from,
            git=git_info(root) if root is not None else None,
            context_window=context.context_window,
        )

    def _opened(
        self, thread: Thread, thread_id: str, base: str, warnings: tuple[str, ...] = ()
    ) -> Opened:
        from quire.protocol.local import ThreadInfo
        from quire.server.threads import Opened

        context = self._app.context
        info = ThreadInfo(
            id=thread_id,
            cwd=context.cwd,
            model=context.model,
            model_provider=context.model_provider,
            approval_policy=context.approval_policy,
            sandbox=context.sandbox,
            reasoning_effort=context.effort,
            warnings=(*self._warnings, *warnings),
        )
        return Opened(thread, info, context, base or self._sources.base_instructions)


def key_variables(provider: ProviderConfig | None, config: Config) -> tuple[str, ...]:
    """The variables that hold what only an endpoint may see, be it chosen or only configured."""
    names = [*KEY_VARIABLES]
    for one in (provider, *config.model_providers.values()):
        if one is not None:
            names += [name for name in (one.env_key, *one.env_http_headers.values()) if name]
    return tuple(names)


def read_text(path: str, key: str) -> str:
    """A text file named in the configuration. Raises `UsageError`."""
    try:
        with open(path, encoding="utf-8") as file:
            return file.read()
    except (OSError, UnicodeDecodeError) as exc:
        reason = exc.strerror if isinstance(exc, OSError) else "it is not valid UTF-8"
        raise UsageError(f"config: {key}: cannot read {path}: {reason}") from None


def turn_context(setup: Setup, choice: ModelChoice) -> TurnContext:
    """The settings that turns start from."""
    config, cwd, info = setup.loaded.config, setup.cwd, choice.info
    write = config.sandbox_workspace_write
    summary = config.model_reasoning_summary or info.default_reasoning_summary
    verbosity = config.model_verbosity or info.default_verbosity
    return TurnContext(
        cwd=cwd,
        model=info.slug,
        model_provider=choice.provider.id if choice.provider else OFFLINE,
        sandbox=SandboxPolicy(
            mode=config.sandbox_mode or "read-only",
            writable_roots=write.writable_roots,
            network_access=write.network_access,
            exclude_tmpdir_env_var=write.exclude_tmpdir_env_var,
            exclude_slash_tmp=write.exclude_slash_tmp,
        ),
        approval_policy=config.approval_policy or "never",
        approvals_reviewer=config.approvals_reviewer or "user",
        workspace_roots=(cwd,),
        effort=config.model_reasoning_effort or info.default_reasoning_level,
        summary=None if summary == "none" else summary,
        verbosity=verbosity if info.support_verbosity else None,
        service_tier=config.service_tier,
        context_window=info.usable_window,
        max_output_tokens=info.max_output_tokens,
        parallel_tool_calls=info.supports_parallel_tool_calls,
        shell=user_shell(setup.env),
    )


def user_shell(env: Mapping[str, str]) -> str:
    """The person's shell where commands can be run by it (bash, zsh, sh), else bash or sh."""
    wanted = env.get("SHELL", "")
    if wanted.rpartition("/")[2] in ("bash", "zsh", "sh") and os.access(wanted, os.X_OK):
        return wanted
    for path in ("/bin/bash", "/usr/bin/bash"):
        if os.access(path, os.X_OK):
            return path
    return "/bin/sh"


def timezone_name(env: Mapping[str, str]) -> str:
    """The IANA name of the local time zone, as far as this machine tells it."""
    if name := env.get("TZ", "").lstrip(":"):
        return name
    try:
        target = os.readlink("/etc/localtime")
        if "/zoneinfo/" in target:
            return target.partition("/zoneinfo/")[2]
    except OSError:
        pass
    try:
        with open("/etc/timezone", encoding="ascii") as file:
            return file.readline().strip() or "Etc/UTC"
    except (OSError, UnicodeDecodeError):
        return "Etc/UTC"
