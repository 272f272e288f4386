"""Links between the documents: each leads to a file of the project, and to a heading that is there.

    python -m scripts.checks.links [ROOT]

Reads the Markdown files at the top and below docs/, and prints `file:line: what is wrong, what to
do` for each fault. Addresses with a scheme (`https:`, `mailto:`) are not looked at; code is not.
"""

from __future__ import annotations

import posixpath
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple
from urllib.parse import unquote

from scripts.checks.files import names

FENCE = re.compile(r" *(```+|~~~+)")
CODE_SPAN = re.compile(r"(?<!`)(`+)(?!`)((?:(?!\n[ \t]*\n).)+?)(?<!`)\1(?!`)", re.DOTALL)
INLINE = re.compile(r"\]\(\s*(?:<([^<>\n]*)>|([^\s()]*(?:\([^\s()]*\)[^\s()]*)*))")
DEFINITION = re.compile(r"^ {0,3}\[[^\]\n]+\]:\s+<?([^\s>]+)", re.MULTILINE)
HTML = re.compile(r"<(?:a|img)\b[^>]*?\b(?:href|src)=[\"']([^\"']*)[\"']", re.IGNORECASE)
ELSEWHERE = re.compile(r"[a-zA-Z][a-zA-Z0-9+.-]*:|//")
HEADING = re.compile(r" {0,3}#{1,6}[ \t]+(.*?)(?:[ \t]+#+)?[ \t]*$")
LIST_ITEM = re.compile(r"\s*(?:[-*+]|\d+[.)])\s")


class Link(NamedTuple):
    line: int
    target: str


def links_in(text: str) -> list[Link]:
    """Where a document leads: inline links and images, definitions, `href` and `src`."""
    plain = "\n".join(_without_code(text))
    plain = CODE_SPAN.sub(lambda span: re.sub(r"[^\n]", " ", span.group()), plain)
    found: list[Link] = []
    for pattern in (INLINE, DEFINITION, HTML):
        for match in pattern.finditer(plain):
            target = next((group for group in match.groups() if group is not None), "")
            found.append(Link(plain.count("\n", 0, match.start()) + 1, target))
    return sorted(found)


def anchors_in(text: str) -> set[str]:
    """The fragments that a document's headings can be reached by, as Git hosts make them."""
    found: set[str] = set()
    for line in _without_code(text):
        heading = HEADING.match(line)
        if heading is None:
            continue
        title = re.sub(r"!?\[([^\]]*)\]\([^)]*\)", r"\1", heading.group(1)).strip().lower()
        slug = re.sub(r"[^\w\- ]", "", title).replace(" ", "-")
        number, name = 0, slug
        while name in found:
            number += 1
            name = f"{slug}-{number}"
        found.add(name)
    return found


def check(root: Path) -> list[str]:
    """All faults below `root`, as lines for people."""
    files = {name for name in names(root) if (root / name).exists()}
    documents = {n: (root / n).read_text("utf-8") for n in sorted(files) if _is_document(n)}
    folders = {str(parent) for name in files for parent in Path(name).parents}
    anchors = {path: anchors_in(text) for path, text in documents.items()}
    lines: list[str] = []
    for path, text in documents.items():
        for line, target in links_in(text):
            fault = _fault(path, target, files | folders, anchors)
            if fault is not None:
                lines.append(f"{path}:{line}: {fault}")
    return lines


def _fault(path: str, target: str, known: set[str], anchors: dict[str, set[str]]) -> str | None:
    if ELSEWHERE.match(target):
        return None
    if not target:
        return "a link that leads nowhere; name its target"
    place, _, fragment = target.partition("#")
    place = unquote(place.partition("?")[0])
    there = path
    if place:
        base = "" if place.startswith("/") else posixpath.dirname(path)
        there = posixpath.normpath(posixpath.join(base, place.lstrip("/")))
    if there.startswith("..") or there not in known:
        return f"`{target}` leads to no file of the project; mend the link or add the file"
    if fragment and there in anchors and unquote(fragment) not in anchors[there]:
        return f"`{target}`: {there} has no such heading; it may have been renamed"
    return None


def _is_document(path: str) -> bool:
    return path.endswith(".md") and ("/" not in path or path.startswith("docs/"))


def _without_code(text: str) -> Iterator[str]:
    """The lines; those of code blocks are empty."""
    fence, indented, before = "", False, ""
    for line in text.splitlines():
        mark = FENCE.match(line)
        if fence:
            closes = mark is not None and mark.group(1).startswith(fence)
            fence = "" if closes and not line.strip(" `~") else fence
            yield ""
        elif mark is not None:
            fence = mark.group(1)
            yield ""
        else:
            deep = line.startswith(("    ", "\t")) and LIST_ITEM.match(line) is None
            indented = deep and (indented or not before.strip())
            yield "" if indented else line
        before = line


def main(arguments: list[str]) -> int:
    root = Path(arguments[0]) if arguments else Path(__file__).resolve().parents[2]
    lines = check(root)
    for line in lines:
        print(line)
    return 1 if lines else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
