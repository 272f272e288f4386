"""The check of the links between documents fails on each kind of bad link, and on no good one."""

from __future__ import annotations

from pathlib import Path

import pytest

from scripts.checks import links

FILES = {
    "README.md": "# Name\n",
    "src/a.py": "",
    "docs/b.md": "# B\n\n## What `it` may do, and why\n\n## Twice\n\n## Twice\n\n```\n# no\n```\n",
    "docs/design/c.md": "# C\n",
    "docs/images/d (1).svg": "",
}


def faults(root: Path, text: str, path: str = "docs/x.md") -> list[str]:
    for name, content in {**FILES, path: text}.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(content, "utf-8")
    return links.check(root)


# Kind -> a bad link, what is said of it, its near miss.
LINKS = {
    "file": ("[b](c.md)", "`c.md` leads to no file", "[b](b.md)"),
    "case": ("[b](B.md)", "leads to no file", "[b](./b.md)"),
    "folder": ("[b](designs)", "leads to no file", "[b](design/) [r](../docs)"),
    "source": ("[a](src/a.py)", "leads to no file", "[a](../src/a.py) [a](/src/a.py)"),
    "outside": ("[o](../../x.md)", "leads to no file", "[o](https://example.org/../../x.md)"),
    "heading": (
        "[b](b.md#what-it-does)",
        "docs/b.md has no such heading",
        "[b](b.md#what-it-may-do-and-why)",
    ),
    "heading here": ("# Here\n[h](#there)", "docs/x.md has no such heading", "# Here\n[h](#here)"),
    "third heading": ("[b](b.md#twice-2)", "no such heading", "[b](b.md#twice-1)"),
    "code is no heading": ("[b](b.md#no)", "no such heading", "[b](b.md#b)"),
    "no Markdown": ("[a](../src/b.py#L1)", "leads to no file", "[a](../src/a.py#L1)"),
    "two lines": ("[a\nb](c.md)", "leads to no file", "[a\nb](b.md)"),
    "title": ('[b](c.md "B")', "leads to no file", '[b](b.md "B")'),
    "image": ("![d](images/d.svg)", "leads to no file", "![d](images/d%20(1).svg)"),
    "brackets": ("![d](<images/d 1.svg>)", "leads to no file", "![d](<images/d (1).svg>)"),
    "image in a link": ("[![d](b.md)](c.md)", "`c.md` leads", "[![d](b.md)](b.md)"),
    "definition": ("[b]: c.md", "leads to no file", "[b]: b.md"),
    "html": ('<img alt="" src="d.svg">', "leads to no file", '<a href="b.md">b</a>'),
    "empty": ("[b]()", "a link that leads nowhere", "[b](b.md) a()"),
    "code": ("`x` [b](c.md) `y`", "leads to no file", "`x[0](c.md)` and ``a ` [b](c.md)``"),
    "fence": (
        "~~~\n```\n~~~\n[b](c.md)",
        "leads to no file",
        "- a list\n\n  ```sh\n  [b](c.md)\n  ```\n",
    ),
    "indented": (
        "- a\n\n    - [b](c.md)",
        "leads to no file",
        "text\n\n    [b](c.md)\n\n    [c]()",
    ),
}


@pytest.mark.parametrize("name", LINKS)
def test_a_bad_link_is_found_and_a_good_one_is_not(name: str, tmp_path: Path) -> None:
    bad, said, good = LINKS[name]
    found = faults(tmp_path, bad)
    assert len(found) == 1, found
    assert said in found[0]
    assert faults(tmp_path, good) == []


def test_a_fault_names_file_and_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    faults(tmp_path, "# Name\n\nSee\n[this](docs/b.md) and [that](b.md).\n", "README.md")
    assert links.main([str(tmp_path)]) == 1
    assert capsys.readouterr().out.startswith("README.md:4: `b.md` leads to no file of the project")
    faults(tmp_path, "# Name\n", "README.md")
    assert links.main([str(tmp_path)]) == 0


def test_what_is_no_document_is_not_read(tmp_path: Path) -> None:
    assert faults(tmp_path, "[b](c.md)", "src/prompt.md") == []
