"""What a session may do, and which model works in it, as a client offers them."""

from __future__ import annotations

from acp.schema import (
    SessionConfigOptionBoolean,
    SessionConfigOptionSelect,
    SessionConfigSelectOption,
    SessionMode,
    SessionModeState,
)
from msgspec import Struct

from quire.client.options import TurnOptions
from quire.protocol.rpc.models import Model
from quire.protocol.rpc.thread import ThreadStartResponse
from quire.protocol.rpc.values import (
    DangerFullAccessSandboxPolicy,
    ReadOnlySandboxPolicy,
    SandboxPolicy,
    WorkspaceWriteSandboxPolicy,
)

READ_ONLY, WORKSPACE, FULL = "read-only", "workspace-write", "full-access"
MODES = (
    SessionMode(
        id=READ_ONLY,
        name="Read only",
        description="Reads anything; every change and the network are asked about",
    ),
    SessionMode(
        id=WORKSPACE,
        name="Workspace",
        description="Changes files of the workspace; asks before going beyond it",
    ),
    SessionMode(
        id=FULL,
        name="Full access",
        description="Runs everything without a sandbox and without asking",
    ),
)
MODE, MODEL, EFFORT = "mode", "model", "thought_level"

Options = list[SessionConfigOptionSelect | SessionConfigOptionBoolean]


class Settings(Struct, kw_only=True):
    """What turns of a session start with. What was not chosen is None and stays as it is."""

    first: ThreadStartResponse
    mode: str
    model: str
    effort: str | None
    mode_chosen: bool = False
    model_chosen: bool = False
    effort_chosen: bool = False

    def turn(self) -> TurnOptions:
        """The options of the next turn."""
        options = TurnOptions()
        if self.mode_chosen:
            options["sandbox"] = self._sandbox()
            options["approval_policy"] = "never" if self.mode == FULL else "on-request"
        if self.model_chosen:
            options["model"] = self.model
        if self.effort_chosen and self.effort is not None:
            options["effort"] = self.effort
        return options

    def _sandbox(self) -> SandboxPolicy:
        """Back in the mode that the session began with, its writable folders are as configured."""
        if self.mode == mode_of(self.first):
            return self.first.sandbox
        if self.mode == READ_ONLY:
            return ReadOnlySandboxPolicy()
        return WorkspaceWriteSandboxPolicy() if self.mode == WORKSPACE else _FULL_ACCESS


_FULL_ACCESS = DangerFullAccessSandboxPolicy()


def settings(info: ThreadStartResponse) -> Settings:
    """Those that a session begins with."""
    return Settings(first=info, mode=mode_of(info), model=info.model, effort=info.reasoning_effort)


def mode_of(info: ThreadStartResponse) -> str:
    match info.sandbox:
        case ReadOnlySandboxPolicy():
            return READ_ONLY
        case WorkspaceWriteSandboxPolicy():
            return WORKSPACE
        case _:
            return FULL


def mode_state(chosen: Settings) -> SessionModeState:
    return SessionModeState(current_mode_id=chosen.mode, available_modes=list(MODES))


def config_options(chosen: Settings, models: tuple[Model, ...]) -> Options:
    """The mode again, the model, and how long it thinks."""
    known = [SessionConfigSelectOption(value=m.model, name=m.display_name) for m in models]
    if chosen.model not in [option.value for option in known]:
        known.insert(0, SessionConfigSelectOption(value=chosen.model, name=chosen.model))
    modes = [SessionConfigSelectOption(value=mode.id, name=mode.name) for mode in MODES]
    found: Options = [
        SessionConfigOptionSelect(
            type="select",
            id=MODE,
            name="Mode",
            category="mode",
            current_value=chosen.mode,
            options=modes,
        ),
        SessionConfigOptionSelect(
            type="select",
            id=MODEL,
            name="Model",
            category="model",
            current_value=chosen.model,
            options=known,
        ),
    ]
    efforts = _efforts(chosen, models)
    if efforts and chosen.effort is not None:
        found.append(
            SessionConfigOptionSelect(
                type="select",
                id=EFFORT,
                name="Thinking",
                category="thought_level",
                current_value=chosen.effort,
                options=efforts,
            )
        )
    return found


def choose(chosen: Settings, option: str, value: str, models: tuple[Model, ...]) -> str | None:
    """Change one option; what is wrong with it, None when it is done."""
    allowed = {
        MODE: [mode.id for mode in MODES],
        MODEL: [model.model for model in models],
        EFFORT: [effort.value for effort in _efforts(chosen, models)],
    }
    if option not in allowed:
        return f"there is no option {option!r}"
    if value not in allowed[option]:
        return f"{option}: {value!r} is none of {', '.join(allowed[option])}"
    if option == MODE:
        chosen.mode, chosen.mode_chosen = value, True
    elif option == EFFORT:
        chosen.effort, chosen.effort_chosen = value, True
    else:
        _choose_model(chosen, value, models)
    return None


def _choose_model(chosen: Settings, name: str, models: tuple[Model, ...]) -> None:
    """The effort follows where the new model does not know the one in force."""
    chosen.model, chosen.model_chosen = name, True
    known = [effort.value for effort in _efforts(chosen, models)]
    if known and chosen.effort not in known:
        default = next(m.default_reasoning_effort for m in models if m.model == name)
        chosen.effort, chosen.effort_chosen = default, True


def _efforts(chosen: Settings, models: tuple[Model, ...]) -> list[SessionConfigSelectOption]:
    for model in models:
        if model.model == chosen.model:
            return [
                SessionConfigSelectOption(
                    value=effort.reasoning_effort,
                    name=effort.reasoning_effort.capitalize(),
                    description=effort.description or None,
                )
                for effort in model.supported_reasoning_efforts
            ]
    return []
