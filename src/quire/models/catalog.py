"""What is known about models: the catalog, a data file, and the defaults for all others.

The file has the shape of Codex 0.169 (`model_catalog_json`, `debug models`), of which the members
below are read. Looking a model up reads the file once: under a millisecond.
"""

from __future__ import annotations

import os
from typing import Literal

import msgspec
from msgspec import Struct

from quire.core.errors import UsageError
from quire.protocol.policy import PatchTool, ReasoningEffort, ReasoningSummary, Verbosity

DEFAULT_MODEL = "gpt-6.1-sol"
CATALOG_FILE = os.path.join(os.path.dirname(__file__), "catalog.json")
_UNKNOWN_WARNING = (
    "Model metadata for `{slug}` not found. Defaulting to fallback metadata; "
    "this can degrade performance and cause issues."
)


class ReasoningLevel(Struct, frozen=True):
    effort: ReasoningEffort
    description: str = ""


class TruncationPolicy(Struct, frozen=True):
    """The budget for one tool output; a token is counted as 4 bytes."""

    mode: Literal["tokens", "bytes"] = "tokens"
    limit: int = 10_000


class ModelInfo(Struct, frozen=True, kw_only=True):
    """One model. Windows are in tokens. `known` is false for the defaults of a model that the
    catalog does not have."""

    slug: str
    display_name: str = ""
    description: str | None = None
    visibility: str = "list"
    priority: int = 99
    context_window: int = 272_000
    max_context_window: int | None = None
    effective_context_window_percent: int = 95
    apply_patch_tool_type: PatchTool | None = None
    default_reasoning_level: ReasoningEffort | None = None
    supported_reasoning_levels: tuple[ReasoningLevel, ...] = ()
    default_reasoning_summary: ReasoningSummary = "auto"
    support_verbosity: bool = False
    default_verbosity: Verbosity | None = None
    truncation_policy: TruncationPolicy = TruncationPolicy()
    supports_parallel_tool_calls: bool = True
    input_modalities: tuple[str, ...] = ("text", "image")
    known: bool = True

    @property
    def usable_window(self) -> int:
        """The part of the window that a thread may fill."""
        return self.context_window * self.effective_context_window_percent // 100

    @property
    def patch_tool(self) -> PatchTool:
        """The flavour of `apply_patch` to offer; models made without one get the function."""
        return self.apply_patch_tool_type or "function"

    @property
    def max_output_tokens(self) -> int:
        """The default budget for one tool output."""
        policy = self.truncation_policy
        return policy.limit if policy.mode == "tokens" else policy.limit // 4

    @property
    def warning(self) -> str | None:
        """What people should be told about this choice of model."""
        return None if self.known else _UNKNOWN_WARNING.format(slug=self.slug)


class Overrides(Struct, frozen=True, kw_only=True):
    """The config's say about models: `model_catalog_json` (a path) replaces the catalog,
    `model_context_window` and `tool_output_token_limit` replace the model's own."""

    model_catalog_json: str | None = None
    model_context_window: int | None = None
    tool_output_token_limit: int | None = None


class _File(Struct):
    models: tuple[ModelInfo, ...]


def lookup(slug: str, overrides: Overrides | None = None) -> ModelInfo:
    """What is known about a model, or safe defaults. A name matches the catalog entry it begins
    with (the longest); one prefix `maker/` is passed over. Raises `UsageError` when the file named
    in `overrides` cannot be used."""
    overrides = overrides or Overrides()
    models = load(overrides.model_catalog_json)
    info = _match(slug, models)
    if info is None and slug.count("/") == 1:
        info = _match(slug.partition("/")[2], models)
    if info is None:
        info = ModelInfo(slug=slug, display_name=slug, known=False)
    else:
        info = msgspec.structs.replace(info, slug=slug)
    return _overridden(info, overrides)


def listed(path: str | None = None) -> list[ModelInfo]:
    """The models to offer in a list, best first."""
    shown = [model for model in load(path) if model.visibility == "list"]
    return sorted(shown, key=lambda model: model.priority)


def load(path: str | None = None) -> tuple[ModelInfo, ...]:
    """All models of a catalog file; ours if `path` is None. Raises `UsageError`."""
    try:
        with open(os.path.expanduser(path) if path else CATALOG_FILE, "rb") as file:
            return msgspec.json.decode(file.read(), type=_File).models
    except OSError as exc:
        raise UsageError(f"model_catalog_json: cannot read {path}: {exc.strerror}") from None
    except msgspec.DecodeError as exc:
        raise UsageError(f"model_catalog_json: {path}: {exc}") from None


def _match(slug: str, models: tuple[ModelInfo, ...]) -> ModelInfo | None:
    found = [model for model in models if model.slug and slug.startswith(model.slug)]
    return max(found, key=lambda model: len(model.slug), default=None)


def _overridden(info: ModelInfo, overrides: Overrides) -> ModelInfo:
    if overrides.model_context_window is not None:
        window = overrides.model_context_window
        if info.max_context_window is not None:
            window = min(window, info.max_context_window)
        info = msgspec.structs.replace(info, context_window=window)
    if overrides.tool_output_token_limit is not None:
        policy = TruncationPolicy("tokens", overrides.tool_output_token_limit)
        info = msgspec.structs.replace(info, truncation_policy=policy)
    return info
