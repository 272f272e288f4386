"""What a reviewer is asked, for each target, and the short title that people see.

The texts are those of Codex 0.169 (row V2): models that were tuned for them know them.
"""

from __future__ import annotations

from quire.protocol.review import (
    BaseBranchReviewTarget,
    CommitReviewTarget,
    CustomReviewTarget,
    ReviewTarget,
    UncommittedChangesReviewTarget,
)

_SHORT_HASH = 7
_UNCOMMITTED = (
    "Review the current code changes (staged, unstaged, and untracked files) "
    "and provide prioritized findings."
)
_WANTED = "Provide prioritized, actionable findings."


def review_prompt(target: ReviewTarget, merge_base: str | None = None) -> str:
    """The first message of the reviewer. `merge_base` is the commit that a base branch and the
    working tree share; without it the reviewer is told how to find one."""
    match target:
        case UncommittedChangesReviewTarget():
            return _UNCOMMITTED
        case BaseBranchReviewTarget(branch):
            return _against(branch, merge_base)
        case CommitReviewTarget(sha, title):
            named = f' ("{title}")' if title is not None else ""
            return f"Review the code changes introduced by commit {sha}{named}. {_WANTED}"
        case CustomReviewTarget(instructions):
            return instructions.strip()


def review_title(target: ReviewTarget) -> str:
    """What is reviewed, in a few words."""
    match target:
        case UncommittedChangesReviewTarget():
            return "current changes"
        case BaseBranchReviewTarget(branch):
            return f"changes against '{branch}'"
        case CommitReviewTarget(sha, title):
            return f"commit {sha[:_SHORT_HASH]}" + (f": {title}" if title is not None else "")
        case CustomReviewTarget(instructions):
            return instructions.strip()


def checked_target(target: ReviewTarget) -> ReviewTarget:
    """The target without white space around its words. Raises `ValueError` with one line when
    something is empty."""
    match target:
        case UncommittedChangesReviewTarget():
            return target
        case BaseBranchReviewTarget(branch):
            return BaseBranchReviewTarget(_filled(branch, "branch"))
        case CommitReviewTarget(sha, title):
            return CommitReviewTarget(_filled(sha, "sha"), (title or "").strip() or None)
        case CustomReviewTarget(instructions):
            return CustomReviewTarget(_filled(instructions, "instructions"))


def _filled(text: str, name: str) -> str:
    if not text.strip():
        raise ValueError(f"{name} must not be empty")
    return text.strip()


def _against(branch: str, merge_base: str | None) -> str:
    start = f"Review the code changes against the base branch '{branch}'."
    if merge_base is not None:
        return (
            f"{start} The merge base commit for this comparison is {merge_base}. "
            f"Run `git diff {merge_base}` to inspect the changes relative to {branch}. {_WANTED}"
        )
    upstream = f'git merge-base HEAD "$(git rev-parse --abbrev-ref "{branch}@{{upstream}}")"'
    return (
        f"{start} Start by finding the merge diff between the current branch and {branch}'s "
        f"upstream e.g. (`{upstream}`), then run `git diff` against that SHA to see what changes "
        f"we would merge into the {branch} branch. {_WANTED}"
    )
