"""What clients are told about parameters that are wrong."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw

from quire.protocol.rpc.catalog import METHODS
from quire.protocol.rpc.method import Empty
from quire.server.errors import InvalidRequest
from quire.server.routes import decode_params
from tests.protocol_schema import PEER

HEARD = Path(PEER).parent / "codex_0_169_faults.jsonl"
PARAMS = {method.name: method.params for method in METHODS}
ROWS = [json.loads(line) for line in HEARD.read_text("utf-8").splitlines()]

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner),
    max_leaves=6,
)
member_names = st.sampled_from(
    sorted({name for kind in PARAMS.values() for name in kind.__struct_encode_fields__})
)


def told(method: str, params: bytes) -> str | None:
    try:
        decode_params(PARAMS[method], Raw(params))
    except InvalidRequest as exc:
        return str(exc)
    return None


@pytest.mark.parametrize("method", sorted({row[0] for row in ROWS}))
def test_in_the_words_of_the_peer(method: str) -> None:
    for name, params, words in ROWS:
        if name == method:
            assert told(method, json.dumps(params).encode()) == f"Invalid request: {words}", params


@pytest.mark.parametrize("given", [b"", b"null"])
def test_parameters_may_be_left_out_only_where_there_are_none(given: bytes) -> None:
    for method, kind in PARAMS.items():
        expected = None if kind is Empty else "Invalid request: missing field `params`"
        assert told(method, given) == expected, method


@given(st.sampled_from(sorted(PARAMS)), st.dictionaries(member_names, json_values, max_size=4))
def test_every_fault_has_words(method: str, params: dict[str, object]) -> None:
    words = told(method, msgspec.json.encode(params))
    if words is not None:
        assert words.startswith("Invalid request: ")
        assert " - at `$" not in words, words


@pytest.mark.parametrize(
    ("params", "words"),
    [
        (b'{"threadId": "a\\"\\n"', "Input data was truncated"),
        (b'{"threadId": "\xff", "name": 1}', "invalid"),
    ],
)
def test_what_is_no_json(params: bytes, words: str) -> None:
    assert words in (told("thread/name/set", params) or "")
