"""What no file may mention: where it was written, and where packages come from."""

from __future__ import annotations

import re

from scripts.checks.files import Source

# Spelt in pieces, so that this file does not find itself.
MACHINE_PATHS = re.compile(
    r"(?<![\w.})])(/wo" + r"rk/|/var/tmp/q" + r"v|/opt/py" + r"pi|\.\./sha" + "red/)"
)
REGISTRIES = (
    "py" + "pi.org",
    "python" + "hosted.org",
    "npm" + "js.org",
    "npm" + "js.com",
    "yarn" + "pkg.com",
    "proxy.go" + "lang.org",
    "static.crates" + ".io",
)


def faults_in(source: Source) -> list[tuple[int, str]]:
    """(line, what is wrong) for one text file of any kind."""
    found: list[tuple[int, str]] = []
    for number, line in enumerate(source.lines, 1):
        for path in MACHINE_PATHS.findall(line):
            advice = "a path of one machine; make it relative or take it from the environment"
            found.append((number, f"`{path}` is {advice}"))
        for needle in REGISTRIES:
            if needle in line:
                advice = "whoever installs decides where packages come from"
                found.append((number, f"`{needle}` is an index address; {advice}"))
    return found
