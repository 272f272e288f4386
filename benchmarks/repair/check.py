"""Whether the programs are what they say: `python -m benchmarks.repair.check [FILES]`.

The right program passes all tests, the broken one fails some that the search sees and some that
are kept back. Exit codes: 0 all are sound, 1 some are not (they are named).
"""

from __future__ import annotations

import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from benchmarks.repair.corpus import (
    PARTS,
    PROGRAMS,
    CorpusError,
    Program,
    is_test,
    load,
    passes,
    write,
)

HANG_SECONDS = 6.0


def main(arguments: list[str]) -> int:
    """Check the named files, or all."""
    paths = [Path(name) for name in arguments]
    paths = paths or [p for part in PARTS for p in sorted((PROGRAMS / part).glob("*.case"))]
    with ThreadPoolExecutor(2) as pool:
        faults = [fault for fault in pool.map(fault_of, paths) if fault]
    print(*faults, f"{len(paths)} programs, {len(faults)} faulty", sep="\n")
    return 1 if faults else 0


def fault_of(path: Path) -> str | None:
    """What is wrong with a case, in one line; None when nothing is."""
    try:
        program = load(path)
    except CorpusError as exc:
        return str(exc)
    if not _passes(program, program.right, {}) or not _passes(program, {}, program.kept):
        return f"{program.name}: the right program fails its tests"
    if _passes(program, program.broken, {}, HANG_SECONDS):
        return f"{program.name}: the broken program passes the tests that the search sees"
    if _passes(program, {}, program.kept, HANG_SECONDS, broken=True):
        return f"{program.name}: the broken program passes the tests that are kept back"
    return None


def _passes(
    program: Program,
    files: dict[str, str],
    kept: dict[str, str],
    seconds: float = 60,
    *,
    broken: bool = False,
) -> bool:
    """Whether these tests pass. With `kept`, they replace the tests that the search sees."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        if kept:
            files = program.broken if broken else program.right
            files = {path: text for path, text in files.items() if not is_test(path)}
        write(folder, {**files, **kept})
        return passes(folder, program, seconds)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
