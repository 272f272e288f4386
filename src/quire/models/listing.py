"""The catalog as the app-server's `model/list` shows it."""

from __future__ import annotations

import os
from collections.abc import Callable

import msgspec
from msgspec import Struct

from quire.core.errors import UsageError
from quire.models.catalog import CATALOG_FILE, DEFAULT_MODEL, ModelInfo
from quire.protocol.policy import ReasoningEffort
from quire.protocol.rpc.models import (
    Model,
    ModelAvailabilityNux,
    ModelServiceTier,
    ModelUpgradeInfo,
    ReasoningEffortOption,
)

_EFFORTS: dict[ReasoningEffort, str] = {
    "none": "Answers at once",
    "minimal": "Thinks as little as possible",
    "low": "Quick answers, light thinking",
    "medium": "Thinks as long as everyday tasks need",
    "high": "Thinks longer about hard problems",
    "xhigh": "Thinks much longer about hard problems",
    "max": "Thinks as long as it can",
    "ultra": "Thinks as long as it can and splits the work",
    "persistent": "Keeps at a task until it is done",
}
_OFFLINE = Model(
    id="offline",
    model="offline",
    display_name="Offline repair search",
    description="Repairs failing tests on this machine, without a network or a key.",
    hidden=False,
    supported_reasoning_efforts=(
        ReasoningEffortOption(reasoning_effort="none", description=_EFFORTS["none"]),
    ),
    default_reasoning_effort="none",
    input_modalities=("text",),
    is_default=False,
)


class _Tier(Struct, frozen=True):
    id: str
    name: str = ""
    description: str = ""


class _Upgrade(Struct, frozen=True):
    model: str
    migration_markdown: str | None = None


class _Nux(Struct, frozen=True):
    message: str


class _Entry(ModelInfo, frozen=True, kw_only=True):
    """What a list shows beyond what a turn needs."""

    service_tiers: tuple[_Tier, ...] = ()
    additional_speed_tiers: tuple[str, ...] = ()
    default_service_tier: str | None = None
    upgrade: _Upgrade | None = None
    availability_nux: _Nux | None = None
    model_specialty: str | None = None
    multi_agent_version: str | None = None


class _File(Struct):
    models: tuple[_Entry, ...]


class CatalogListing:
    """Implements `quire.server.calls.models.ModelCatalog`. `path` gives the configured
    `model_catalog_json`, `offline` whether the embedded model is what turns use now."""

    def __init__(self, path: Callable[[], str | None], offline: Callable[[], bool]) -> None:
        self._path = path
        self._offline = offline

    def models(self) -> tuple[Model, ...]:
        """Best first; the embedded model stands last. Raises `UsageError`."""
        entries = sorted(_load(self._path()), key=lambda entry: entry.priority)
        offline = self._offline()
        default = next((e.slug for e in entries if e.slug == DEFAULT_MODEL), None)
        if default is None:
            default = next((e.slug for e in entries if e.visibility == "list"), None)
        shown = [_shown(e, default=not offline and e.slug == default) for e in entries]
        return (*shown, msgspec.structs.replace(_OFFLINE, is_default=offline))


def _load(path: str | None) -> tuple[_Entry, ...]:
    try:
        with open(os.path.expanduser(path) if path else CATALOG_FILE, "rb") as file:
            return msgspec.json.decode(file.read(), type=_File).models
    except OSError as exc:
        raise UsageError(f"model_catalog_json: cannot read {path}: {exc.strerror}") from None
    except (msgspec.DecodeError, UnicodeDecodeError) as exc:
        raise UsageError(f"model_catalog_json: {path}: {exc}") from None


def _shown(entry: _Entry, *, default: bool) -> Model:
    upgrade, nux = entry.upgrade, entry.availability_nux
    return Model(
        id=entry.slug,
        model=entry.slug,
        upgrade=upgrade.model if upgrade else None,
        upgrade_info=ModelUpgradeInfo(
            model=upgrade.model, migration_markdown=upgrade.migration_markdown
        )
        if upgrade
        else None,
        availability_nux=ModelAvailabilityNux(message=nux.message) if nux else None,
        display_name=entry.display_name or entry.slug,
        description=entry.description or "",
        model_specialty=entry.model_specialty,
        hidden=entry.visibility != "list",
        supported_reasoning_efforts=tuple(
            ReasoningEffortOption(
                reasoning_effort=level.effort,
                description=level.description or _EFFORTS[level.effort],
            )
            for level in entry.supported_reasoning_levels
        ),
        default_reasoning_effort=entry.default_reasoning_level or "none",
        input_modalities=entry.input_modalities,
        multi_agent_version=entry.multi_agent_version,
        additional_speed_tiers=entry.additional_speed_tiers,
        service_tiers=tuple(
            ModelServiceTier(id=t.id, name=t.name, description=t.description)
            for t in entry.service_tiers
        ),
        default_service_tier=entry.default_service_tier,
        is_default=default,
    )
