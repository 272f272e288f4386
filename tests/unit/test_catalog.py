"""The model catalog: what is known, what is assumed, what the config changes."""

from __future__ import annotations

import time
from pathlib import Path

import msgspec
import pytest

from quire.core.errors import UsageError
from quire.models.catalog import DEFAULT_MODEL, Overrides, listed, load, lookup

UNKNOWN = (
    "Model metadata for `{}` not found. Defaulting to fallback metadata; "
    "this can degrade performance and cause issues."
)


def test_the_models_to_choose_from() -> None:
    assert [model.slug for model in listed()] == [
        "gpt-6.1-sol",
        "gpt-6-astra",
        "gpt-6-sol",
        "gpt-6-luna",
        "gpt-5.6-sol",
        "gpt-6.1-terra",
        "gpt-5.6-terra",
        "gpt-5.6-luna",
        "gpt-5.5",
    ]
    assert listed()[0].slug == DEFAULT_MODEL


def test_every_entry_is_sound() -> None:
    for model in load():
        efforts = [level.effort for level in model.supported_reasoning_levels]
        assert model.default_reasoning_level in efforts
        assert model.usable_window == model.context_window * 95 // 100
        assert model.patch_tool == "freeform"
        assert model.max_output_tokens == 10_000
        assert model.warning is None
        assert model.supports_parallel_tool_calls
        assert lookup(model.slug) == model


@pytest.mark.parametrize(
    ("slug", "entry"),
    [
        ("gpt-5.5", "GPT-5.5"),
        ("gpt-5.5-2026-01-01", "GPT-5.5"),
        ("gpt-5.6-sol-mini", "GPT-5.6-Sol"),
        ("acme/gpt-5.5", "GPT-5.5"),
        ("acme/gpt-6-luna-2", "GPT-6-Luna"),
    ],
)
def test_names_that_begin_with_a_known_one(slug: str, entry: str) -> None:
    found = lookup(slug)
    assert found.known
    assert (found.slug, found.display_name) == (slug, entry)


@pytest.mark.parametrize("slug", ["foo", "GPT-5.5", "gpt-5", "a/b/gpt-5.5", "", "acme/foo"])
def test_unknown_models_get_safe_defaults_and_a_warning(slug: str) -> None:
    found = lookup(slug)
    assert not found.known
    assert found.warning == UNKNOWN.format(slug)
    assert found.usable_window == 258_400
    assert found.patch_tool == "function"
    assert found.default_reasoning_level is None
    assert found.default_reasoning_summary == "auto"
    assert found.default_verbosity is None
    assert not found.support_verbosity


def test_the_config_overrides() -> None:
    found = lookup("gpt-5.6-sol", Overrides(model_context_window=500_000))
    assert found.context_window == 500_000
    assert lookup("gpt-5.5", Overrides(model_context_window=500_000)).context_window == 272_000
    assert lookup("foo", Overrides(model_context_window=8_000)).usable_window == 7_600
    assert lookup("foo", Overrides(tool_output_token_limit=99)).max_output_tokens == 99


def test_a_file_replaces_the_catalog(tmp_path: Path) -> None:
    path = tmp_path / "models.json"
    entry = {
        "slug": "own",
        "context_window": 1000,
        "truncation_policy": {"mode": "bytes", "limit": 400},
        "apply_patch_tool_type": None,
        "base_instructions": "not read",
    }
    path.write_bytes(msgspec.json.encode({"models": [entry], "more": 1}))
    overrides = Overrides(model_catalog_json=str(path))
    found = lookup("own-2", overrides)
    assert (found.known, found.usable_window, found.max_output_tokens) == (True, 950, 100)
    assert found.patch_tool == "function"
    assert not lookup("gpt-5.5", overrides).known


@pytest.mark.parametrize("text", ["", "[]", '{"models": [{}]}', '{"models": [{"slug": 1}]}'])
def test_a_damaged_file_is_one_clear_error(tmp_path: Path, text: str) -> None:
    path = tmp_path / "models.json"
    path.write_text(text)
    with pytest.raises(UsageError, match=r"^model_catalog_json: .*models\.json: "):
        lookup("own", Overrides(model_catalog_json=str(path)))


def test_a_missing_file_is_one_clear_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"^model_catalog_json: cannot read .*No such file"):
        load(str(tmp_path / "none.json"))


def test_a_lookup_is_cheap() -> None:
    times: list[float] = []
    for _ in range(20):
        start = time.process_time()
        lookup("gpt-5.5")
        times.append(time.process_time() - start)
    assert min(times) < 0.001
