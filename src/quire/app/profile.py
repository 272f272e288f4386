"""One folder under one configuration: what the threads that are opened there have in common."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

from msgspec.structs import replace

from quire.app.choice import ModelChoice, choose_model
from quire.app.setup import Setup, read_text, timezone_name, turn_context
from quire.config.load import load
from quire.config.repository import find_root

if TYPE_CHECKING:
    from quire.config.rules.rules import Rules
    from quire.protocol.local import ThreadSettings, TurnChanges
    from quire.protocol.ops import ContextSources
    from quire.protocol.policy import SandboxPolicy, TurnContext


class Profile:
    """`context` are the settings that its turns start from."""

    def __init__(self, setup: Setup, choice: ModelChoice) -> None:
        self.setup = setup
        self.choice = choice
        self.config = setup.loaded.config
        self.context = turn_context(setup, choice)
        self.instruction_sources: tuple[str, ...] = ()
        self._rules: Rules | None = None
        self._sources: ContextSources | None = None
        self._warnings: tuple[str, ...] = ()
        self._base: str | None = None
        self._told = False

    @property
    def sources(self) -> ContextSources:
        """What its turns are told besides the conversation. Raises `UsageError` when a text that
        the configuration names cannot be read."""
        if self._sources is None:
            self._sources = self._gather()
        return self._sources

    def sources_for(self, context: TurnContext) -> ContextSources:
        """What a turn that starts now under `context` is told: what changed on the disk since the
        last turn counts."""
        if self._told or context.cwd != self.setup.cwd:
            self._sources = self._gather(context.cwd)
        self._told = True
        return self.sources

    def rules(self) -> Rules:
        """The rules about commands that hold here; the same for all threads under it."""
        if self._rules is None:
            from quire.config.rules.rules import Rules, rules_for

            setup = self.setup
            ignored = Rules(setup.home, own=False) if setup.ignore_rules else None
            self._rules = ignored or rules_for(setup.loaded, setup.home, setup.cwd)
        return self._rules

    @property
    def warnings(self) -> tuple[str, ...]:
        """What a person should know about it."""
        if self._sources is None:
            self._sources = self._gather()
        return self._warnings

    def under(self, settings: ThreadSettings) -> Profile:
        """The profile for a thread with these settings. Raises `ConfigError` and `UsageError`."""
        setup = self.setup
        cwd = os.path.normpath(os.path.join(setup.cwd, settings.cwd or setup.cwd))
        flags = settings.flags()
        known = setup.loaded.sources  # Files change while a server runs: they are read again.
        loaded = load(replace(known, cwd=cwd, flags={**known.flags, **flags}, lenient=True))
        changed = replace(setup, cwd=cwd, loaded=loaded)
        choice = choose_model(loaded.config, setup.env, setup.home)
        profile = Profile(changed, choice)
        profile._base = settings.base_instructions
        if settings.workspace_roots:
            profile.context = replace(
                profile.context, workspace_roots=tuple(settings.workspace_roots)
            )
        return profile

    def revised(self, context: TurnContext, changes: TurnChanges) -> TurnContext:
        """The settings of a turn and of those after it. Raises `UsageError` for a model that
        cannot be used."""
        if changes.cwd is not None:
            cwd = os.path.normpath(os.path.join(context.cwd, changes.cwd))
            context = replace(context, cwd=cwd, workspace_roots=(cwd,))
        if changes.model is not None and changes.model != context.model:
            config = replace(self.config, model=changes.model)
            loaded = replace(self.setup.loaded, config=config)
            setup = replace(self.setup, loaded=loaded)
            fresh = turn_context(setup, choose_model(config, setup.env, setup.home))
            context = replace(
                fresh,
                cwd=context.cwd,
                workspace_roots=context.workspace_roots,
                sandbox=context.sandbox,
                approval_policy=context.approval_policy,
                approvals_reviewer=context.approvals_reviewer,
            )
        given = {
            "effort": changes.effort,
            "summary": changes.summary,
            "approval_policy": changes.approval_policy,
            "approvals_reviewer": changes.approvals_reviewer,
            "sandbox": changes.sandbox,
            "service_tier": changes.service_tier,
            "mode": changes.mode,
        }
        if changes.permissions is not None:
            given["sandbox"] = self._permitted(changes.permissions, context.cwd)
        elif changes.sandbox is not None:  # What a profile hides stays hidden.
            given["sandbox"] = self._allowed(
                replace(changes.sandbox, denied_reads=context.sandbox.denied_reads), context
            )
        revised = replace(context, **{k: v for k, v in given.items() if v is not None})
        required = self.setup.loaded.requirements
        return revised if required is None else required.limited(revised)

    def _allowed(self, wanted: SandboxPolicy, context: TurnContext) -> SandboxPolicy:
        """`wanted`, if it is in force already or may be chosen beside the permission profiles."""
        required = self.setup.loaded.requirements
        if required is None or wanted == context.sandbox or required.allows_mode(wanted.mode):
            return wanted
        return replace(wanted, mode="read-only")

    def _permitted(self, profile: str, cwd: str) -> SandboxPolicy:
        """What a permission profile allows. Raises `ConfigError` when there is none such."""
        known = self.setup.loaded.sources
        flags = {k: v for k, v in known.flags.items() if k != "sandbox_mode"}
        loaded = load(replace(known, cwd=cwd, flags={**flags, "default_permissions": profile}))
        return turn_context(replace(self.setup, cwd=cwd, loaded=loaded), self.choice).sandbox

    def _gather(self, cwd: str | None = None) -> ContextSources:
        from quire.extend.agents_md import Limits, load_instructions
        from quire.extend.prompts import base_instructions
        from quire.protocol.ops import ContextSources

        config, setup = self.config, self.setup
        limits = Limits(config.project_doc_max_bytes, config.project_doc_fallback_filenames)
        root = setup.loaded.project_root
        if cwd is not None and cwd != setup.cwd:
            root = find_root(cwd, config.project_root_markers)
        found = load_instructions(setup.home, cwd or setup.cwd, root, limits)
        self.instruction_sources = found.sources
        base = base_instructions() if self._base is None else self._base
        if self._base is None and config.model_instructions_file is not None:
            base = read_text(config.model_instructions_file, "model_instructions_file")
        warning = self.choice.info.warning
        self._warnings = (*found.warnings, *((warning,) if warning else ()))
        return ContextSources(
            base_instructions=base,
            developer_instructions=config.developer_instructions,
            agents_md=found.text,
            current_date=time.strftime("%Y-%m-%d"),
            timezone=timezone_name(setup.env),
            tmpdir=setup.env.get("TMPDIR"),
        )
