"""``xqg models``: translation models, fetched before they are needed."""

from __future__ import annotations

from pathlib import Path

import click

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
