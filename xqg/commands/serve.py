"""``xqg serve``: ingestion and search as a running service."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Any

import click

from xqg.config import over, read_config
from xqg.extras import importing
from xqg.options import FLAGS, collect, settings_options
from xqg.settings import validated

SETTINGS = [path for path in FLAGS if path.partition(".")[0] in ("store", "generator", "encoder", "fusion", "reader")]
SETTINGS.remove("store.collection")  # requests name it


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
@settings_options(*SETTINGS, "job.batch_size")
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
