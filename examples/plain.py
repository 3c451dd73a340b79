"""Ingest three passages and search them in French, with nothing but xqg."""

from __future__ import annotations

import tempfile

from help_centre import CORPUS, QUERIES

from xqg import IngestSettings, SearchSettings, open_ingestion, open_searcher

with tempfile.TemporaryDirectory() as folder:
    store = {"spec": f"edge:{folder}", "collection": "help"}
    with open_ingestion(IngestSettings(store=store, generator={"spec": f"file:{QUERIES}"})) as job:
        job.run([str(CORPUS)])
    searcher = open_searcher(SearchSettings(store=store))
    for hit in searcher.search("mot de passe oublié", limit=2):
        print(f"{hit.score:.3f}  {hit.passage.id}")
    searcher.close()
