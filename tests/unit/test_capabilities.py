"""What is only for experimental clients."""

from __future__ import annotations

import pytest
from msgspec import Raw

from quire.protocol.rpc.catalog import METHODS
from quire.protocol.rpc.experimental import FIELDS
from quire.protocol.rpc.experimental import METHODS as EXPERIMENTAL
from quire.server.capabilities import needs_experimental


def test_the_list_is_the_catalog_s() -> None:
    assert {method.name for method in METHODS if method.experimental} == EXPERIMENTAL


def test_members_are_found_by_the_name_of_the_method() -> None:
    gated = {name for name in FIELDS if name.endswith("Params") and "Approval" not in name}
    for method in METHODS:
        if method.params.__name__ in gated:
            gated.remove(method.params.__name__)
            member = FIELDS[method.params.__name__][0]
            params = Raw(f'{{"{member}": []}}'.encode())
            assert needs_experimental(method.name, params) == f"{method.name}.{member}"
    assert not gated


@pytest.mark.parametrize(
    ("method", "params", "needs"),
    [
        ("thread/search", b"{}", "thread/search"),
        ("thread/start", b'{"permissions": null, "model": "x"}', None),
        ("thread/start", b"", None),
        ("thread/start", b"5", None),
        ("thread/read", b"{}", None),
    ],
)
def test_what_is_needed(method: str, params: bytes, needs: str | None) -> None:
    assert needs_experimental(method, Raw(params)) == needs
