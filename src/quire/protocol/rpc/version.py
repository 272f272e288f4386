"""Which protocol is spoken."""

from __future__ import annotations

PROTOCOL_VERSION = "0.169.0"
"""The version of Codex whose protocol this is: clients refuse servers that are too old."""
