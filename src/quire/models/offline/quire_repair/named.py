"""Which tests the words of a prompt mean: names looked up in the test files, nothing is run."""

from __future__ import annotations

import ast
import json
import os
from typing import Any, NamedTuple

MOST = 40
INHERITED = "*"
"""Instead of a method's name: there may be more than stand in the class."""


class Found(NamedTuple):
    """`only` are tests as the framework names them; `missing` are words that name none."""

    only: list[str]
    missing: list[str]


class _Place(NamedTuple):
    """A test file, and what is meant inside it: nothing, a class, a function, both."""

    path: str
    inside: tuple[str, ...]
    parameters: str


def words_in(text: str) -> list[str]:
    """The words of an option: a JSON list of texts; anything else holds none."""
    try:
        values: Any = json.loads(text) if text else ()
    except ValueError:
        return []
    is_list = hasattr(values, "append")
    return [word for word in values if isinstance(word, str)] if is_list else []


def resolve(texts: dict[str, str], words: list[str], framework: str, top: str) -> Found:
    """`texts` are the test files by path. A word may be a path, a folder, an id of pytest or
    unittest, or the bare name of a file, a class or a function."""
    found = Found([], [])
    names = {path: _names(text) for path, text in texts.items()} if words else {}
    for word in words:
        places = [p for p in _places(word, names) if not p.path.startswith("-")]
        found.only.extend(_selector(place, framework, top) for place in places)
        if not places:
            found.missing.append(word)
    return Found(list(dict.fromkeys(found.only))[:MOST], found.missing)


def _names(text: str) -> list[tuple[str, ...]]:
    """`(Class,)`, `(Class, method)` and `(function,)`, as they are defined in a file."""
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError):
        return []
    found: list[tuple[str, ...]] = []
    for node in tree.body:
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            found.append((node.name,))
        elif isinstance(node, ast.ClassDef):
            found += [(node.name,), *([(node.name, INHERITED)] if node.bases else [])]
            methods = (ast.FunctionDef, ast.AsyncFunctionDef)
            found += [(node.name, m.name) for m in node.body if isinstance(m, methods)]
    return found


def _places(word: str, names: dict[str, list[tuple[str, ...]]]) -> list[_Place]:
    bare, bracket, rest = word.partition("[")
    parameters = bracket + rest
    path, _, inner = bare.partition("::")
    if inner:
        inside = tuple(inner.split("::"))
        return [
            _Place(own, inside, parameters)
            for own in _files(path, names)
            if inside in names[own] or (inside[0], INHERITED) in names[own] or not names[own]
        ]
    files = _files(bare, names)
    if files:
        return [_Place(own, (), "") for own in files]
    return [
        _Place(own, inside, parameters)
        for own, defined in names.items()
        for inside in defined
        if _is_meant(bare.split("."), own, inside)
    ]


def _files(word: str, names: dict[str, list[tuple[str, ...]]]) -> list[str]:
    """A file by its path or the end of it, by its dotted or bare module name; all of a folder."""
    plain = os.path.normpath(word).replace(os.sep, "/")
    if plain in names:
        return [plain]
    inside = [own for own in names if own.startswith(f"{plain}/")]
    if inside and "/" in word:
        return inside
    wanted = plain if plain.endswith(".py") else plain.replace(".", "/") + ".py"
    return [own for own in names if own == wanted or own.endswith(f"/{wanted}")]


def _is_meant(parts: list[str], path: str, inside: tuple[str, ...]) -> bool:
    """The dotted word ends like `folder.module.Class.method`."""
    if parts[-1] != inside[-1]:
        return False
    whole = [*path[:-3].split("/"), *inside]
    return len(parts) <= len(whole) and whole[-len(parts) :] == parts


def _selector(place: _Place, framework: str, top: str) -> str:
    if framework != "unittest":
        return "::".join([place.path, *place.inside]) + place.parameters
    path = place.path if top in (".", "") else place.path[len(top.rstrip("/")) + 1 :]
    return ".".join([*path[:-3].split("/"), *place.inside])


def is_chosen(case: str, only: tuple[str, ...]) -> bool:
    """A collected test is one of those, or inside one of those; all are, without any."""
    return not only or any(
        case == one or case.startswith((f"{one}::", f"{one}.", f"{one}[")) for one in only
    )
