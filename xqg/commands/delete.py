"""``xqg delete``."""

from __future__ import annotations

from contextlib import closing
from typing import Any

import click

from xqg.options import collect, settings_options
from xqg.settings import StoreSettings, validated


@click.command()
@click.argument("document_ids", nargs=-1, required=True)
@settings_options("store")
@click.option("--dry-run", is_flag=True, help="print what would be deleted, delete nothing")
@click.option("--json", "as_json", is_flag=True, help="print the ids of the passages as JSON")
def delete(document_ids: tuple[str, ...], dry_run: bool, as_json: bool, **options: Any) -> None:
    """Delete documents, with all their chunks, from a collection that `xqg ingest` made.

    If one of DOCUMENT_IDS is not there, nothing is deleted. While a document is in the source, the next ingestion
    stores it again.
    """
    from xqg.assembly import build_store
    from xqg.console import print_json, print_lines
    from xqg.ingest.removal import passages_of
    from xqg.search.searcher import require_collection

    settings: StoreSettings = validated(StoreSettings, collect(options)["store"])
    with closing(build_store(settings)) as store:
        require_collection(store, settings.collection)
        found = {name: passages_of(store, name) for name in dict.fromkeys(document_ids)}
        passage_ids = list(dict.fromkeys(key for ids in found.values() for key in ids))
        if not dry_run:
            store.delete(passage_ids)
    if as_json:
        print_json({"dry_run": dry_run, "documents": list(found), "passages": passage_ids})
        return
    done = "would delete" if dry_run else "deleted"
    print_lines(*(f"{done} {name}" + (f" ({len(ids)} chunks)" if len(ids) > 1 else "") for name, ids in found.items()))
