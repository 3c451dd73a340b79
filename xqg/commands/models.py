"""``xqg models`` fetches translation models before they are needed; ``xqg export`` hands out the bundled encoder."""

from __future__ import annotations

from pathlib import Path

import click

from xqg.errors import SettingsError
from xqg.folder_lock import locked_folder
from xqg.languages import language_code
from xqg.options import split_codes


@click.group()
def models() -> None:
    """Models of `--generator translate`, for machines without a network."""


@models.command()
@click.option("--languages", required=True, metavar="CODES", help="to translate into, ISO 639-1")
@click.option("--from", "source", default="en", show_default=True, help="language of the passages")
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), help="for `--models`; default: the cache")
def fetch(languages: str, source: str, out: Path | None) -> None:
    """Fetch the models of Firefox Translations for these languages; what is there already is not fetched again."""
    from xqg.console import print_lines
    from xqg.generators.translation.firefox import FirefoxTranslator
    from xqg.generators.translation.firefox_models import fetch_models

    FirefoxTranslator().check()
    with locked_folder(out):
        for code in map(language_code, split_codes(languages)):
            files = fetch_models(language_code(source), code, out)
            size = sum(path.stat().st_size for path in files) / 2**20
            print_lines(f"{code}: {size:.0f} MB in {files[0].parent.parent}")


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
