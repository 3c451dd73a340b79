"""``xqg export``: the bundled encoder for other software."""

from __future__ import annotations

from pathlib import Path

import click

from xqg.errors import SettingsError


@click.command()
@click.argument("what", type=click.Choice(["encoder"]))
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False))
def export(what: str, folder: Path) -> None:
    """Write the bundled ENCODER into FOLDER, as sentence-transformers reads it.

    Any stack can use it from there, or train it on: `--encoder hf:FOLDER` for xqg itself.
    """
    from xqg.encoders.e5_export import export_encoder

    if folder.exists() and any(folder.iterdir()):
        raise SettingsError(f"{folder} is not empty", "a new folder to write into", "Name another")
    export_encoder(folder)
    click.echo(f"The bundled {what} is in {folder}; load it with SentenceTransformer({str(folder)!r})")
