"""The embedded offline model: a deterministic program-repair search behind the `Model` port.

It is no language model. It makes the same tool calls as any model and sees only what any model
sees; the search itself runs as one sandboxed command (`search_main.py` and `quire_repair/`).
Loaded only when no other model is configured, or with `-m offline`.
"""

from __future__ import annotations

from quire.models.offline.model import OfflineModel

__all__ = ["OfflineModel"]
