"""MCP: what an assistant does with `xqg mcp`, here on a collection that is made first."""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile

from help_centre import CORPUS, QUERIES
from mcp import Client, StdioServerParameters, stdio_client

from xqg import open_ingestion


async def ask(folder: str, question: str) -> None:
    """Start the server as an assistant would, and print its hits."""
    arguments = ["-m", "xqg.cli", "--quiet", "mcp", "--store", f"edge:{folder}", "--collection", "help"]
    server = StdioServerParameters(command=sys.executable, args=arguments, env=dict(os.environ))
    async with Client(stdio_client(server)) as client:
        found = await client.call_tool("search", {"query": question, "limit": 2})
        for hit in found.structured_content["hits"]:
            print(f"{hit['score']:.3f}  {hit['id']}")


with tempfile.TemporaryDirectory() as folder:
    with open_ingestion(store=f"edge:{folder}", collection="help", generator=f"file:{QUERIES}") as job:
        job.run([str(CORPUS)])
    asyncio.run(ask(folder, "mot de passe oublié"))
