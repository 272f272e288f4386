"""`-c key.path=value`: a TOML value at a dotted path, else the text itself.

Form of Codex 0.169: segments are bare or quoted (`projects."/a.b".trust_level`), the value is
everything after the first `=` outside quotes.
"""

from __future__ import annotations

from quire.config.errors import ConfigError

Table = dict[str, object]
Path = tuple[str, ...]


def parse_override(text: str) -> tuple[Path, object]:
    """The path and the value of one `-c` argument. Raises `ConfigError`."""
    path, rest = _read_path(text)
    if rest is None:
        raise ConfigError(f"config: -c {text}: expected KEY=VALUE")
    return path, parse_value(rest.strip())


def parse_value(text: str) -> object:
    """`text` as a TOML value; when it is none, the text without quotes around it."""
    # What needs no parser does not load one: it is a third of what loading costs.
    if text in ("true", "false"):
        return text == "true"
    if text[:1].isalpha() and text not in ("inf", "nan"):
        return text
    if text.isascii() and text.isdigit() and (text[0] != "0" or text == "0"):
        return int(text)
    import tomllib

    try:
        parsed = tomllib.loads(f"value = {text}")
    except (tomllib.TOMLDecodeError, RecursionError):
        return text.strip("\"'")
    return parsed["value"] if len(parsed) == 1 else text


def read_path(text: str) -> Path:
    """The segments of a dotted path. Raises `ConfigError`."""
    path, rest = _read_path(text)
    if rest is not None:
        raise ConfigError(f"config: {text}: not a key")
    return path


def write_path(path: Path) -> str:
    """The dotted form of a path, with quotes where a segment needs them."""
    return ".".join(s if _is_bare(s) else f'"{_escape(s)}"' for s in path)


def nest(path: Path, value: object) -> Table:
    """The table that holds `value` at `path` (of at least one segment)."""
    table: Table = {path[-1]: value}
    for segment in reversed(path[:-1]):
        table = {segment: table}
    return table


def _read_path(text: str) -> tuple[Path, str | None]:
    segments: list[str] = []
    position, end = 0, len(text)
    while True:
        segment, position = _read_segment(text, position)
        segments.append(segment)
        if position == end or text[position] == "=":
            break
        position += 1
    return tuple(segments), None if position == end else text[position + 1 :]


def _read_segment(text: str, start: int) -> tuple[str, int]:
    """One segment and the position of the `.`, `=` or end behind it."""
    while start < len(text) and text[start] in " \t":
        start += 1
    quote = text[start : start + 1]
    if quote in ("'", '"') and quote:
        return _read_quoted(text, start, quote)
    position = start
    while position < len(text) and text[position] not in ".=":
        position += 1
    segment = text[start:position].strip()
    if not segment:
        raise ConfigError(f"config: -c {text}: a part of the key is empty")
    return segment, position


def _read_quoted(text: str, start: int, quote: str) -> tuple[str, int]:
    characters: list[str] = []
    position = start + 1
    while position < len(text) and text[position] != quote:
        if text[position] == "\\" and quote == '"':
            position += 1
        characters.append(text[position : position + 1])
        position += 1
    after = position + 1
    while after < len(text) and text[after] in " \t":
        after += 1
    if position >= len(text) or (after < len(text) and text[after] not in ".="):
        raise ConfigError(f"config: -c {text}: the key's quotes do not match")
    return "".join(characters), after


def _is_bare(segment: str) -> bool:
    stripped = segment.replace("-", "").replace("_", "")
    return segment.isascii() and (stripped.isalnum() or (not stripped and bool(segment)))


def _escape(segment: str) -> str:
    return segment.replace("\\", "\\\\").replace('"', '\\"')
