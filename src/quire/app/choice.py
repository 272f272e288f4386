"""Which model threads use, out of the configuration."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct

from quire.config.schema import Config, ModelProvider
from quire.core.errors import UsageError
from quire.models.auth import KEY_VARIABLES, Key, resolve_key
from quire.models.catalog import DEFAULT_MODEL, ModelInfo, Overrides, lookup
from quire.models.provider import ProviderConfig, openai_provider

OFFLINE = "offline"


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
        return offline_choice()
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
            return offline_choice()
        raise UsageError(
            f"no API key for {provider.label}: set {KEY_VARIABLES[0]} (or {KEY_VARIABLES[2]}), run "
            "`quire login --with-api-key`, or use the embedded model with `-m offline`"
        )
    ca_certificate = settings.ca_certificate if settings is not None else None
    info = lookup(config.model or DEFAULT_MODEL, overrides)
    return ModelChoice(info, provider, key, ca_certificate)


def offline_choice() -> ModelChoice:
    """The embedded model."""
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


def key_variables(provider: ProviderConfig | None, config: Config) -> tuple[str, ...]:
    """The variables that hold what only an endpoint may see, be it chosen or only configured."""
    names = [*KEY_VARIABLES]
    for one in (provider, *config.model_providers.values()):
        if one is not None:
            names += [name for name in (one.env_key, *one.env_http_headers.values()) if name]
    return tuple(names)
