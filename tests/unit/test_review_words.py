"""What a reviewer is asked, how people see it, and what the conversation keeps (V2, P11)."""

from __future__ import annotations

import pytest

from quire.protocol.review import (
    BaseBranchReviewTarget,
    CommitReviewTarget,
    CustomReviewTarget,
    ReviewTarget,
    UncommittedChangesReviewTarget,
)
from quire.review.render import INTERRUPTED, handed_back
from quire.review.rubric import review_rubric
from quire.review.targets import checked_target, review_prompt, review_title

SHA = "271d6cded2f9df67fe269b0d5741b6e9fdff5c14"


@pytest.mark.parametrize(
    ("target", "merge_base", "prompt", "title"),
    [
        (
            UncommittedChangesReviewTarget(),
            None,
            (
                "Review the current code changes (staged, unstaged, and untracked files) and "
                "provide prioritized findings."
            ),
            "current changes",
        ),
        (
            BaseBranchReviewTarget("main"),
            SHA,
            (
                "Review the code changes against the base branch 'main'. The merge base commit "
                f"for this comparison is {SHA}. Run `git diff {SHA}` to inspect the changes "
                "relative to main. Provide prioritized, actionable findings."
            ),
            "changes against 'main'",
        ),
        (
            BaseBranchReviewTarget("nope"),
            None,
            (
                "Review the code changes against the base branch 'nope'. Start by finding the "
                "merge diff between the current branch and nope's upstream e.g. (`git merge-base "
                'HEAD "$(git rev-parse --abbrev-ref "nope@{upstream}")"`), then run `git diff` '
                "against that SHA to see what changes we would merge into the nope branch. Provide "
                "prioritized, actionable findings."
            ),
            "changes against 'nope'",
        ),
        (
            CommitReviewTarget("1234567890abc", 'A "q" title'),
            None,
            (
                'Review the code changes introduced by commit 1234567890abc ("A "q" title"). '
                "Provide prioritized, actionable findings."
            ),
            'commit 1234567: A "q" title',
        ),
        (
            CommitReviewTarget("HEAD"),
            None,
            (
                "Review the code changes introduced by commit HEAD. Provide prioritized, "
                "actionable findings."
            ),
            "commit HEAD",
        ),
        (
            CustomReviewTarget("  look at f.py\nand g "),
            None,
            "look at f.py\nand g",
            "look at f.py\nand g",
        ),
    ],
)
def test_prompts_and_titles_are_those_of_codex(
    target: ReviewTarget, merge_base: str | None, prompt: str, title: str
):
    assert review_prompt(target, merge_base) == prompt
    assert review_title(target) == title


def test_targets_are_trimmed_and_never_empty():
    assert checked_target(BaseBranchReviewTarget(" main ")) == BaseBranchReviewTarget("main")
    assert checked_target(CommitReviewTarget(" a ", " ")) == CommitReviewTarget("a")
    assert checked_target(UncommittedChangesReviewTarget()) == UncommittedChangesReviewTarget()
    for target, name in (
        (BaseBranchReviewTarget(" "), "branch"),
        (CommitReviewTarget(""), "sha"),
        (CustomReviewTarget("\n"), "instructions"),
    ):
        with pytest.raises(ValueError, match=f"^{name} must not be empty$"):
            checked_target(target)


def test_the_conversation_keeps_the_texts_of_codex():
    assert handed_back("Fine.\n\n{text}") == (
        "<user_action>\n  <context>User initiated a review task. Here's the full review output "
        "from reviewer model. User may select one or more comments to resolve.</context>\n"
        "  <action>review</action>\n  <results>\n  Fine.\n\n{text}\n  </results>\n"
        "  </user_action>\n"
    )
    assert handed_back(None) == (
        "<user_action>\n  <context>User initiated a review task, but was interrupted. If user "
        "asks about this, tell them to re-initiate a review with `/review` and wait for it to "
        "complete.</context>\n  <action>review</action>\n  <results>\n  None.\n  </results>\n"
        "</user_action>\n\n"
    )
    assert INTERRUPTED == (
        "Review was interrupted. Please re-run /review and wait for it to complete."
    )


def test_the_rubric_names_every_member_of_the_answer():
    rubric = review_rubric()
    for word in (
        *("findings", "title", "body", "confidence_score", "priority", "code_location"),
        *("absolute_file_path", "line_range", "start", "end", "overall_correctness"),
        *("overall_explanation", "overall_confidence_score", "patch is correct"),
        *("patch is incorrect", "[P0]", "[P1]", "[P2]", "[P3]", "80 characters", "AGENTS.md"),
    ):
        assert word in rubric, word
