"""Says what is wrong with a call's arguments, in the words that Codex 0.169 tells its models.

Those are serde_json's: `missing field `cmd` at line 1 column 2`. Only read when decoding failed.
Columns count bytes. First the whole text is checked as JSON, then its members against the types:
that is the order of Codex, which reads the arguments twice.
"""

from __future__ import annotations

from typing import get_args, get_type_hints

import msgspec
from msgspec import Meta, Struct, inspect, structs

from quire.tools.json_scan import JsonFault, JsonScanner

_END = object()
_UNBOUNDED = 2**63 - 1


def explain(struct_type: type[Struct], text: str, root: str) -> str | None:
    """One line on the first fault of `text`, or None when it has no fault known here."""
    data = text.encode("utf-8", "surrogatepass")
    expected = f"struct {root}"
    try:
        _check_syntax(JsonScanner(data), expected)
        _check_struct(JsonScanner(data), struct_type, expected)
    except JsonFault as fault:
        return str(fault)
    return None


def _check_syntax(scanner: JsonScanner, expected: str) -> None:
    """The document as a whole: a JSON object and nothing after it."""
    if scanner.peek_value() == "[":
        _reject_array(scanner, expected)
    if scanner.peek_value() != "{":
        _wrong_type(scanner, expected)
    for _ in scanner.members():
        scanner.skip_value()
    scanner.end()


def _reject_array(scanner: JsonScanner, expected: str) -> None:
    """serde would read the document from an array, too: its first member is a string."""
    if next(scanner.elements(), _END) is _END:
        scanner.fail(f"invalid length 0, expected {expected} with 1 element")
    _wrong_type(scanner, "a string")


def _check_type(scanner: JsonScanner, kind: inspect.Type, hint: object) -> None:
    """Read one value and raise a `JsonFault` where it does not fit `kind`. `hint` is the
    annotation that `kind` (or what it stands in) came from."""
    kind = _bare(kind)
    if isinstance(kind, inspect.UnionType):
        kinds = [option for option in kind.types if not isinstance(option, inspect.NoneType)]
        if scanner.peek_value() == "n" or len(kinds) != 1:
            scanner.skip_value()
            return
        kind = _bare(kinds[0])
    if isinstance(kind, inspect.StructType):
        _check_struct(scanner, kind.cls, f"struct {kind.cls.__name__}")
    elif isinstance(kind, inspect.ListType | inspect.VarTupleType):
        if scanner.peek_value() != "[":
            _wrong_type(scanner, "a sequence")
        for _ in scanner.elements():
            _check_type(scanner, kind.item_type, hint)
    elif isinstance(kind, inspect.LiteralType):
        _check_variant(scanner, _variants(hint))
    elif isinstance(kind, inspect.StrType):
        if scanner.peek_value() != '"':
            _wrong_type(scanner, "a string")
        scanner.string()
    elif isinstance(kind, inspect.BoolType):
        if scanner.peek_value() not in ("t", "f"):
            _wrong_type(scanner, "a boolean")
        scanner.skip_value()
    elif isinstance(kind, inspect.IntType):
        _check_int(scanner, kind, _title(hint) or "i64")
    else:
        scanner.skip_value()


def _bare(kind: inspect.Type) -> inspect.Type:
    """The type without what annotates it."""
    return _bare(kind.type) if isinstance(kind, inspect.Metadata) else kind


def _title(hint: object) -> str:
    """What an annotation calls its integers."""
    titles = [_title(argument) for argument in get_args(hint)]
    own = hint.title if isinstance(hint, Meta) else None
    return own or next(filter(None, titles), "")


def _variants(hint: object) -> list[str]:
    """The strings of the Literals in an annotation, in their order there."""
    found: list[str] = []
    for argument in get_args(hint):
        found += [argument] if isinstance(argument, str) else _variants(argument)
    return found


def _check_struct(scanner: JsonScanner, struct_type: type[Struct], expected: str) -> None:
    if scanner.peek_value() != "{":
        _wrong_type(scanner, expected)
    hints = get_type_hints(struct_type, include_extras=True)
    fields = {field.encode_name: field for field in structs.fields(struct_type)}
    seen: set[str] = set()
    for name in scanner.members():
        field = fields.get(name)
        if field is None:
            if struct_type.__struct_config__.forbid_unknown_fields:
                scanner.fail(f"unknown field `{name}`, expected {_alternatives(list(fields))}")
            scanner.skip_value()
        elif name in seen:
            scanner.fail(f"duplicate field `{name}`")
        else:
            seen.add(name)
            scanner.colon()
            _check_type(scanner, inspect.type_info(field.type), hints[field.name])
    for name, field in fields.items():
        if field.required and name not in seen:
            scanner.fail(f"missing field `{name}`")


def _alternatives(names: list[str]) -> str:
    quoted = [f"`{name}`" for name in names]
    if len(quoted) < 3:
        return " or ".join(quoted)
    return "one of " + ", ".join(quoted)


def _check_variant(scanner: JsonScanner, names: list[str]) -> None:
    if scanner.peek_value() != '"':
        scanner.fail_here("expected value")
    name = scanner.string()
    if name not in names:
        scanner.fail(f"unknown variant `{name}`, expected {_alternatives(names)}")


def _check_int(scanner: JsonScanner, kind: inspect.IntType, expected: str) -> None:
    if not (scanner.peek_value() == "-" or scanner.peek_value().isdigit()):
        _wrong_type(scanner, expected)
    text = scanner.number()
    if not _is_integer(text):
        scanner.fail(f"invalid type: floating point `{_float_text(text)}`, expected {expected}")
    value = int(text)
    most = None if kind.le == _UNBOUNDED else kind.le
    if (kind.ge is not None and value < kind.ge) or (most is not None and value > most):
        scanner.fail(f"invalid value: integer `{value}`, expected {expected}")


def _is_integer(text: str) -> bool:
    return text.lstrip("-").isdigit() and -(2**63) <= int(text) < 2**64


def _float_text(text: str) -> str:
    return repr(float(text))


def _wrong_type(scanner: JsonScanner, expected: str) -> None:
    """Raise `invalid type: ...` for the value that comes next."""
    first = scanner.peek_value()
    if first == "{":
        found = "map"
    elif first == "[":
        found = "sequence"
    elif first == '"':
        found = f"string {msgspec.json.encode(scanner.string()).decode()}"
    elif first == "n":
        scanner.skip_value()
        found = "null"
    elif first in ("t", "f"):
        scanner.skip_value()
        found = f"boolean `{'true' if first == 't' else 'false'}`"
    else:
        text = scanner.number()
        found = f"integer `{int(text)}`" if _is_integer(text) else "number"
    scanner.fail(f"invalid type: {found}, expected {expected}")
