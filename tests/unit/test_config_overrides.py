"""`-c key=value`."""

from __future__ import annotations

import string
import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quire.config.errors import ConfigError
from quire.config.overrides import nest, parse_override, parse_value, read_path, write_path


@pytest.mark.parametrize(
    ("text", "path", "value"),
    [
        ("model=gpt-5.5", ("model",), "gpt-5.5"),
        ('model="gpt-5.5"', ("model",), "gpt-5.5"),
        ("model = 'a b' ", ("model",), "a b"),
        ("model=", ("model",), ""),
        ("a.b.c=1", ("a", "b", "c"), 1),
        ("a=007", ("a",), "007"),
        ("a=0", ("a",), 0),
        ("a=-1", ("a",), -1),
        ("a=1_000", ("a",), 1000),
        ("a=1.5", ("a",), 1.5),
        ("a=true", ("a",), True),
        ("a=True", ("a",), "True"),
        ('a="x', ("a",), "x"),
        ("a=x=y", ("a",), "x=y"),
        ("a=[1, 'b']", ("a",), [1, "b"]),
        ('a={b.c="d"}', ("a",), {"b": {"c": "d"}}),
        ('projects."/a.b=c".trust_level=trusted', ("projects", "/a.b=c", "trust_level"), "trusted"),
        ("x . 'y.z' . w = 2", ("x", "y.z", "w"), 2),
        ('"a\\"b"=1', ('a"b',), 1),
        ("a=1\nb=2", ("a",), "1\nb=2"),
        ("a=/tmp/x y", ("a",), "/tmp/x y"),
        ("a=" + "[" * 5000, ("a",), "[" * 5000),
    ],
)
def test_value_and_path(text: str, path: tuple[str, ...], value: object) -> None:
    assert parse_override(text) == (path, value)


@pytest.mark.parametrize("text", ["", "a", "=", ".a=1", "a.=1", 'a."b"c=1', "a.'b=1"])
def test_no_override(text: str) -> None:
    with pytest.raises(ConfigError):
        parse_override(text)


SEGMENTS = st.text(min_size=1).filter(lambda s: s.strip() == s)


@given(st.lists(SEGMENTS, min_size=1, max_size=4))
def test_a_written_path_reads_back(segments: list[str]) -> None:
    assert read_path(write_path(tuple(segments))) == tuple(segments)


@given(st.lists(SEGMENTS, min_size=1, max_size=3), st.integers())
def test_a_written_override_reads_back(segments: list[str], value: int) -> None:
    path, parsed = parse_override(f"{write_path(tuple(segments))}={value}")
    table: object = nest(path, parsed)
    for segment in segments:
        assert isinstance(table, dict)
        table = table[segment]
    assert table == value


def agrees_with_toml(text: str) -> None:
    value = parse_value(text.strip())
    try:
        expected = tomllib.loads(f"v = {text.strip()}")
    except tomllib.TOMLDecodeError:
        assert isinstance(value, str)
    else:
        assert len(expected) > 1 or value == expected["v"] or value != value


@given(st.text())
def test_any_text_is_a_value(text: str) -> None:
    agrees_with_toml(text)


@given(st.text(alphabet=string.ascii_letters + string.digits + '+-._"[]{}:= ', max_size=12))
def test_the_short_cuts_agree_with_toml(text: str) -> None:
    agrees_with_toml(text)
