"""What the code may weigh and what it may not contain, as a failing check.

    python -m scripts.checks.budgets [ROOT]

Looks at the files that git tracks or would track, and at pyproject.toml. Prints
`file:line: what is wrong, what to do` for each fault and ends with 1 if there is one.
"""

from __future__ import annotations

import sys
from pathlib import Path

from scripts.checks import project, shape, suppressions, texts
from scripts.checks.files import sources


def check(root: Path, roots: dict[str, str] = suppressions.TASK_ROOTS) -> list[str]:
    """All faults below `root`, as lines for people. `roots`: where everything may be caught."""
    lines: list[str] = []
    files = sources(root)
    for source in files:
        found = [
            *texts.faults_in(source),
            *shape.faults_in(source),
            *suppressions.faults_in(source, roots),
        ]
        lines += [f"{source.path}:{line}: {fault}" for line, fault in sorted(set(found))]
    lines += shape.faults_of_sums(files) + suppressions.faults_of_roots(files, roots)
    return lines + project.faults_in(root, files)


def main(arguments: list[str]) -> int:
    root = Path(arguments[0]) if arguments else Path(__file__).resolve().parents[2]
    lines = check(root)
    for line in lines:
        print(line)
    return 1 if lines else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
