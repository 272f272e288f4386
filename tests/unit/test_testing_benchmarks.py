"""The benchmark driver measures what it says: costs of process trees, ratios, wrong runs."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from benchmarks import report
from benchmarks.__main__ import main
from benchmarks.processes import Command, Cost, Watch, run
from benchmarks.subjects import ARGUMENTS, SCRATCH, BenchError, Place, Subject, check_root
from benchmarks.targets import TARGETS, Measured, Target, judge
from benchmarks.workloads import WORKLOADS, Bench, Sample, Workload, last_answer
from quire.testing.responses_server import ResponsesServerProcess

pytestmark = pytest.mark.skipif(not os.path.isdir("/proc/self"), reason="no /proc to read")


def python(tmp_path: Path, code: str) -> Command:
    argv = (sys.executable, "-I", "-S", "-c", code)
    return Command(argv, str(tmp_path), {"PATH": os.environ["PATH"]}, str(tmp_path / "out"))


BUSY = "import time\nend = time.process_time() + 0.1\nwhile time.process_time() < end: pass\n"
ORPHAN = f"import os, sys\nif os.fork(): sys.exit(3)\nif os.fork(): sys.exit()\n{BUSY}"
LARGE = "import time\nx = b'x' * 60_000_000\ntime.sleep(0.2)"
CHILD = f"import subprocess, sys\nsubprocess.run([sys.executable, '-I', '-c', {LARGE!r}])"


def test_cost_counts_the_whole_tree(tmp_path: Path) -> None:
    cost = run([python(tmp_path, BUSY)], 10)
    assert cost.codes == [0] and 0.1 <= cost.cpu < 0.3 and cost.wall >= 0.1 and cost.rss == 0
    two = run([python(tmp_path, BUSY)] * 2, 10)
    assert two.codes == [0, 0] and two.cpu >= 0.2


def test_cost_counts_orphans_too(tmp_path: Path) -> None:
    # In a process of its own: adopting orphans holds for a process's life.
    driver = (
        "from benchmarks.processes import Command, adopt_orphans, run\n"
        "adopt_orphans()\n"
        f"argv, output = {python(tmp_path, ORPHAN).argv!r}, {str(tmp_path / 'out')!r}\n"
        "cost = run([Command(argv, '/', {}, output)], 10)\n"
        "print(cost.codes, cost.cpu >= 0.1)"
    )
    done = subprocess.run(
        [sys.executable, "-c", driver],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
    )
    assert done.stdout == "[3] True\n", done.stderr


def test_memory_is_the_peak_of_the_tree(tmp_path: Path) -> None:
    cost = run([python(tmp_path, CHILD)], 10, Watch(0.005, 0.02))
    assert 60e6 < cost.rss < 120e6
    assert 60e6 < cost.pss < 120e6


def test_a_run_past_its_limit_is_killed(tmp_path: Path) -> None:
    cost = run([python(tmp_path, "import time\ntime.sleep(60)")], 0.1)
    assert cost.codes == [-9] and cost.wall < 5


def sample(wall: float, *, turnarounds: list[float] | None = None, wrong: str = "") -> Sample:
    cost = Cost(codes=[0], started=0.0, wall=wall, cpu=wall * 2, others=0.1, rss=int(wall * 1e9))
    return Sample(cost=cost, turnarounds=turnarounds or [], wrong=[wrong] if wrong else [])


def test_verdicts_compare_medians_and_hold_the_limit() -> None:
    quire = Measured([sample(0.1), sample(0.3), sample(0.2)], [sample(0.05)])
    codex = Measured([sample(1.0), sample(0.8), sample(5.0)], [sample(0.2)])
    results = {"W2": {"quire": quire, "codex": codex}}
    wall = judge(Target("W2", "wall", 0.2), results)
    assert (wall.median, wall.met) == (0.2, True)
    assert wall.minimum == pytest.approx(0.125)
    assert judge(Target("W2", "CPU", 0.19), results).met is False
    memory = judge(Target("W2", "memory", 0.3), results)
    assert (memory.median, memory.met) == (0.25, True)
    assert judge(Target("W2", "PSS", 0.3), results).met is None
    assert judge(Target("W3", "wall", 0.3), results).median is None
    failed = report.failures({"W2": {"quire": codex, "codex": quire}})
    assert failed == ["W2 wall", "W2 CPU", "W2 memory"]


def test_growth_compares_both_ends_of_a_session() -> None:
    turnarounds = [0.01] * 30 + [1.0] * 240 + [0.012] * 30
    results = {"W6": {"quire": Measured([sample(1.0, turnarounds=turnarounds)])}}
    growth = judge(Target("W6", "last 30 / first 30", 1.1, "itself"), results)
    assert growth.median == pytest.approx(1.2) and growth.met is False


def test_the_report_shows_every_target_and_what_went_wrong() -> None:
    quire = Measured([sample(0.1, wrong="another final answer")])
    results = {"W1": {"quire": quire, "codex": Measured([sample(0.5)])}, "W3": {}}
    lines = report.table(results).splitlines()
    assert "| W1 | wall | <= 0.40 | 0.20 | 0.20 | pass | 100.0 ms | codex 500.0 ms |" in lines
    assert len(lines) == 2 + sum(target.workload in results for target in TARGETS)
    assert any("not measured" in line for line in lines)
    assert "- wrong: quire in W1: another final answer (1)" in report.notes(results)
    assert report.failures(results) == ["W1 went wrong"]


FAKE = """\
import json, os, sys, urllib.request
home = os.environ["FAKE_HOME"]
url = [line for line in open(home + "/config.toml") if line.startswith("base_url")][0].split('"')[1]
items = [{"role": "user", "content": "x"}]
for _ in range(2):
    body = json.dumps({"model": "m", "input": items}).encode()
    text = urllib.request.urlopen(url + "/responses", body).read().decode()
    items.append({"type": "function_call_output", "output": "x"})
if "wrong" not in sys.argv[0]:
    open("out.txt", "w").close()
item = {"type": "agent_message", "text": "Done: wrote out.txt."}
print("not an event"), print(json.dumps({"type": "item.completed", "item": item}))
"""


def test_a_run_is_checked_against_its_script(tmp_path: Path) -> None:
    w2 = next(one for one in WORKLOADS if one.name == "W2")
    wrongs: list[list[str]] = []
    with ResponsesServerProcess(str(tmp_path / "log")) as server:
        bench = Bench(server, Place(str(tmp_path), server.url))
        for name in ("fake", "wrong"):
            script = tmp_path / f"{name}.py"
            script.write_text(FAKE)
            subject = Subject("fake", (sys.executable, "-I", str(script)), "FAKE_HOME")
            found = bench.measure(w2, subject)
            wrongs.append(found.wrong)
            assert len(found.turnarounds) == 1 and 0 < found.turnarounds[0] < 1
            assert found.first_request is not None and found.request_size is not None
    assert wrongs == [[], ["out.txt was not written"]]
    assert last_answer(f"{tmp_path}/{SCRATCH}/out/fake") == "Done: wrote out.txt."


def test_parallel_runs_have_lanes_of_their_own(tmp_path: Path) -> None:
    (tmp_path / "work").mkdir()
    place = Place(str(tmp_path), "http://127.0.0.1:1/v1")
    assert (tmp_path / "work").exists(), "only the scratch folder may be emptied"
    subject = Subject("fake", ("fake",), "FAKE_HOME")
    one, two = (place.command(subject, "exec", lane=lane) for lane in ("-00", "-01"))
    assert one.cwd != two.cwd and one.env == two.env and one.output != two.output
    assert one.argv == ("fake", *ARGUMENTS["exec"])
    assert os.path.isdir(f"{one.cwd}/.git")
    assert "PYTHONPATH" not in one.env and one.env["FAKE_HOME"].startswith(one.env["HOME"])


def test_workloads_are_whole() -> None:
    names = {workload.name for workload in WORKLOADS}
    assert {target.workload for target in TARGETS} <= names
    for workload in WORKLOADS:
        msgspec.json.encode(workload.script)
        assert workload.quick_reps <= workload.reps
        assert not workload.writes or workload.calls
    assert Workload(name="x", what="", reps=1).script["by_history"] is True


def test_what_cannot_run_says_why(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(BenchError, match="--root"):
        check_root("/tmp/x")
    assert main(["--root", str(tmp_path), "--workloads", "W99", "--only", "python"]) == 2
    assert main(["--root", str(tmp_path), "--peer", "/nonexistent", "--only", "codex"]) == 2
    with open(tmp_path / "quire-bench.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert main(["--root", str(tmp_path), "--workloads", "W0", "--only", "python"]) == 2
    errors = capsys.readouterr().err.splitlines()
    assert "no workload W99" in errors[0] and "/nonexistent" in errors[1]
    assert "another benchmark" in errors[2]
    quick = ["--workloads", "W0", "--reps", "1", "--only", "python"]
    assert main(["--root", str(tmp_path), *quick]) == 0
