"""`quire acp`: serve the client on standard input and output."""

from __future__ import annotations

from acp import run_agent, stdio_streams

from quire.acp.agent import QuireAgent
from quire.client.quire import Quire

NAME = "quire_acp"
MAX_MESSAGE = 64 * 1024 * 1024
"""Bytes; images come within messages."""


async def serve(quire: Quire) -> None:
    """Until the client is gone."""
    reader, writer = await stdio_streams(MAX_MESSAGE)
    try:
        await run_agent(QuireAgent(quire), writer, reader, use_unstable_protocol=True)
    finally:
        writer.close()
