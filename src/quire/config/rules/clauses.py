"""What the calls in a rule file may say, and the errors of those that say something else (the
words are those of Codex 0.169)."""

from __future__ import annotations

import shlex
from collections.abc import Mapping

from msgspec import Struct

from quire.config.layers import is_list
from quire.config.rules.policy import NetworkRule, Pattern, Place, PrefixRule, Words
from quire.core.ports import Decision

_PROTOCOLS = ("http", "https", "socks5_tcp", "socks5_udp")
_ALIASES = {"https_connect": "https", "http-connect": "https"}


class Call(Struct, frozen=True):
    """One call in a file: its line, and each argument's Starlark type and value."""

    function: str
    line: int
    types: dict[str, str]
    values: dict[str, object]


_EXPECTED = {"pattern": "list", "match": "list", "not_match": "list", "paths": "list"}


def check_types(call: Call) -> None:
    """Raises `ValueError` in Starlark's words when an argument has another type."""
    for name, given in call.types.items():
        expected = _EXPECTED.get(name, "string")
        # `False` stands for a justification that was not given; `None` is no string either.
        if given == expected or (call.values[name] is False and name == "justification"):
            continue
        shown = "str" if expected == "string" else expected
        raise ValueError(
            f"Type of parameter `{name}` doesn't match, expected `{shown}`, actual `{given}`"
        )


def prefix_rule(call: Call, place: Place) -> PrefixRule:
    """The rule that the call makes. Raises `ValueError`."""
    pattern = _pattern(_list(call.values["pattern"]))
    return PrefixRule(pattern, _decision(call), place, _justification(call))


def _pattern(elements: list[object]) -> Pattern:
    if not elements:
        raise ValueError("invalid pattern element: pattern cannot be empty")
    found: list[Words] = []
    for element in elements:
        if isinstance(element, str):
            found.append((element,))
            continue
        if not is_list(element):
            raise ValueError(
                "invalid pattern element: pattern element must be a string or list of strings "
                f"(got {_type(element)})"
            )
        alternatives = element
        if not alternatives:
            raise ValueError("invalid pattern element: pattern alternatives cannot be empty")
        words = [word for word in alternatives if isinstance(word, str)]
        if len(words) != len(alternatives):
            other = next(word for word in alternatives if not isinstance(word, str))
            raise ValueError(
                "invalid pattern element: pattern alternative must be a string "
                f"(got {_type(other)})"
            )
        found.append(tuple(words))
    return tuple(found)


def _decision(call: Call) -> Decision:
    match call.values["decision"]:
        case "allow":
            return "allow"
        case "prompt":
            return "prompt"
        case "forbidden":
            return "forbidden"
        case "deny" if call.function == "network_rule":
            return "forbidden"
        case other:
            raise ValueError(f"invalid decision: {other}")


def _justification(call: Call) -> str | None:
    text = call.values["justification"]
    if not isinstance(text, str):
        return None
    if not text.strip():
        raise ValueError("invalid rule: justification cannot be empty")
    return text


def network_rule(call: Call, place: Place) -> NetworkRule:
    """The rule that the call makes. Raises `ValueError`."""
    host, protocol = str(call.values["host"]).strip(), str(call.values["protocol"])
    protocol = _ALIASES.get(protocol, protocol)
    if protocol not in _PROTOCOLS:
        raise ValueError(
            f"invalid rule: network_rule protocol must be one of {', '.join(_PROTOCOLS)} "
            f"(got {protocol})"
        )
    if not host:
        raise ValueError("invalid rule: network_rule host cannot be empty")
    if "://" in host or "/" in host:
        raise ValueError(
            "invalid rule: network_rule host must be a hostname or IP literal "
            "(without scheme or path)"
        )
    if "*" in host:
        raise ValueError(
            "invalid rule: network_rule host must be a specific host; wildcards are not allowed"
        )
    if any(character.isspace() for character in host):
        raise ValueError("invalid rule: network_rule host cannot contain whitespace")
    return NetworkRule(host.lower(), protocol, _decision(call), place, _justification(call))


def host_executable(call: Call) -> tuple[str, Words]:
    """A name and the paths that it may stand for. Raises `ValueError`."""
    name = str(call.values["name"])
    if not name:
        raise ValueError("invalid rule: host_executable name cannot be empty")
    if "/" in name or "\\" in name:
        raise ValueError(
            f"invalid rule: host_executable name must be a bare executable name (got {name})"
        )
    paths: list[str] = []
    for path in _list(call.values["paths"]):
        if not isinstance(path, str):
            raise ValueError(
                f"invalid rule: host_executable paths must be strings (got {_type(path)})"
            )
        if not path.startswith("/"):
            raise ValueError(f"invalid rule: host_executable paths must be absolute (got {path})")
        if path.rpartition("/")[2] != name:
            raise ValueError(
                f"invalid rule: host_executable path `{path}` must have basename `{name}`"
            )
        paths.append(path)
    return name, tuple(dict.fromkeys(paths))


def check_examples(call: Call, rule: PrefixRule, executables: Mapping[str, Words]) -> None:
    """Each `match` is met by the rule, no `not_match` is, programs at any path. Raises
    `ValueError`."""
    unmatched = [
        shown
        for shown, words in map(_example, _list(call.values["match"]))
        if not rule.resolves(words, executables)
    ]
    if unmatched:
        shown = ", ".join(f'"{text}"' for text in unmatched)
        raise ValueError(
            f"expected every example to match at least one rule. unmatched examples: [{shown}]"
        )
    for shown, words in map(_example, _list(call.values["not_match"])):
        if rule.resolves(words, executables):
            raise ValueError(f"expected example to not match rule: {shown}")


def _example(example: object) -> tuple[str, Words]:
    if isinstance(example, str):
        if not example.strip():
            raise ValueError("invalid example: example cannot be an empty string")
        try:
            return example, tuple(shlex.split(example))
        except ValueError:
            raise ValueError("invalid example: example string has invalid shell syntax") from None
    if not is_list(example):
        raise ValueError(
            f"invalid example: example must be a string or list of strings (got {_type(example)})"
        )
    if not example:
        raise ValueError("invalid example: example cannot be an empty list")
    words: list[str] = []
    for token in example:
        if not isinstance(token, str):
            raise ValueError(
                f"invalid example: example tokens must be strings (got {_type(token)})"
            )
        words.append(token)
    return shlex.join(words), tuple(words)


def _list(value: object) -> list[object]:
    return value if is_list(value) else []


def _type(value: object) -> str:
    """Starlark's name for the type of a value that came over as Python's."""
    names = {"str": "string", "NoneType": "NoneType"}
    return names.get(type(value).__name__, type(value).__name__)
