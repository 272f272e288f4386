"""What the offline model says of the commit that broke tests."""

from __future__ import annotations

from quire.models.offline.report_words import one_line
from quire.models.offline.reports import Bisection, Break, Commit

SHOWN = 5
REASONS = {
    "nothing_fails": "No test fails here now, so there is nothing to look for.",
    "no_tests": "No test could be run here.",
    "no_git": "This is no git repository (or there is no git), so there are no older commits.",
    "no_commits": "The repository has no commit yet.",
    "no_temp": (
        "Older commits are run in copies, and the sandbox gives no temporary folder for them: run "
        "again with `-s workspace-write`. Your checkout is not touched."
    ),
}


def told(bisection: Bisection) -> str:
    """The whole answer."""
    if bisection.status == "unknown_revision":
        return f"There is no `{one_line(bisection.reason)}` in this repository. Nothing was run."
    if bisection.status != "done":
        text = REASONS.get(bisection.status, "The commit could not be looked for.")
        return f"{text} {one_line(bisection.reason)}".strip()
    blocks = [_break(one, bisection) for one in bisection.breaks]
    if bisection.skipped:
        lines = [f"- {_commit(commit)}" for commit in bisection.skipped[:SHOWN]]
        more = len(bisection.skipped) - SHOWN
        lines += [f"- and {more} more"] if more > 0 else []
        blocks.append(
            "Could not be judged (the tests cannot run there, or fail in another way):\n"
            + "\n".join(lines)
        )
    count = "1 commit was" if bisection.tried == 1 else f"{bisection.tried} commits were"
    blocks.append(
        f"{count} run in {bisection.seconds:.0f} s, with today's tests, in copies outside of the "
        "project. Nothing was changed."
    )
    return "\n\n".join(blocks)


def _break(one: Break, bisection: Bisection) -> str:
    names = ", ".join(f"`{name}`" for name in one.tests[:SHOWN])
    if len(one.tests) > SHOWN:
        names += f" and {len(one.tests) - SHOWN} more"
    it, fails = ("it", "fails") if len(one.tests) == 1 else ("they", "fail")
    match one.kind:
        case "first_bad":
            return _first_bad(one, names)
        case "working_tree":
            return (
                f"{names}: no commit. At HEAD {it} {'passes' if it == 'it' else 'pass'}; the "
                "changes that are not committed broke it."
            )
        case "range":
            lines = [f"- {_commit(commit)}" for commit in one.between[:SHOWN]]
            more = len(one.between) - SHOWN
            lines += [f"- and {more} more"] if more > 0 else []
            return (
                f"{names}: one of these commits; those between could not be judged:\n"
                + "\n".join(lines)
            )
        case "oldest":
            return f"{names} already {fails} at the oldest commit looked at:{_on(one.commit)}"
        case "named_good":
            return f"{names} already {fails} at the commit that you named:{_on(one.commit)}"
        case "unjudged" if one.commit is None:
            return (
                f"{names}: at HEAD, without what is not committed, {it} cannot be run or {fails} "
                "in another way, so older commits tell nothing."
            )
        case "unjudged":
            return (
                f"{names}: no older commit could be judged; the oldest that is known to fail is"
                f"{_on(one.commit)}"
            )
        case _:
            return (
                f"{names}: the time was over before it was found; the oldest commit known to fail "
                f"is{_on(one.commit)}"
            )


def _first_bad(one: Break, names: str) -> str:
    merge = ", a merge," if one.is_merge else ""
    text = f"{names}: broken by{_on(one.commit)}{merge}"
    if one.good is not None:
        text += f"\nThe last good one before it is{_on(one.good)}"
    if one.files:
        shown = ", ".join(f"`{one_line(path)}`" for path in one.files[:SHOWN])
        more = f" and {len(one.files) - SHOWN} more" if len(one.files) > SHOWN else ""
        text += f"\nIt changed {shown}{more}."
    if one.diff:
        text += f"\nOf what it changed, the tests run this:\n```diff\n{one.diff.rstrip()}\n```"
    return text


def _on(commit: Commit | None) -> str:
    return "" if commit is None else f" {_commit(commit)}"


def _commit(commit: Commit) -> str:
    subject = one_line(commit.subject).replace("`", "'")
    author = f" by {one_line(commit.author)}" if commit.author else ""
    return f"`{commit.hash[:10]}` of {one_line(commit.date)}{author}: {subject}"
