"""`model/list`, `modelProvider/list`, `modelProvider/capabilities/read`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from quire.protocol.rpc.method import Empty
from quire.protocol.rpc.models import (
    Model,
    ModelListParams,
    ModelListResponse,
    ModelProviderCapabilitiesReadResponse,
    ModelProviderListResponse,
)
from quire.server.calls.answered import usage_errors_answered
from quire.server.calls.pages import page
from quire.server.errors import InvalidRequest
from quire.server.routes import Caller, Routes, route


class ModelCatalog(Protocol):
    """The models to choose from."""

    def models(self) -> Sequence[Model]:
        """All of them, also the hidden ones, best first. Raises `UsageError` when the catalog
        named in the configuration cannot be read."""
        ...


class ProviderList(Protocol):
    """The configured providers."""

    def providers(self) -> ModelProviderListResponse:
        """Raises `UsageError` when the configuration cannot be read."""
        ...


class ModelCalls:
    """Answers about models and providers."""

    def __init__(self, catalog: ModelCatalog, providers: ProviderList) -> None:
        self._catalog = catalog
        self._providers = providers

    def routes(self) -> Routes:
        return {
            "model/list": route(ModelListParams, self.list_models),
            "modelProvider/list": route(Empty, self.list_providers),
            "modelProvider/capabilities/read": route(Empty, self.capabilities),
        }

    async def list_models(self, params: ModelListParams, caller: Caller) -> ModelListResponse:
        """A page of the list. Raises `InvalidRequest` for a cursor that no answer gave out and
        for a provider that is not configured."""
        if params.model_provider is not None:
            self._check_provider(params.model_provider)
        with usage_errors_answered():
            models = self._catalog.models()
        shown = [model for model in models if params.include_hidden or not model.hidden]
        data, cursor = page(shown, params.cursor, params.limit, "models")
        return ModelListResponse(data=data, next_cursor=cursor)

    async def list_providers(self, params: Empty, caller: Caller) -> ModelProviderListResponse:
        return self._listed()

    async def capabilities(
        self, params: Empty, caller: Caller
    ) -> ModelProviderCapabilitiesReadResponse:
        """Neither images nor web search are offered to models yet."""
        return ModelProviderCapabilitiesReadResponse(image_generation=False, web_search=False)

    def _listed(self) -> ModelProviderListResponse:
        with usage_errors_answered():
            return self._providers.providers()

    def _check_provider(self, name: str) -> None:
        if all(provider.id != name for provider in self._listed().data):
            raise InvalidRequest(
                f"This chat uses model provider \u201c{name}\u201d, which is no longer "
                "configured. Restore this provider\u2019s configuration to continue."
            )
