"""The configured model providers as the app-server's `modelProvider/list` shows them."""

from __future__ import annotations

from collections.abc import Callable

from quire.config.load import LoadedConfig
from quire.config.overrides import write_path
from quire.config.schema import ModelProvider
from quire.protocol.rpc.models import (
    GatewayAuth,
    ModelProviderListResponse,
    ModelProviderSummary,
    ProviderSettings,
)

OPENAI = "openai"


class ProviderSummaries:
    """Implements `quire.server.calls.models.ProviderList`. `load` gives the configuration and
    may raise `ConfigError`."""

    def __init__(self, load: Callable[[], LoadedConfig]) -> None:
        self._load = load

    def providers(self) -> ModelProviderListResponse:
        """By ID; the built-in one is `openai`. No key, header or login is shown."""
        loaded = self._load()
        shown = {
            name: _summary(name, settings, loaded)
            for name, settings in loaded.config.model_providers.items()
        }
        builtin = ModelProviderSummary(
            id=OPENAI, name="OpenAI", can_edit=False, settings=ProviderSettings(type="openai")
        )
        shown.setdefault(OPENAI, builtin)
        return ModelProviderListResponse(
            data=tuple(shown[name] for name in sorted(shown)),
            default_provider_id=loaded.config.model_provider or OPENAI,
            can_change_default=_in_user_file(loaded, "model_provider"),
        )

    def needs_login(self) -> bool:
        """Whether the provider in use takes the key of `quire login`."""
        config = self._load().config
        chosen = config.model_provider or OPENAI
        settings = config.model_providers.get(chosen)
        return chosen == OPENAI if settings is None else settings.requires_openai_auth


def _summary(name: str, settings: ModelProvider, loaded: LoadedConfig) -> ModelProviderSummary:
    return ModelProviderSummary(
        id=name,
        name=settings.name or name,
        can_edit=_in_user_file(loaded, write_path(("model_providers", name))),
        base_url=_plain(settings.base_url),
        settings=ProviderSettings(type="customGateway", auth=_auth(settings)),
    )


def _auth(settings: ModelProvider) -> GatewayAuth:
    if settings.env_key is not None:
        return GatewayAuth(mode="environmentVariable", env_key=settings.env_key)
    if settings.experimental_bearer_token is not None or settings.requires_openai_auth:
        return GatewayAuth(mode="externallyConfigured", env_key=None)
    return GatewayAuth(mode="none")


def _plain(address: str | None) -> str | None:
    """An address that holds no login and no parameters; None for others."""
    if address is None or any(mark in address for mark in "@?#"):
        return None
    return address


def _in_user_file(loaded: LoadedConfig, key: str) -> bool:
    """Whether the file of the user decides about `key` and what is below it (also when nobody
    has set it yet)."""
    origins = [o for k, o in loaded.origins.items() if k == key or k.startswith(f"{key}.")]
    return all(origin.kind in ("user", "system") for origin in origins)
