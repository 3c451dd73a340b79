"""``xqg mcp``: a collection for assistants."""

from __future__ import annotations

from contextlib import closing
from typing import Any

import click

from xqg.commands.interruption import end_on_signal
from xqg.known_layouts import NAMES
from xqg.options import collect, settings_options
from xqg.settings import EncoderSettings, StoreSettings, validated


@click.command()
@settings_options("store", "encoder")
@click.option("--layout", help=f"who wrote the payloads: {', '.join(NAMES)}; default: recognised")
@click.option("--text-key", help="payload key of the text; default: the layout's")
@click.option("--metadata-key", help="payload key of the metadata; default: the layout's")
@click.option("--vector-name", help="dense vector to search; default: the only one, or the fused one")
def mcp(
    layout: str | None, text_key: str | None, metadata_key: str | None, vector_name: str | None, **options: Any
) -> None:
    """Serve a collection to assistants, over the Model Context Protocol on stdin and stdout.

    Two tools, both read only: search and show. The collection may be anybody's (LangChain, LlamaIndex, Haystack, n8n,
    mcp-server-qdrant, …); name its --encoder where xqg did not make or augment it.
    """
    from xqg.plugin.mcp import ReadingSettings, build_server, open_reader

    values = collect(options)
    encoder = None
    if "spec" in values["encoder"]:
        encoder = validated(EncoderSettings, values["encoder"])
    settings = ReadingSettings(
        store=validated(StoreSettings, values["store"]),
        encoder=encoder,
        endpoint=values["encoder"],
        layout=layout,
        text_key=text_key,
        metadata_key=metadata_key,
        vector_name=vector_name,
    )
    with closing(open_reader(settings)) as reader:
        end_on_signal()
        build_server(reader, settings.store.collection).run("stdio")
