"""How a call's arguments are read, and what the model is told of faults: as Codex 0.169 words it.

Each line of the data file is one answer of Codex to `arguments` of a `tool`.
"""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Struct

from quire.core.errors import ToolError
from quire.tools.argument_errors import explain
from quire.tools.base import decode_arguments, load_description
from quire.tools.exec_command import ExecArguments
from quire.tools.update_plan import UpdatePlanArgs
from quire.tools.view_image import ViewArguments
from quire.tools.write_stdin import WriteArguments
from tests.unit.patch_folder import load

TOOLS: dict[str, tuple[type[Struct], str]] = {
    "exec_command": (ExecArguments, "ToolEnvironmentArgs"),
    "write_stdin": (WriteArguments, "TerminalSessionArgs"),
    "view_image": (ViewArguments, "ToolEnvironmentArgs"),
    "update_plan": (UpdatePlanArgs, "UpdatePlanArgs"),
}
CASES = load("argument_errors.jsonl")


@pytest.mark.parametrize("case", CASES, ids=[str(n) for n in range(len(CASES))])
def test_faults_are_worded_as_by_codex(case: dict[str, Any]) -> None:
    struct_type, root = TOOLS[case["tool"]]
    with pytest.raises(ToolError) as caught:
        decode_arguments(struct_type, case["arguments"], root)
    assert str(caught.value) == case["error"]


def test_the_table_is_large() -> None:
    assert len(CASES) >= 100


def test_good_arguments_are_decoded_and_unknown_ones_ignored() -> None:
    text = '{"cmd":"ls","tty":true,"workdir":null,"more":[1,{"a":2}]}'
    assert decode_arguments(ExecArguments, text) == ExecArguments("ls", tty=True)


def test_text_that_is_no_unicode_is_a_fault_like_any_other() -> None:
    with pytest.raises(ToolError, match="failed to parse function arguments"):
        decode_arguments(ViewArguments, '{"path":"\ud800"}')


def test_very_deep_arguments_are_a_fault_like_any_other() -> None:
    with pytest.raises(ToolError, match="EOF while parsing a list at line 1 column 100005"):
        decode_arguments(ViewArguments, '{"x":' + "[" * 100_000)
    with pytest.raises(ToolError, match="missing field `path` at line 1 column 20006"):
        decode_arguments(ViewArguments, '{"x":' + "[" * 10_000 + "]" * 10_000 + "}")


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=8,
)
NAMES = st.sampled_from(["cmd", "tty", "workdir", "prefix_rule", "yield_time_ms", "other"])


@given(st.dictionaries(NAMES, VALUES), st.integers(0, 200), st.text(max_size=3))
def test_any_text_is_decoded_or_named(document: object, cut: int, junk: str) -> None:
    whole = json.dumps(document)
    for text in (whole, whole[:cut] + junk, whole[:cut] + junk + whole[cut:]):
        try:
            decode_arguments(ExecArguments, text)
        except ToolError as error:
            assert str(error).startswith("failed to parse function arguments: ")
        else:
            assert "cmd" in text


@given(st.dictionaries(NAMES, VALUES))
def test_what_can_be_decoded_has_no_fault(document: dict[str, object]) -> None:
    text = json.dumps({"cmd": "x", **document})
    try:
        decode_arguments(ExecArguments, text)
    except ToolError:
        assert explain(ExecArguments, text, "x") is not None or "NaN" in text or "inf" in text


def test_a_description_is_text_without_an_end_of_line() -> None:
    text = load_description("apply_patch")
    assert text and not text.endswith("\n")
