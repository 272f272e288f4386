"""What the command line decided, and the settings that turns start from because of it."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING

from msgspec import Struct

from quire.app.choice import OFFLINE, ModelChoice, key_variables
from quire.config.load import LoadedConfig
from quire.config.schema import Config
from quire.core.errors import UsageError
from quire.models.provider import ProviderConfig
from quire.protocol.policy import SandboxMode, SandboxPolicy, TurnContext

if TYPE_CHECKING:
    from quire.tools.environment import EnvironmentPolicy


class SystemClock:
    """The clock of this machine."""

    def now(self) -> float:
        return time.time()

    def monotonic(self) -> float:
        return time.monotonic()


class Setup(Struct, frozen=True, kw_only=True):
    """What the command line decided before anything is built. Paths are absolute. `interactive`:
    there may be somebody who answers questions."""

    home: str
    cwd: str
    env: Mapping[str, str]
    loaded: LoadedConfig
    source: str = "exec"
    thread_source: str = "user"
    sandbox_layer: str | None = None
    ignore_rules: bool = False
    interactive: bool = False


def turn_context(setup: Setup, choice: ModelChoice) -> TurnContext:
    """The settings that turns start from."""
    config, cwd, info = setup.loaded.config, setup.cwd, choice.info
    summary = config.model_reasoning_summary or info.default_reasoning_summary
    verbosity = config.model_verbosity or info.default_verbosity
    context = TurnContext(
        cwd=cwd,
        model=info.slug,
        model_provider=choice.provider.id if choice.provider else OFFLINE,
        sandbox=sandbox_policy(setup.loaded, setup.interactive),
        approval_policy=config.approval_policy or ("on-request" if setup.interactive else "never"),
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
    required = setup.loaded.requirements
    return context if required is None else required.limited(context)


def sandbox_policy(loaded: LoadedConfig, interactive: bool = False) -> SandboxPolicy:
    """What commands may touch, as configured. Where nothing is and somebody can be asked, a
    trusted project may be written (row S4)."""
    config, profile = loaded.config, loaded.permissions
    write = config.sandbox_workspace_write
    trusted = interactive and loaded.trust == "trusted"
    default: SandboxMode = "workspace-write" if trusted else "read-only"
    return SandboxPolicy(
        mode=config.sandbox_mode or default,
        writable_roots=write.writable_roots,
        network_access=write.network_access,
        exclude_tmpdir_env_var=write.exclude_tmpdir_env_var,
        exclude_slash_tmp=write.exclude_slash_tmp,
        denied_reads=profile.denied_reads if profile else (),
    )


def environment_policy(config: Config, provider: ProviderConfig | None) -> EnvironmentPolicy:
    """What commands see of our environment. No key of the model is in it."""
    from quire.tools.environment import EnvironmentPolicy

    policy = config.shell_environment_policy
    return EnvironmentPolicy(
        inherit=policy.inherit,
        ignore_default_excludes=policy.ignore_default_excludes,
        exclude=policy.exclude,
        include_only=policy.include_only,
        set=policy.set,
        model_keys=key_variables(provider, config),
        allow_login=config.allow_login_shell,
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


def read_text(path: str, key: str) -> str:
    """A text file named in the configuration. Raises `UsageError`."""
    try:
        with open(path, encoding="utf-8") as file:
            return file.read()
    except (OSError, UnicodeDecodeError) as exc:
        reason = exc.strerror if isinstance(exc, OSError) else "it is not valid UTF-8"
        raise UsageError(f"config: {key}: cannot read {path}: {reason}") from None
