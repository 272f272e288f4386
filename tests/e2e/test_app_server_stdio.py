"""The server on standard streams of every kind: it answers what it can and ends in peace."""

from __future__ import annotations

import json
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.e2e.quire import QUIRE, Place

INITIALIZE = {
    "id": 1,
    "method": "initialize",
    "params": {"clientInfo": {"name": "test", "title": None, "version": "1"}},
}

STREAMS = {
    "files": "SERVER < in > out",
    "pipes": "cat in | SERVER | cat > out",
    "a terminal": "script -qec 'SERVER' /dev/null < in > out",
    "no input": "SERVER <&-",
    "no output": "SERVER < in >&-",
    "nothing at all": "SERVER <&- >&- 2>&-",
    "the null device": "SERVER < /dev/null",
    "a reader that goes": "SERVER < in | true",
    "a full disk": "SERVER < in > /dev/full",
}


@pytest.mark.parametrize("kind", STREAMS)
def test_standard_streams(tmp_path: Path, kind: str) -> None:
    if kind == "a terminal" and (sys.platform != "linux" or shutil.which("script") is None):
        pytest.skip("needs `script` of util-linux")
    place = Place(tmp_path)
    script = "set -o pipefail; " + STREAMS[kind].replace(
        "SERVER", shlex.join([*QUIRE, "app-server"])
    )
    (place.repo / "in").write_text(json.dumps(INITIALIZE) + '\n{"id":2,"method":"none"}\n')
    done = subprocess.run(
        ["bash", "-c", script],
        cwd=place.repo,
        env=place.environment(),
        capture_output=True,
        timeout=20,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, b"")
    if (place.repo / "out").exists():
        lines = (place.repo / "out").read_text().splitlines()
        answers = [json.loads(line) for line in lines if '"result"' in line or '"error"' in line]
        assert [answer["id"] for answer in answers] == [1, 2]
