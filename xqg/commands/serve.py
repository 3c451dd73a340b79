"""``xqg serve`` runs ingestion and search as a service; ``xqg mcp`` hands one collection to assistants."""

from __future__ import annotations

import os
import tempfile
from contextlib import closing
from pathlib import Path
from typing import Any

import click

from xqg.commands.interruption import end_on_signal
from xqg.config import over, read_config
from xqg.extras import importing
from xqg.known_layouts import NAMES
from xqg.options import collect, settings_options
from xqg.settings import EncoderSettings, StoreSettings, validated

NAMED_BY_REQUESTS = ("store.collection",)


@click.command()
@click.option("--host", envvar="XQG_HOST", help="address to listen on; others than 127.0.0.1 need a key")
@click.option("--port", type=click.IntRange(0, 65535), envvar="XQG_PORT", help="[default: 8331]")
@click.option(
    "--data",
    type=click.Path(path_type=Path, file_okay=False),
    envvar="XQG_DATA",
    help="folder of the queue, uploads and, without --store, the collections  [default: xqg-service]",
)
@click.option("--config", type=click.Path(path_type=Path), envvar="XQG_CONFIG", help="settings file, in TOML")
@settings_options("store", "generator", "encoder", "fusion", "reader", "job.batch_size", without=NAMED_BY_REQUESTS)
def serve(host: str | None, port: int | None, data: Path | None, config: Path | None, **options: Any) -> None:
    """Serve collections over HTTP, with a queue that outlasts a kill, and a page to look at them.

    Keys come from XQG_SERVICE_KEYS (read:KEY,write:KEY,admin:KEY) or the settings file.
    """
    from xqg.service.service_settings import ServiceSettings, keys_from_environment

    with importing("service", "xqg serve"):
        import python_multipart  # noqa: F401 - reads uploads

        from xqg.service.server import run_service
        from xqg.service.service import Service
    file = read_config(config)
    own = {**file.get("service", {}), "sources": file.get("sources", [])}
    own |= {name: value for name, value in {"host": host, "port": port, "data": data}.items() if value is not None}
    own["keys"] = [*own.get("keys", []), *keys_from_environment(os.environ)]
    settings: ServiceSettings = validated(ServiceSettings, own)
    service = Service(settings, over(file, collect(options)))
    tempfile.tempdir = str(service.spool.forms)  # where uploads of forms are written while they come
    run_service(service, lambda address: click.echo(f"xqg serves {address}", err=True))


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
