"""The words of a review: what is reviewed, what was found, and the text that shows it.

Shapes and text are those of Codex 0.169: the `target` of `review/start`, the JSON a reviewer
answers with, and the message that a review ends with.
"""

from __future__ import annotations

from msgspec import UNSET, Struct, UnsetType


class UncommittedChangesReviewTarget(
    Struct, frozen=True, tag="uncommittedChanges", tag_field="type"
):
    """The working tree against the last commit: staged, unstaged and untracked files."""


class BaseBranchReviewTarget(Struct, frozen=True, tag="baseBranch", tag_field="type"):
    """The working tree against where it left `branch`."""

    branch: str


class CommitReviewTarget(Struct, frozen=True, tag="commit", tag_field="type"):
    """What one commit changed. `title` is its subject, for people."""

    sha: str
    title: str | None = None


class CustomReviewTarget(Struct, frozen=True, tag="custom", tag_field="type"):
    """What the instructions say."""

    instructions: str


ReviewTarget = (
    UncommittedChangesReviewTarget
    | BaseBranchReviewTarget
    | CommitReviewTarget
    | CustomReviewTarget
)


class LineRange(Struct, frozen=True):
    """Lines counted from 1, both ends included."""

    start: int
    end: int


class CodeLocation(Struct, frozen=True):
    absolute_file_path: str
    line_range: LineRange


class Finding(Struct, frozen=True):
    """`priority` is 0 (drop everything) to 3 (nice to have), None when the reviewer gave none;
    `confidence_score` 0 to 1; `body` is Markdown."""

    title: str
    body: str
    confidence_score: float
    code_location: CodeLocation
    priority: int | None = None


class DroppedFinding(Struct, frozen=True):
    """A finding that is not shown. `title` is empty when it had none; `reason` is `outside the
    diff` or starts with `malformed: `."""

    title: str
    reason: str

    @property
    def malformed(self) -> bool:
        return self.reason != OUTSIDE


OUTSIDE = "outside the diff"


class ReviewOutput(Struct, frozen=True):
    """What a reviewer says. `overall_correctness` is `patch is correct`, `patch is incorrect`, or
    empty when it answered in plain words, which are then the explanation. `dropped_findings` is
    ours: Codex has no such member."""

    findings: tuple[Finding, ...] = ()
    overall_correctness: str = ""
    overall_explanation: str = ""
    overall_confidence_score: float = 0.0
    dropped_findings: tuple[DroppedFinding, ...] | UnsetType = UNSET

    @property
    def dropped(self) -> tuple[DroppedFinding, ...]:
        return () if isinstance(self.dropped_findings, UnsetType) else self.dropped_findings


class Patch(Struct, frozen=True):
    """What a review is about, as git tells it. `roots` are the absolute paths under which the
    repository is known (with and without symbolic links), `diff` is a unified diff, `untracked`
    holds paths below the root (a folder ends with a slash)."""

    roots: tuple[str, ...]
    diff: bytes
    untracked: tuple[str, ...] = ()


NO_ANSWER = "Reviewer failed to output a response."


def review_text(output: ReviewOutput | None) -> str:
    """The message that shows a review; None stands for a review without an answer."""
    if output is None:
        return NO_ANSWER
    parts = [output.overall_explanation.strip()] if output.overall_explanation.strip() else []
    if output.findings:
        many = len(output.findings) > 1
        parts.append("Full review comments:" if many else "Review comment:")
        parts += [_comment(finding) for finding in output.findings]
    if output.dropped:
        parts.append(dropped_line(output.dropped))
    return "\n\n".join(parts).rstrip() or NO_ANSWER


def dropped_line(dropped: tuple[DroppedFinding, ...]) -> str:
    """Says how many findings are not shown, and why. Codex shows all, and has no such line."""
    outside = sum(not finding.malformed for finding in dropped)
    counts = ((outside, OUTSIDE), (len(dropped) - outside, "malformed"))
    kinds = [(count, reason) for count, reason in counts if count]
    why = ", ".join(f"{count} {reason}" for count, reason in kinds)
    if len(kinds) == 1:
        why = kinds[0][1]
    noun = "finding" if len(dropped) == 1 else "findings"
    return f"({len(dropped)} {noun} left out: {why})"


def _comment(finding: Finding) -> str:
    place, lines = finding.code_location, finding.code_location.line_range
    head = f"- {finding.title} — {place.absolute_file_path}:{lines.start}-{lines.end}"
    body = finding.body.removesuffix("\n").split("\n") if finding.body else []
    return "\n".join([head, *(f"  {line.removesuffix(chr(13))}" for line in body)])


def worst_priority(output: ReviewOutput) -> int | None:
    """The most urgent priority among the findings; one without a priority counts as 2."""
    given = [2 if one.priority is None else one.priority for one in output.findings]
    return min(given, default=None)
