"""What a program promises beyond its tests: return types in annotations, and functions that undo
each other by their names."""

from __future__ import annotations

import copy
import sys
import typing
from collections.abc import Callable, Iterator
from types import AsyncGeneratorType, CoroutineType, FunctionType
from typing import Any

from .limits import PASS, attempt

INVERSES = (
    *(("encode", "decode"), ("compress", "decompress"), ("pack", "unpack"), ("dump", "load")),
    *(("serialize", "deserialize"), ("escape", "unescape"), ("quote", "unquote"), ("to", "from")),
    *(("encrypt", "decrypt"), ("format", "parse"), ("flatten", "unflatten"), ("write", "read")),
    *(("encode", "parse"), ("render", "parse"), ("join", "split"), ("wrap", "unwrap")),
)
UNFINISHED = (CoroutineType, AsyncGeneratorType)
SECONDS = 0.02
MOST = 40
PLAIN = (int, float, str, bytes, bool, list, tuple, set, frozenset, dict)


def violates(function: FunctionType, result: object) -> bool:
    """The result is not of the type that the function's annotation names. Only plain types are
    looked at, and unions of them; `float` admits an integer. The annotations of coroutines and
    generators are about something else than what the call gives."""
    if isinstance(result, UNFINISHED) or hasattr(result, "__next__"):
        return False
    wanted = _annotated(function)
    if wanted is None:
        return False
    return not any(_is(result, kind) for kind in wanted)


def _is(result: object, kind: type[Any]) -> bool:
    if kind is float and type(result) is int:
        return True
    if kind is int and type(result) is bool:
        return False
    return isinstance(result, kind)


def _annotated(function: FunctionType) -> list[type[Any]] | None:
    """The plain types that it may return; None where the annotation says something else."""
    hints: list[Any] = []
    attempt(lambda: hints.append(typing.get_type_hints(function).get("return", Any)), SECONDS)
    if not hints:
        return None
    union = typing.get_origin(hints[0]) is typing.Union or type(hints[0]).__name__ == "UnionType"
    found: list[type[Any]] = []
    for part in typing.get_args(hints[0]) if union else hints:
        plain = typing.get_origin(part) or part
        if plain not in (*PLAIN, type(None)):
            return None
        found.append(plain)
    return found


def inverse_of(function: FunctionType) -> FunctionType | None:
    """A function of the same module whose name says that it undoes this one."""
    module = sys.modules.get(function.__module__)
    words = function.__name__.split("_")
    for name in _opposites(words):
        other = vars(module).get(name) if module is not None else None
        if isinstance(other, FunctionType) and other.__code__.co_argcount >= 1:
            return other
    return None


def _opposites(words: list[str]) -> Iterator[str]:
    for one, two in INVERSES:
        for old, new in ((one, two), (two, one)):
            if old in words:
                yield "_".join(new if word == old else word for word in words)


def broken_round_trips(function: FunctionType, values: list[tuple[Any, ...]]) -> float:
    """The share of one-valued calls whose result, undone, is not the value again. 0 where there is
    nothing that undoes it."""
    other = inverse_of(function)
    single = [some[0] for some in values if len(some) == 1][:MOST]
    if other is None or not single:
        return 0.0
    broken = sum(not _comes_back(function, other, value) for value in single)
    return broken / len(single)


def _comes_back(one: Callable[..., Any], other: Callable[..., Any], value: object) -> bool:
    """Also when the call itself fails: then it promises nothing."""
    found: list[Any] = []
    outcome = attempt(lambda: found.append(one(copy.deepcopy(value))), SECONDS)
    if outcome.status != PASS:
        return True
    same: list[bool] = []
    attempt(lambda: same.append(bool(other(found[0]) == value)), SECONDS)
    return bool(same) and same[0]
