"""`docs/config.md` says what the schema says. After a change of the schema:

python -m tests.unit.test_config_reference
"""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from msgspec import inspect

from quire.config import keys, reference
from quire.config.schema import MAPS, TABLES, Config

PAGE = Path(__file__).parents[2] / "docs" / "config.md"


def names(group: frozenset[str]) -> str:
    return ", ".join(f"`{name}`" for name in sorted(group)) + "\n"


def unsupported() -> frozenset[str]:
    nested = {f"{t}.{k}" for t, ks in keys.NESTED_UNSUPPORTED.items() for k in ks}
    return keys.UNSUPPORTED | {
        name.replace("model_providers.", "model_providers.<name>.") for name in nested
    }


PARTS = {
    "keys": reference.render,
    "silent": lambda: names(keys.WITHOUT_EFFECT),
    "unsupported": lambda: names(unsupported()),
}


def rendered(page: str) -> str:
    """The page with its generated parts made anew."""
    for name, render in PARTS.items():
        start = page.index("-->\n", page.index(f"<!-- {name}")) + len("-->\n")
        end = page.index(f"<!-- end of {name} -->")
        page = f"{page[:start]}\n{render()}\n{page[end:]}"
    return page


def test_the_page_is_up_to_date() -> None:
    page = PAGE.read_text()
    assert page == rendered(page), f"run python -m {__name__}"


def test_the_page_lists_what_a_project_may_set() -> None:
    text = PAGE.read_text().partition("It may set")[2].partition("and of these")[0]
    assert {word.strip("`,") for word in text.split()} == keys.PROJECT_KEYS


def test_every_key_is_documented() -> None:
    for key in reference.all_keys():
        assert key.text.endswith((".", "`")), key.path


def test_tables_are_those_of_the_types() -> None:
    """`TABLES` and `MAPS` spare introspection at start; they must not drift from the types."""
    found: dict[type, dict[str, type]] = {}
    maps: dict[str, type] = {}
    todo: list[type] = [Config]
    while todo:
        struct = todo.pop()
        info = inspect.type_info(struct)
        assert isinstance(info, inspect.StructType)
        for field in info.fields:
            if isinstance(field.type, inspect.StructType):
                found.setdefault(struct, {})[field.name] = field.type.cls
                todo.append(field.type.cls)
            if isinstance(field.type, inspect.DictType):
                value = field.type.value_type
                if isinstance(value, inspect.StructType):
                    maps[field.name] = value.cls
                    assert struct is Config
                    todo.append(value.cls)
    assert (found, maps) == (TABLES, MAPS)


def test_groups_do_not_overlap() -> None:
    known = set(Config.__struct_fields__)
    groups = [known, keys.UNSUPPORTED, keys.WITHOUT_EFFECT]
    assert sum(map(len, groups)) == len(set().union(*groups))
    assert known >= keys.PROJECT_KEYS


@pytest.mark.parametrize("struct", [Config, *MAPS.values(), *TABLES[Config].values()])
def test_no_field_is_required(struct: type[msgspec.Struct]) -> None:
    """Error texts are found by trying each value alone."""
    msgspec.convert({}, struct)


if __name__ == "__main__":
    PAGE.write_text(rendered(PAGE.read_text()))
