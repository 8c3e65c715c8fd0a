"""The peer that intake is compared with: python-hl7's own MLLP server; it answers each message and stores nothing."""

from __future__ import annotations

import asyncio
import sys
from typing import Any

import hl7
from hl7.mllp import start_hl7_server


async def answer(reader: Any, writer: Any) -> None:
    """Answer messages of one connection until it closes, the way python-hl7's documentation does."""
    try:
        while not writer.is_closing():
            message = await reader.readmessage()
            writer.writemessage(message.create_ack())
            await writer.drain()
    except (asyncio.IncompleteReadError, ConnectionError, hl7.HL7Exception):
        writer.close()


async def main() -> None:
    """Serve on a free port of loopback, and print the port."""
    server = await start_hl7_server(answer, "127.0.0.1", 0, encoding="utf-8")
    async with server:
        print(server.sockets[0].getsockname()[1], flush=True)
        await server.serve_forever()


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
