"""`quire acp`: serve the client on standard input and output until it is gone."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from acp import run_agent, stdio_streams

from quire.acp.agent import QuireAgent
from quire.client.quire import Quire

MAX_MESSAGE = 64 * 1024 * 1024
"""Bytes; images come within messages."""


def run(cwd: str, config: Mapping[str, object]) -> None:
    """`config` holds overrides by dotted key. Raises `CannotConnect` for a configuration that
    cannot be used."""
    asyncio.run(_serve(cwd, config))


async def _serve(cwd: str, config: Mapping[str, object]) -> None:
    async with Quire(cwd=cwd, config=config, name="quire_acp") as quire:
        reader, writer = await stdio_streams(MAX_MESSAGE)
        try:
            await run_agent(QuireAgent(quire), writer, reader, use_unstable_protocol=True)
        finally:
            writer.close()
