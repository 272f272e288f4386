"""Opens threads: new ones, stored ones, copies, with their ports wired out."""

from __future__ import annotations

import os
import time
from functools import partial
from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import replace

from quire.app.profile import Profile
from quire.app.setup import SystemClock, environment_policy
from quire.core.admit import Facts
from quire.core.gate import Gate
from quire.core.ports import Approver, CommandRules, Model, Permitter, Rollout
from quire.core.thread import Ports, Thread
from quire.protocol.local import (
    ThreadForkParams,
    ThreadInfo,
    ThreadResumeParams,
    ThreadStartParams,
)
from quire.protocol.policy import TurnContext
from quire.protocol.records import SessionMeta
from quire.rollout.ids import UuidSource
from quire.rollout.store import RolloutStore
from quire.server.threads import Opened

if TYPE_CHECKING:
    from quire.app import App
    from quire.protocol.items import Encoded, InputImage
    from quire.protocol.local import InputPart, ThreadSettings
    from quire.server.terminals import ThreadTerminals
    from quire.tools.base import Tool
    from quire.tools.command_shell import CommandShell
    from quire.tools.launch import LearningShell
    from quire.tools.sessions import Sessions


LOOKING = ("exec_command", "write_stdin", "view_image")
"""The tools of a thread that only looks."""


class Wired(Struct, frozen=True):
    """A thread, and what runs its commands."""

    thread: Thread
    sessions: Sessions
    shell: LearningShell


class Opener:
    """Implements `server.threads.ThreadOpener`. Without an `approver` nobody can be asked."""

    def __init__(self, app: App, approver: Approver | None = None, *, person: bool = True) -> None:
        """With `approver`, but without a `person` behind it, the model cannot ask anything."""
        self._app = app
        self._approver = approver
        self._person = person and approver is not None
        self._profile = app.profile
        self._home = app.setup.home
        self._env = app.setup.env
        self._clock = SystemClock()
        self._ids = UuidSource()
        self._store = RolloutStore(self._home)

    def new_id(self) -> str:
        return self._ids.new()

    def read_image(self, path: str) -> InputImage:
        from quire.tools.images import read_image

        return read_image(path)

    def start(self, params: ThreadStartParams) -> Opened:
        profile = self._under(params.settings)
        thread_id = self._ids.new()
        meta = self._meta(profile, thread_id, params.settings)
        if params.ephemeral:
            from quire.rollout.store import MemoryRollout

            wired, path = self._wire(profile, thread_id, MemoryRollout()), None
        else:
            rollout = self._store.create(thread_id)
            wired, path = self._wire(profile, thread_id, rollout), rollout.path
        wired.thread.record(meta)
        return self._opened(profile, wired, meta, path=path)

    def resume(self, params: ThreadResumeParams) -> Opened:
        return self._stored(params.thread_id, params.settings)

    def fork(self, params: ThreadForkParams) -> Opened:
        from quire.app.forks import first_left_out
        from quire.rollout.listing import require_rollout
        from quire.rollout.store import MemoryRollout

        source = require_rollout(self._home, params.thread_id)
        end = first_left_out(lambda: self._store.load(source).records, params)
        profile = self._under(params.settings)
        thread_id = self._ids.new()
        meta = self._meta(profile, thread_id, params.settings, params.thread_id)
        if not params.ephemeral:
            path = self._store.fork(source, meta)
            opened = self._stored(thread_id, params.settings)
            if end is not None:
                opened.thread.revert(end, self._store.load(path).records)
            return opened
        stored = self._store.load(source)
        wired = self._wire(profile, thread_id, MemoryRollout())
        base = stored.meta.base_instructions  # They are part of the history.
        meta = replace(meta, base_instructions=base)
        history = (each for each in stored.records if not isinstance(each, SessionMeta))
        records = (meta, *history)
        wired.thread.replay(records)
        wired.thread.recover()
        if end is not None:
            wired.thread.revert(end, records)
        return self._opened(profile, wired, meta, stored.warnings)

    def _stored(self, thread_id: str, settings: ThreadSettings | None) -> Opened:
        profile = self._under(settings)
        rollout, stored = self._store.resume(thread_id)
        try:
            wired = self._wire(profile, thread_id, rollout)
            wired.thread.replay(stored.records)
            wired.thread.recover()
            return self._opened(profile, wired, stored.meta, stored.warnings, rollout.path)
        except BaseException:
            rollout.close()  # What is wrong can be mended: nobody else holds its log then.
            raise

    def _reviewer(self, profile: Profile, context: TurnContext, instructions: str) -> Opened:
        """A thread for a review of what a thread under `profile` works on. Raises `UsageError`."""
        from quire.app.reviews import reviewer_settings

        flags = self._app.setup.loaded.sources.flags
        settings = reviewer_settings(profile.config, context, instructions, flags)
        return self._beside(profile, context, settings)

    def _judge(self, profile: Profile, context: TurnContext, instructions: str) -> Opened:
        """A thread for who decides about an action of one under `profile`. Raises `UsageError`."""
        from quire.app.reviews import judge_settings

        return self._beside(profile, context, judge_settings(context, instructions))

    def _beside(self, profile: Profile, context: TurnContext, settings: ThreadSettings) -> Opened:
        """A thread that only looks at what a thread under `context` works on. It keeps no log."""
        from quire.app.reviews import NothingAllowed, confined
        from quire.rollout.store import MemoryRollout

        changed = profile.under(settings)
        thread_id = self._ids.new()
        meta = self._meta(changed, thread_id, settings)
        rules = NothingAllowed(changed.rules())
        wired = self._wire(changed, thread_id, MemoryRollout(), rules)
        wired.thread.record(meta)
        opened = self._opened(changed, wired, meta)
        return replace(opened, context=confined(opened.context, context.sandbox, settings))

    def _under(self, settings: ThreadSettings | None) -> Profile:
        return self._profile if settings is None else self._profile.under(settings)

    def prompt_input(self, parts: tuple[InputPart, ...]) -> list[Encoded]:
        """The encoded items of a new thread's first request: context, and `parts` if there are
        any. Starts and stores nothing."""
        from quire.core.context import context_records
        from quire.protocol.items import Message, encode_item
        from quire.protocol.ops import UserTurn
        from quire.protocol.records import ItemAdded
        from quire.server.inputs import user_input

        context = self._profile.context
        words = user_input(parts, context.cwd, self.read_image)
        op = UserTurn(self._ids.new(), words, context, self._profile.sources)
        records = context_records(op, (), self._ids)
        items = [record.item.raw for record in records if isinstance(record, ItemAdded)]
        if parts:
            items.append(encode_item(Message("user", words.content, id=self._ids.new())).raw)
        return items

    def _wire(
        self,
        profile: Profile,
        thread_id: str,
        rollout: Rollout,
        rules: CommandRules | None = None,
    ) -> Wired:
        """With `rules` of its own, the thread only looks, and asks nobody."""
        from quire.tools.launch import LearningShell
        from quire.tools.registry import Registry
        from quire.tools.sessions import Sessions

        sandbox = self._app.sandbox
        sessions = Sessions(sandbox)
        shell = LearningShell(self._shell(profile, thread_id), sandbox)
        permits = self._permits(profile) if rules is None else None
        offered = self._tools(profile, sessions, shell, permits)
        if rules is not None:
            offered = [tool for tool in offered if tool.name in LOOKING]
        tools = Registry(offered, (shell, sessions))
        approver = self._approver if rules is None else None
        rules = rules or profile.rules()
        facts = Facts(judge=rules.judge, writable=self._writable)
        thread = Thread(
            Ports(
                model=self._model(profile),
                tools=tools,
                rollout=rollout,
                gate=Gate(facts, rules, approver, permits),
                clock=self._clock,
                ids=self._ids,
            )
        )
        return Wired(thread, sessions, shell)

    def _terminals(self, wired: Wired) -> ThreadTerminals:
        from quire.tools.terminals import Terminals

        return Terminals(wired.sessions, wired.shell, self._app.sandbox)

    def _model(self, profile: Profile) -> Model:
        choice = profile.choice
        if choice.provider is None:
            from quire.models.offline import OfflineModel

            return OfflineModel(profile.config.offline.max_seconds)
        from quire.models.responses import ResponsesModel

        return ResponsesModel(
            choice.provider,
            choice.key,
            env=self._env,
            ca_certificate=choice.ca_certificate,
            thread_source=self._app.setup.thread_source,
        )

    def _shell(self, profile: Profile, thread_id: str) -> CommandShell:
        from quire.tools.command_shell import CommandShell
        from quire.tools.shims import shim_folder

        config, home = profile.config, self._home
        return CommandShell(
            environment_policy(config, profile.choice.provider),
            self._env,
            thread_id,
            path_prefix=shim_folder(home),
            cache=os.path.join(home, "cache"),
        )

    def _permits(self, profile: Profile) -> Permitter | None:
        """None where the model cannot ask for more than its sandbox gives."""
        if not profile.config.features:
            return None
        from quire.app.permits import offered, permits_for

        if not offered(profile.config.features):
            return None
        required = profile.setup.loaded.requirements
        return permits_for(self._home, self._approver, self._app.sandbox.root, required)

    def _tools(
        self,
        profile: Profile,
        sessions: Sessions,
        shell: LearningShell,
        permits: Permitter | None,
    ) -> list[Tool]:
        from quire.tools.apply_patch import ApplyPatch
        from quire.tools.exec_command import ExecCommand
        from quire.tools.write_stdin import WriteStdin

        config, choice = profile.config, profile.choice
        named = permits is not None and config.features.get("exec_permission_approvals", False)
        login = config.allow_login_shell
        tools: list[Tool] = [
            ExecCommand(sessions, shell, allow_login=login, additional=named),
            WriteStdin(sessions, config.background_terminal_max_timeout),
            ApplyPatch(choice.info.patch_tool),
        ]
        if config.tools.view_image:
            from quire.tools.view_image import ViewImage

            tools.append(ViewImage())
        if self._person and self._approver is not None:
            from quire.tools.request_user_input import RequestUserInput

            always = config.features.get("default_mode_request_user_input", False)
            tools.append(RequestUserInput(self._approver, in_default_mode=always))
        if permits is not None and config.features.get("request_permissions_tool", False):
            from quire.tools.request_permissions import RequestPermissions

            tools.append(RequestPermissions(permits))
        if config.tools.update_plan.enabled:
            from quire.tools.update_plan import UpdatePlan

            tools.append(UpdatePlan())
        return tools

    def _writable(self, path: str, turn: TurnContext) -> bool:
        from quire.core.writable import writable
        from quire.sandbox.plan import HOME_FILES
        from quire.sandbox.repository import submodule_pointers
        from quire.tools.real_disk import RealDisk

        env, home = self._env, self._home
        person, root = env.get("HOME"), self._app.sandbox.root
        disk = RealDisk(home, person, HOME_FILES, root, submodule_pointers)
        return writable(path, turn, env.get("TMPDIR"), disk)

    def _meta(
        self,
        profile: Profile,
        thread_id: str,
        settings: ThreadSettings | None,
        forked_from: str | None = None,
    ) -> SessionMeta:
        from quire import __version__
        from quire.config.repository import git_info

        now = self._clock.now()
        stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(now))
        root, context = profile.setup.loaded.project_root, profile.context
        git = git_info(root) if root is not None else None
        originator = settings.originator if settings is not None else None
        override = self._env.get("CODEX_INTERNAL_ORIGINATOR_OVERRIDE")
        return SessionMeta(
            thread_id=thread_id,
            timestamp=f"{stamp}.{int(now * 1000) % 1000:03d}Z",
            cwd=profile.setup.cwd,
            originator=originator or override or "codex_exec",
            cli_version=__version__,
            source=profile.setup.source,
            model_provider=context.model_provider,
            base_instructions=profile.sources.base_instructions,
            workspace_roots=context.workspace_roots,
            forked_from=forked_from,
            git=git if git is not None and git.commit_hash is not None else None,
            context_window=context.context_window,
        )

    def _rule_faults(self, profile: Profile) -> tuple[str, ...]:
        """What is wrong with rule files, where somebody is there to read it; elsewhere a broken
        one ends the start."""
        if self._approver is None:
            return ()
        rules = profile.rules()
        return (*rules.problems, *rules.warnings)

    def _opened(
        self,
        profile: Profile,
        wired: Wired,
        meta: SessionMeta,
        warnings: tuple[str, ...] = (),
        path: str | None = None,
    ) -> Opened:
        context = profile.context
        active = profile.setup.loaded.permissions
        info = ThreadInfo(
            id=wired.thread.state.thread_id,
            cwd=context.cwd,
            model=context.model,
            model_provider=context.model_provider,
            approval_policy=context.approval_policy,
            sandbox=context.sandbox,
            permission_profile=(active.id, active.extends) if active else None,
            reasoning_effort=context.effort,
            path=path,
            forked_from_id=meta.forked_from,
            warnings=(*profile.warnings, *self._rule_faults(profile), *warnings),
        )
        return Opened(
            thread=wired.thread,
            info=info,
            context=context,
            meta=meta,
            base_instructions=meta.base_instructions or profile.sources.base_instructions,
            sources=profile.sources_for,
            revise=profile.revised,
            reviewer=partial(self._reviewer, profile),
            judge=partial(self._judge, profile),
            terminals=partial(self._terminals, wired),
            instruction_sources=profile.instruction_sources,
        )
