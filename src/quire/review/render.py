"""What the conversation is told of a review (row P11; texts of Codex 0.169).

The message for people is `quire.protocol.review.review_text`.
"""

from __future__ import annotations

INTERRUPTED = "Review was interrupted. Please re-run /review and wait for it to complete."

_DONE = """\
<user_action>
  <context>User initiated a review task. Here's the full review output from reviewer model. \
User may select one or more comments to resolve.</context>
  <action>review</action>
  <results>
  {text}
  </results>
  </user_action>
"""
_STOPPED = """\
<user_action>
  <context>User initiated a review task, but was interrupted. If user asks about this, tell them \
to re-initiate a review with `/review` and wait for it to complete.</context>
  <action>review</action>
  <results>
  None.
  </results>
</user_action>

"""


def handed_back(text: str | None) -> str:
    """The user message that a finished review leaves in the conversation, `text` being what
    people saw; None stands for a review that was stopped or failed."""
    return _STOPPED if text is None else _DONE.replace("{text}", text)
