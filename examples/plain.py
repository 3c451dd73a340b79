"""Ingest three passages and search them in French, with nothing but xqg."""

from __future__ import annotations

import tempfile

from help_centre import CORPUS, QUERIES, read_lines

from xqg import open_ingestion, open_searcher

with tempfile.TemporaryDirectory() as folder:
    with open_ingestion(store=f"edge:{folder}", collection="help", generator=f"file:{QUERIES}") as job:
        job.ingest(read_lines(CORPUS))
    with open_searcher(store=f"edge:{folder}", collection="help") as searcher:
        for hit in searcher.search("mot de passe oublié", limit=2):
            print(f"{hit.score:.3f}  {hit.passage.id}")
