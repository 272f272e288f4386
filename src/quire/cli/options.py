"""Command-line options from a table: parsing and help. argparse would cost a tenth of the time
that `quire exec` has before its first request."""

from __future__ import annotations

from msgspec import Struct

from quire.core.errors import UsageError


class Option(Struct, frozen=True):
    """One option. `names` holds its spellings, the long one first; without `value` (the word for
    it in the help) it is a switch; `many` collects."""

    names: tuple[str, ...]
    help: str
    value: str | None = None
    many: bool = False
    choices: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        return self.names[0].lstrip("-")


class CommandLineError(UsageError):
    """The words of the command line do not fit: exit code 2."""


class Parsed(Struct):
    """`values` maps an option's key to its values in order (`("",)` for a switch)."""

    values: dict[str, list[str]]
    words: list[str]

    def flag(self, key: str) -> bool:
        return key in self.values

    def one(self, key: str) -> str | None:
        given = self.values.get(key)
        return given[-1] if given else None

    def all(self, key: str) -> list[str]:
        return self.values.get(key, [])


def parse(argv: list[str], options: tuple[Option, ...]) -> Parsed:
    """Options and words in any order; `--` ends the options. `-mX`, `--model=X`, `-m X` are one.
    Raises `CommandLineError`."""
    try:
        "".join(argv).encode()
    except UnicodeEncodeError:
        raise CommandLineError("an argument is not valid UTF-8") from None
    by_name = {name: option for option in options for name in option.names}
    parsed = Parsed({}, [])
    queue = list(reversed(argv))
    while queue:
        word = queue.pop()
        if word == "--":
            parsed.words += reversed(queue)
            break
        if not word.startswith("-") or word == "-":
            parsed.words.append(word)
            continue
        name, attached = _split(word)
        option = by_name.get(name)
        if option is None:
            raise CommandLineError(f"unexpected argument '{name}' found; see --help")
        value = ""
        if option.value is None:
            if attached is not None:
                raise CommandLineError(f"unexpected value '{attached}' for '{name}'")
        elif attached is not None:
            value = attached
        elif queue:
            value = queue.pop()
        else:
            raise CommandLineError(f"a value is required for '{name} <{option.value}>'")
        _keep(parsed, option, name, value)
    return parsed


def _split(word: str) -> tuple[str, str | None]:
    if word.startswith("--"):
        name, equals, value = word.partition("=")
        return name, value if equals else None
    value = word[2:]
    return word[:2], value.removeprefix("=") if value else None


def _keep(parsed: Parsed, option: Option, name: str, value: str) -> None:
    if option.choices and value not in option.choices:
        possible = ", ".join(option.choices)
        raise CommandLineError(
            f"invalid value '{value}' for '{name}' [possible values: {possible}]"
        )
    kept = parsed.values.setdefault(option.key, [])
    if kept and not option.many and option.value is not None:
        raise CommandLineError(f"the argument '{name}' cannot be used multiple times")
    kept.append(value)


def help_text(usage: str, about: str, options: tuple[Option, ...]) -> str:
    """The help of a command."""
    rows = [(_spelling(option), option) for option in options]
    width = max((len(spelling) for spelling, _ in rows), default=0)
    lines = [about, "", f"Usage: {usage}", "", "Options:"]
    for spelling, option in rows:
        choices = f" [{', '.join(option.choices)}]" if option.choices else ""
        lines.append(f"  {spelling.ljust(width)}  {option.help}{choices}")
    return "\n".join(lines) + "\n"


def _spelling(option: Option) -> str:
    names = ", ".join(sorted(option.names, key=len))
    return f"{names} <{option.value}>" if option.value else names
