"""Where a model is served: the settings of one provider.

Names of the fields are the keys of `[model_providers.X]` (Codex 0.169, `config.toml`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from msgspec import Struct

OPENAI_BASE_URL = "https://api.openai.com/v1"


class ProviderConfig(Struct, frozen=True, kw_only=True):
    """One provider. Times are in milliseconds where the name says so, else in seconds.

    `env_key` names the variable that holds the key; `env_http_headers` maps header names to
    variables. `connect_timeout_s` is how long a missing connection is waited out (0: fail at
    once). `requires_openai_auth` takes the key from where the built-in provider takes it.
    """

    id: str
    name: str = ""
    base_url: str = OPENAI_BASE_URL
    env_key: str | None = None
    env_key_instructions: str | None = None
    http_headers: dict[str, str] = {}
    env_http_headers: dict[str, str] = {}
    query_params: dict[str, str] = {}
    request_max_retries: int = 4
    stream_max_retries: int = 5
    stream_idle_timeout_ms: int = 300_000
    connect_timeout_s: float = 300.0
    experimental_bearer_token: str | None = None
    requires_openai_auth: bool = False
    wire_api: Literal["responses"] = "responses"

    def __repr__(self) -> str:
        """Without headers, parameters and tokens: they may be secret."""
        return f"ProviderConfig(id={self.id!r}, base_url={self.base_url!r})"

    @property
    def label(self) -> str:
        """The name for people."""
        return self.name or self.id


def openai_provider(env: Mapping[str, str], base_url: str | None = None) -> ProviderConfig:
    """The built-in provider. `base_url` is the config's `openai_base_url`; `OPENAI_BASE_URL`
    comes before it."""
    return ProviderConfig(
        id="openai",
        name="OpenAI",
        base_url=env.get("OPENAI_BASE_URL") or base_url or OPENAI_BASE_URL,
        requires_openai_auth=True,
    )
