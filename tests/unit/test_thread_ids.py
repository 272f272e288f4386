"""Ids of threads in every form, and what is none."""

from __future__ import annotations

import json
import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quire.protocol.rpc.thread import ThreadReadParams, ThreadResumeParams
from quire.server.errors import InvalidRequest
from quire.server.thread_ids import canonical, with_thread_id

ID = "01a1f929-a04b-7532-81c5-b8d0bff3f0e3"
CHARACTER = "invalid character: expected an optional prefix of `urn:uuid:` followed by [0-9a-fA-F-]"


def read(text: str) -> str:
    raw = json.dumps({"threadId": text}).encode()
    return with_thread_id(ThreadReadParams(thread_id=text), raw).thread_id


@pytest.mark.parametrize(
    "text", [ID, ID.upper(), ID.replace("-", ""), f"{{{ID}}}", f"urn:uuid:{ID}"]
)
def test_every_form(text: str) -> None:
    assert read(text) == ID


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("bogus", f"{CHARACTER}, found `o` at 2"),
        ("/nowhere", f"{CHARACTER}, found `/` at 1"),
        ("é", f"{CHARACTER}, found `é` at 1"),
        ("", "invalid length: expected length 32 for simple format, found 0"),
        ("123", "invalid length: expected length 32 for simple format, found 3"),
        (ID[:-1], "invalid group length in group 4: expected 12, found 11"),
        ("01a1f929-a04b-7532-81c5b8d0bff3f0e31", "invalid group count: expected 5, found 4"),
    ],
)
def test_what_is_none_in_the_words_of_the_peer(text: str, fault: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        read(text)
    assert str(caught.value) == f"invalid thread id: {fault}"
    raw = json.dumps({"threadId": text}).encode()
    with pytest.raises(InvalidRequest, match="invalid session id: "):
        with_thread_id(ThreadResumeParams(thread_id=text), raw)


@given(st.text(max_size=40) | st.text("0123456789abcdef-", min_size=30, max_size=40))
def test_only_ids_pass(text: str) -> None:
    try:
        found = read(text)
    except InvalidRequest:
        assert canonical(text) != text
    else:
        assert found == str(uuid.UUID(found))
