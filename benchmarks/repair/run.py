"""`scripts/bench repair`: how many of the broken programs are repaired, how rightly, how fast.

Every program is repaired by the whole agent (`quire exec -m offline`), one after the other, and
judged by tests that it never saw. Exit codes: 0 all targets are met, 1 one is missed, 2 it cannot
run.
"""

from __future__ import annotations

import argparse
import compileall
import os
import shlex
import statistics
import sys
from collections.abc import Iterable
from pathlib import Path

import msgspec

from benchmarks.repair.attempt import Attempt, attempt
from benchmarks.repair.corpus import PARTS, CorpusError, Program, all_programs

LEAST_RIGHT = 0.80
MOST_OVERFITTED = 0.10
MOST_MEDIAN = 5.0
SECONDS = 60
SOURCE = Path(__file__).resolve().parents[2] / "src"


def main(arguments: list[str]) -> int:
    """Run it with command line arguments."""
    options = _parser().parse_args(arguments)
    try:
        programs = _chosen(options)
    except CorpusError as exc:
        print(f"bench repair: {exc}", file=sys.stderr)
        return 2
    if not programs:
        print("bench repair: no such programs; see benchmarks/repair/programs", file=sys.stderr)
        return 2
    print(f"`{shlex.join(['scripts/bench', 'repair', *arguments])}`")
    print(f"{len(programs)} programs, {options.seconds} s each, {os.cpu_count()} cores\n")
    quire = [options.quire] if options.quire else [sys.executable, "-m", "quire"]
    # As pip does when it installs: the search itself writes no bytecode, wherever it is run.
    compileall.compile_dir(SOURCE, quiet=2)
    done: list[Attempt] = []
    for number, program in enumerate(programs, 1):
        one = attempt(program, options.seconds, quire)
        done.append(one)
        _tell(one, number, len(programs), options.names)
    print("\n".join(table(done)))
    if options.json:
        with open(options.json, "wb") as file:
            file.write(msgspec.json.encode(done))
    missed = misses(done)
    if missed:
        print(f"\nFAILED: {'; '.join(missed)}")
    return 1 if missed else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="scripts/bench repair", description=__doc__)
    add = parser.add_argument
    add("--part", choices=PARTS, help="only these programs; default: all")
    add("--only", metavar="NAMES", help="only these, separated by commas")
    add("--seconds", type=int, default=SECONDS, help="for each search: %(default)s")
    add("--names", action="store_true", help="tell of the programs set aside one by one, too")
    add("--json", metavar="FILE", help="write all attempts to FILE")
    add("--quire", metavar="PATH", help="the quire to measure; default: of this environment")
    return parser


def _chosen(options: argparse.Namespace) -> list[Program]:
    programs = all_programs((options.part,) if options.part else PARTS)
    names = options.only.split(",") if options.only else None
    return [p for p in programs if names is None or p.name in names]


def _tell(one: Attempt, number: int, count: int, names: bool) -> None:
    """One line for each program; those set aside stay unknown to who works on the search."""
    if one.part == "aside" and not names:
        if sys.stderr.isatty():
            print(f"\r\033[K{number}/{count}", end="", file=sys.stderr, flush=True)
        return
    told = f"{one.name:28} {one.outcome:10} {one.seconds:6.1f} s {one.tried:7} {one.edit}"
    print(" ".join(told.split("\n"))[:200], flush=True)


def table(done: list[Attempt]) -> list[str]:
    """The results by part, as a table."""
    lines = [
        "",
        "| programs | | solved | right, kept-back tests | over-fitted | median | worst | edits/s |",
        "|---|---|---|---|---|---|---|---|",
    ]
    parts = [part for part in PARTS if any(one.part == part for one in done)]
    rows = {part: [one for one in done if one.part == part] for part in parts}
    if len(parts) > 1:
        rows["all"] = done
    for name, some in rows.items():
        solved, right = _share(some, ("right", "overfitted")), _share(some, ("right",))
        times = [one.seconds for one in some]
        lines.append(
            f"| {name} | {len(some)} | {solved:.0%} | {right:.0%} | "
            f"{_share(some, ('overfitted',)):.0%} | {statistics.median(times):.1f} s | "
            f"{max(times):.1f} s | {_rate(some):.0f} |"
        )
    return lines


def misses(done: list[Attempt]) -> list[str]:
    """The targets that were missed, over all programs."""
    right, over = _share(done, ("right",)), _share(done, ("overfitted",))
    median = statistics.median(one.seconds for one in done)
    found: list[str] = []
    if right < LEAST_RIGHT:
        found.append(f"{right:.1%} right, at least {LEAST_RIGHT:.0%} wanted")
    if over > MOST_OVERFITTED:
        found.append(f"{over:.1%} over-fitted, at most {MOST_OVERFITTED:.0%} wanted")
    if median > MOST_MEDIAN:
        found.append(f"median {median:.1f} s, at most {MOST_MEDIAN:.0f} s wanted")
    return found


def _share(done: Iterable[Attempt], outcomes: tuple[str, ...]) -> float:
    some = list(done)
    return sum(one.outcome in outcomes for one in some) / len(some)


def _rate(done: list[Attempt]) -> float:
    """Candidates a second of searching."""
    return sum(one.tried for one in done) / max(sum(one.search_seconds for one in done), 0.001)
