"""What the offline model says."""

from __future__ import annotations

from quire.models.offline.findings import Edit, Findings, Survey
from quire.models.offline.patches import diff_text
from quire.models.offline.run_output import RunResult

WHAT_IT_IS = (
    "This is Quire's offline model: a deterministic program-repair search, not a language model."
)

OTHER_MODELS = """\
For anything else, configure a language model:
- store a key: `quire login --with-api-key` reads one from stdin; or set `QUIRE_API_KEY`
- or name any server of the Responses API in `~/.quire/config.toml`:

```toml
model = "my-model"
model_provider = "mine"

[model_providers.mine]
base_url = "http://localhost:8000/v1"
env_key = "MY_KEY"
```"""

WHAT_IT_CAN = """\
In a Python project it can do this:
- "make the failing tests pass", "fix test_leap_year": run the tests, search for a small edit that \
mends them, apply it, check it, and say why it believes it
- "run the tests", "which tests are slowest?": say which fail, by cause, and change nothing
- "why does test_leap_year fail?": say what was compared, which calls led there, and where the \
fault may be
- "which commit broke test_leap_year?": run it at older commits until the one is found"""

SHOWN = 5


def other() -> str:
    return f"{WHAT_IT_IS}\n\n{WHAT_IT_CAN}\n\n{OTHER_MODELS}"


def begin() -> str:
    return f"{WHAT_IT_IS}\nFirst a look at the project and its tests."


def surveyed(survey: Survey) -> str:
    return f"{_project(survey)} Running them."


def no_tests() -> str:
    return "No tests were found."


def own_command() -> str:
    return "The tests cannot be begun. The project's own command, to see why."


def looking_into(survey: Survey) -> str:
    return f"{_project(survey)} Running them, and those that fail once more to see why."


def bisecting(survey: Survey) -> str:
    return (
        f"{_project(survey)} Running them, then at older commits, in copies outside of the "
        "project: nothing here is touched."
    )


def _project(survey: Survey) -> str:
    name = {"pytest": "pytest", "unittest": "unittest"}.get(survey.framework, "plain functions")
    text = f"{_files(survey.test_files)} of tests ({name}), Python {survey.version}."
    if survey.pytest_missing:
        text += (
            " They are written for pytest, which no interpreter here has: the environment is"
            " incomplete, not the code. Tests that need nothing but `assert` can still run."
        )
    if survey.only:
        text += f" Named were{_named(survey.only).removeprefix(':')}."
    if survey.missing:
        text += f" Not here{_named(survey.missing)}."
    return text


def _files(count: int) -> str:
    return "1 file" if count == 1 else f"{count} files"


def no_project() -> str:
    return (
        "There is no Python test file here (`test_*.py` or `*_test.py`), so there is nothing to "
        f"repair by.\n\n{OTHER_MODELS}"
    )


def not_there(names: tuple[str, ...]) -> str:
    return (
        f"There is no such test here{_named(names)}. Nothing was run and nothing was changed; "
        "name a test file, a test function or a test class, or none for all tests."
    )


def out_of_time(seconds: int) -> str:
    return (
        f"The {seconds} s that this may take are used up (`--max-seconds`, or `max_seconds` in "
        "`[offline]`). Nothing more was tried or changed; give it more time."
    )


def no_interpreter() -> str:
    return "No Python 3.9 or later was found here, so the tests cannot run. Install one first."


def searching(run: RunResult, seconds: int) -> str:
    if run.out_of_time:
        first = "The tests do not come to their end: something hangs, or they are slow."
    elif run.failed:
        first = f"{run.failed} of {run.failed + run.passed} tests fail{_named(run.failing)}."
    else:
        first = "The tests cannot be run to their end."
    return (
        f"{first} Searching: coverage tells where the fault may be, then small edits are tried "
        f"against the tests, for at most {seconds} s."
    )


def _named(names: tuple[str, ...]) -> str:
    if not names:
        return ""
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ": " + ", ".join(f"`{name}`" for name in names[:SHOWN]) + more


def all_pass(run: RunResult) -> str:
    return f"All {run.passed} tests pass already: nothing was changed."


def summary(run: RunResult) -> str:
    if run.is_empty:
        return no_tests()
    if run.all_pass:
        return f"All {run.passed} tests pass."
    if run.out_of_time:
        return "The tests do not come to their end in time; something hangs, or they are slow."
    if not run.failed:
        return (
            f"The test command ended with exit code {run.exit_code} and named no test that fails. "
            "Test frameworks need a temporary folder: with `-s workspace-write` there is one."
        )
    names = "\n".join(f"- `{name}`" for name in run.failing)
    return f"{run.failed} of {run.failed + run.passed} tests fail:\n{names}"


def failing_list(findings: Findings) -> str:
    """For test runs of our own runner."""
    counts = findings.tests
    lines = [f"{counts.failed} of {counts.total} tests fail:"] if counts.failed else []
    if not counts.failed:
        lines.append(f"All {counts.total} tests that can run pass.")
    lines += [f"- `{f.id}`: {f.error} {f.message}".rstrip() for f in findings.failing]
    return "\n".join(lines) + _lacking(findings)


def applying(findings: Findings) -> str:
    edits = f"{findings.tried} of {findings.candidates} candidate edits tried"
    found = f"Found after {findings.seconds:.1f} s ({edits}): {_where(findings.changes[0])}."
    if findings.status == "partly":
        found += f" It mends {findings.fixed} of {findings.tests.failed} failing tests."
    return f"{found} Applying it."


def checking() -> str:
    return "Applied. Now the project's own test command, to be sure."


def repaired(findings: Findings, run: RunResult) -> str:
    counts = findings.tests
    which = f"all {run.passed} tests" if run.all_pass else f"all {counts.total} that can run"
    return "\n\n".join(
        [
            f"Repaired: {which} pass; {counts.failed} failed before.",
            _change(findings),
            _why(findings),
        ]
    )


def partly(findings: Findings, run: RunResult) -> str:
    fixed = max(findings.fixed, findings.tests.failed - run.failed)
    return "\n\n".join(
        [
            (
                f"Partly repaired: {fixed} of {findings.tests.failed} failing tests pass "
                f"now, none broke, {run.failed} still fail. No single edit mends them all: there "
                "is probably more than one fault."
            ),
            _change(findings),
            _why(findings),
        ]
    )


def proposed(findings: Findings) -> str:
    return "\n\n".join(
        [
            (
                "The sandbox is read-only, so nothing was changed. This edit makes "
                f"{_how_many(findings)}; run again with `-s workspace-write` to apply it."
            ),
            _change(findings),
            _why(findings),
        ]
    )


def _how_many(findings: Findings) -> str:
    if findings.status == "partly":
        return f"{findings.fixed} of {findings.tests.failed} failing tests pass"
    return f"all {findings.tests.total} tests pass ({findings.tests.failed} fail now)"


def _where(change: Edit) -> str:
    inside = f" in `{change.function}`" if change.function else ""
    return f"`{change.path}` line {change.line}{inside} ({change.kind})"


def _change(findings: Findings) -> str:
    where = "; ".join(_where(change) for change in findings.changes)
    return f"{where}\n```diff\n{_bare_diff(findings)}\n```"


def _bare_diff(findings: Findings) -> str:
    lines = diff_text(findings.changes).split("\n")
    return "\n".join(line for line in lines if line.startswith(("+ ", "- ")))


def _why(findings: Findings) -> str:
    tried = f"Why: of {findings.tried} edits tried, "
    others = findings.passing_edits - 1
    if others <= 0:
        return f"{tried}this is the only one that makes the tests pass." + _lacking(findings)
    text = f"{tried}{others} {'other makes' if others == 1 else 'others make'} the tests pass too"
    if not findings.other_behaviours:
        return f"{text}, and as far as can be told they all do the same." + _lacking(findings)
    text += "; this one is the smallest and least surprising."
    if findings.runner_up is not None:
        runner = findings.runner_up
        text += f"\nNext best: `{runner.path}` line {runner.line}: {_short(runner)}"
    if findings.telling is not None:
        telling = findings.telling
        text += (
            f"\nThe tests do not tell them apart; a test of `{telling.call}` would: "
            f"{_gives(telling.chosen)} with this edit, {_gives(telling.other)} with the other. "
            "Please check which is meant."
        )
    else:
        text += "\nThe tests are too weak to tell them apart: please review the change."
    return text + _lacking(findings)


def _short(change: Edit) -> str:
    old, new = (text.replace("\n", " ⏎ ") for text in (change.old, change.new))
    if not old:
        return f"insert `{new}`"
    return f"`{old}` → `{new}`" if new else f"remove `{old}`"


def _gives(text: str) -> str:
    if text.startswith("!"):
        return {"!timeout": "no end"}.get(text, f"`{text[1:]}`")
    return f"`{text}`"


def _lacking(findings: Findings) -> str:
    if not findings.environment:
        return ""
    lines = [f"- `{lack.id}`: {lack.reason}" for lack in findings.environment[:SHOWN]]
    return "\n\nNot judged, because something is missing around the code:\n" + "\n".join(lines)


def not_found(findings: Findings) -> str:
    counts = findings.tests
    parts = [
        (
            f"No small edit makes the tests pass ({counts.failed} of {counts.total} fail). "
            f"Nothing was changed. {findings.tried} candidate edits were tried in "
            f"{findings.seconds:.0f} s."
        )
    ]
    if findings.failing:
        lines = [f"- `{f.id}`: {f.error} {f.message}".rstrip() for f in findings.failing[:SHOWN]]
        parts.append("Failing:\n" + "\n".join(lines))
    if findings.suspects:
        lines = [
            f"- `{s.path}` line {s.line}" + (f" in `{s.function}`" if s.function else "")
            for s in findings.suspects
        ]
        parts.append("Where the fault most likely is, by coverage:\n" + "\n".join(lines))
    parts.append(OTHER_MODELS)
    return "\n\n".join(parts) + _lacking(findings)


def environment(findings: Findings) -> str:
    return (
        "The tests cannot run here, and no edit of the code would help; nothing was changed."
        + _lacking(findings)
    )


def unstable(run: RunResult) -> str:
    failed = f"{run.failed} failed" if run.failed else "the run failed"
    return (
        f"In the search all tests pass, though before {failed}: they depend on their order, on "
        "time or on something outside. Nothing was changed."
    )


def unchecked(findings: Findings) -> str:
    return (
        "Applied, but not checked by the project's own test command: the time of `--max-seconds` "
        f"is used up. Please run the tests.\n\n{_change(findings)}\n\n{_why(findings)}"
    )


def undoing(run: RunResult) -> str:
    left = f"{run.failed} tests fail" if run.failed else "the tests fail"
    return f"After the change {left} in the project's own run. Taking it back."


def undone() -> str:
    return (
        "The change was taken back: it made the tests pass in the search, but not in the "
        "project's own run. Nothing remains changed."
    )


def undo_failed(output: str) -> str:
    return f"The change could not be taken back:\n{output.strip()[:500]}"


def not_applied(findings: Findings, output: str) -> str:
    reason = output.strip()[:300]
    return f"The patch was not applied: {reason}\n\n{_change(findings)}\n\n{_why(findings)}"


def cannot_run(what: str, output: str) -> str:
    return f"The command to {what} could not be run: {output.strip()[:500]}"


def cannot_start(output: str) -> str:
    faults = [line for line in output.strip().split("\n") if line.startswith(("E  ", "ERROR"))]
    tail = "\n".join(faults[-6:] or output.strip().split("\n")[-6:])[:800]
    return (
        "pytest cannot start here, so there is nothing to search by; nothing was changed. It says:"
        f"\n```\n{tail}\n```\nIf a package is missing, install it, or activate the project's "
        "virtual environment (`.venv` in the project is found by itself)."
    )


def unreadable(what: str, output: str) -> str:
    tail = "\n".join(output.strip().split("\n")[-8:])[:800]
    return f"{what} ended without a result. Its last lines:\n```\n{tail}\n```"


def too_long(what: str, seconds: int) -> str:
    return f"The attempt to {what} did not end in {seconds} s and was given up."


def whole_run(seconds: int) -> str:
    return f"Now all tests, if they end within {seconds} s: an edit must break none of the others."


def restricted(findings: Findings, run: RunResult, mended: int) -> str:
    """For a repair by some tests, checked by all."""
    all_named = findings.status == "repaired"
    first = "Repaired" if all_named else "Partly repaired"
    which = "all named tests pass" if all_named else f"{mended} of the named tests pass now"
    rest = f"{run.failed} of all {run.failed + run.passed} tests still fail, as before"
    if not run.failed:
        rest = f"and so do all {run.passed} tests of the project"
    text = f"{first}: {which}, {rest}; no other test broke."
    return "\n\n".join([text, _change(findings), _why(findings)])


def only_named(names: tuple[str, ...]) -> str:
    return (
        f"\n\nOnly the tests that were named{_named(names)} were run: for all together there "
        "was not the time. Run the others before you rely on it."
    )
