"""`model/*` and `modelProvider/*`: which models there are and who serves them."""

from __future__ import annotations

from typing import Literal

from msgspec import UNSET, Struct, UnsetType

from quire.protocol.policy import ReasoningEffort
from quire.protocol.rpc.method import Empty, Method
from quire.protocol.rpc.values import Limit


class ModelListParams(Struct, frozen=True, kw_only=True, rename="camel"):
    """`cursor` is the `nextCursor` of the answer before; `limit` counts models."""

    model_provider: str | None = None
    cursor: str | None = None
    limit: Limit | None = None
    include_hidden: bool | None = None


class ReasoningEffortOption(Struct, frozen=True, kw_only=True, rename="camel"):
    reasoning_effort: ReasoningEffort
    description: str


class ModelServiceTier(Struct, frozen=True, kw_only=True, rename="camel"):
    id: str
    name: str
    description: str


class ModelAvailabilityNux(Struct, frozen=True, kw_only=True, rename="camel"):
    message: str


class ModelUpgradeInfo(Struct, frozen=True, kw_only=True, rename="camel"):
    """`retirement_at` is in seconds since the epoch."""

    model: str
    upgrade_copy: str | None = None
    model_link: str | None = None
    migration_markdown: str | None = None
    retirement_at: int | None = None


class Model(Struct, frozen=True, kw_only=True, rename="camel"):
    """One model as a client offers it. `upgrade` names the model to move to."""

    id: str
    model: str
    upgrade: str | None = None
    upgrade_info: ModelUpgradeInfo | None = None
    availability_nux: ModelAvailabilityNux | None = None
    display_name: str
    description: str
    model_specialty: str | None = None
    hidden: bool
    supported_reasoning_efforts: tuple[ReasoningEffortOption, ...]
    default_reasoning_effort: ReasoningEffort
    input_modalities: tuple[str, ...]
    supports_personality: bool = False
    multi_agent_version: str | None = None
    additional_speed_tiers: tuple[str, ...] = ()
    service_tiers: tuple[ModelServiceTier, ...] = ()
    default_service_tier: str | None = None
    available_access_programs: None = None
    is_default: bool


class ModelListResponse(Struct, frozen=True, kw_only=True, rename="camel"):
    data: tuple[Model, ...]
    next_cursor: str | None = None


class GatewayAuth(Struct, frozen=True, kw_only=True, rename="camel"):
    """`env_key` names a variable, never its value; `none` has no such member."""

    mode: Literal["none", "environmentVariable", "externallyConfigured"]
    env_key: str | UnsetType | None = UNSET


class ProviderSettings(Struct, frozen=True, kw_only=True, rename="camel"):
    """`auth` is there for a `customGateway` only."""

    type: Literal["openai", "customGateway"]
    auth: GatewayAuth | UnsetType = UNSET


class ModelProviderSummary(Struct, frozen=True, kw_only=True, rename="camel"):
    """`base_url` is null when it is not set, or holds what must not be shown."""

    id: str
    name: str
    can_edit: bool
    base_url: str | None = None
    settings: ProviderSettings


class ModelProviderListResponse(Struct, frozen=True, kw_only=True, rename="camel"):
    data: tuple[ModelProviderSummary, ...]
    default_provider_id: str
    can_change_default: bool


class ModelProviderCapabilitiesReadResponse(Struct, frozen=True, kw_only=True, rename="camel"):
    image_generation: bool
    web_search: bool


METHODS: tuple[Method, ...] = (
    Method("model/list", ModelListParams, ModelListResponse),
    Method("modelProvider/list", Empty, ModelProviderListResponse),
    Method("modelProvider/capabilities/read", Empty, ModelProviderCapabilitiesReadResponse),
)
NOTIFICATIONS = ()
REQUESTS = ()
