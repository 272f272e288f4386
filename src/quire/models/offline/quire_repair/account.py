"""What the search tells at its end: plain values, one JSON line, read by Quire's offline model."""

from __future__ import annotations

from typing import Any

from .baseline import Fact
from .choose import Group
from .hunks import hunks, tidy
from .limits import FAIL, PASS, TIMEOUT
from .loading import Broken
from .progress import Progress
from .sources import Edit, Source
from .trace import Line

VERSION = 1
MOST = 10
LONG = 200


class Account:
    """Filled in as the search goes on; `result` may be asked for at any time."""

    def __init__(self, root: str) -> None:
        self._root = root
        self.status = ""
        self.progress: Progress | None = None
        self.passing_edits = 0
        self.fixed = 0
        self._values: dict[str, Any] = {}
        self._environment: list[dict[str, str]] = []

    @property
    def has_environment_faults(self) -> bool:
        return bool(self._environment)

    def is_repaired(self) -> bool:
        return self.status == "repaired"

    def environment(self, broken: list[Broken]) -> None:
        for one in broken:
            self._environment.append({"id": one.id, "reason": one.message[:LONG]})

    def environment_facts(self, facts: list[Fact]) -> None:
        for fact in facts:
            reason = f"{fact.error}: {fact.message}"
            self._environment.append({"id": fact.id, "reason": reason[:LONG]})

    def facts(self, facts: list[Fact]) -> None:
        failing = [f for f in facts if f.status in (FAIL, TIMEOUT)]
        self._values["tests"] = {
            "total": len(facts),
            "passed": sum(f.status == PASS for f in facts),
            "failed": len(failing),
        }
        self.fixed = len(failing)
        self._values["failing"] = [
            {
                "id": f.id,
                "error": f.error or "does not end",
                "message": f.message.strip()[:LONG],
            }
            for f in failing[:MOST]
        ]

    def broken(self, broken: list[Broken], cases: int) -> None:
        self._values["tests"] = {"total": cases + len(broken), "passed": 0, "failed": len(broken)}
        self.fixed = len(broken)
        self._values["failing"] = [
            {"id": b.id, "error": b.error, "message": b.message[:LONG]} for b in broken[:MOST]
        ]

    def suspects(self, lines: dict[Line, float], sources: dict[str, Source]) -> None:
        ranked = sorted(lines, key=lambda line: (-lines[line], line))
        seen: dict[tuple[str, str], dict[str, Any]] = {}
        for path, number in ranked:
            source = sources.get(path)
            unit = source.unit_of(number) if source is not None else None
            name = unit.qualname if unit is not None else ""
            entry = {"path": path, "line": number, "function": name}
            seen.setdefault((path, name), {**entry, "score": round(lines[path, number], 2)})
        self._values["suspects"] = list(seen.values())[:3]

    def chosen(self, edits: list[Edit], sources: dict[str, Source], partly: bool) -> None:
        """The edits to apply, as hunks by file."""
        self.status = "partly" if partly else "repaired"
        changes: list[dict[str, Any]] = []
        for path in dict.fromkeys(e.path for e in edits):
            source = sources[path]
            mine = tidy(source, [e for e in edits if e.path == path])
            change = _described(source, mine)
            changes.append({**change, "path": path, "hunks": hunks(source, mine)})
        self._values["changes"] = changes

    def rivals(self, others: list[Group], sources: dict[str, Source]) -> None:
        """What else passed: how many other behaviours, and the best of them."""
        self._values["other_behaviours"] = len(others)
        if others:
            edits = others[0].options[0].edits
            source = sources[edits[0].path]
            mine = [e for e in edits if e.path == source.path]
            self._values["runner_up"] = {**_described(source, mine), "path": source.path}

    def telling(self, call: tuple[str, str, str] | None) -> None:
        if call is not None and all(len(part) <= LONG for part in call):
            self._values["telling"] = {"call": call[0], "chosen": call[1], "other": call[2]}

    def result(self, seconds: float) -> dict[str, Any]:
        return {
            "quire_repair": VERSION,
            "status": self.status or "not_found",
            **self._values,
            "environment": self._environment[:MOST],
            "tried": self.progress.tried if self.progress else 0,
            "candidates": self.progress.candidates if self.progress else 0,
            "passing_edits": self.passing_edits,
            "fixed": self.fixed,
            "seconds": round(seconds, 2),
        }


def told(result: dict[str, Any]) -> list[str]:
    """The short form of a result for people: a few lines."""
    tests = result.get("tests", {})
    lines = [f"{tests.get('failed', 0)} of {tests.get('total', 0)} tests fail"]
    if result["candidates"]:
        tried = f"{result['tried']} of {result['candidates']} candidate edits tried"
        lines.append(f"{tried} in {result['seconds']} s, {result['passing_edits']} pass all tests")
    for suspect in result.get("suspects", [])[:1]:
        place = f"{suspect['path']} line {suspect['line']} {suspect['function']}"
        lines.append(f"most suspicious: {place.strip()}")
    for change in result.get("changes", []):
        lines.append(f"chosen: {change['path']} line {change['line']} ({change['kind']})")
        lines += [f"  - {text}" for text in change["old"].split("\n") if text][:2]
        lines += [f"  + {text}" for text in change["new"].split("\n") if text][:2]
    if result["environment"]:
        lines.append(f"{len(result['environment'])} tests lack something around them")
    return lines


def _described(source: Source, edits: list[Edit]) -> dict[str, Any]:
    """Where an edit is, and its first changed line before and after."""
    first = min(edits, key=lambda e: e.start)
    line = source.line_of(first.start)
    unit = source.unit_of(line)
    found = hunks(source, edits)[0]
    return {
        "line": line,
        "function": unit.qualname if unit is not None else "",
        "kind": first.kind,
        "old": "\n".join(text.strip() for text in found["old"])[:LONG],
        "new": "\n".join(text.strip() for text in found["new"])[:LONG],
    }
