"""Sees that labels name passages that are there: a query whose passage is missing counts 0 whatever the vectors are."""

from __future__ import annotations

from xqg.errors import InputError
from xqg.evaluation.evaluate import Evaluation
from xqg.search.searcher import Searcher


def check_labels(searcher: Searcher, evaluation: Evaluation, collection: str) -> None:
    """See that every label of the evaluated queries matches a passage or a document of the collection.

    :raises InputError: tells how many do not, and one of them. :raises StoreError: if the store fails.
    """
    found = {document.id for result in evaluation.results for document in result.ranking}
    labels = {key: result.query.id for result in evaluation.results for key in result.query.relevant}
    missing = [key for key in labels if key not in found and not _is_stored(searcher, key)]
    if missing:
        raise InputError(
            f"{len(missing)} of {len(labels)} labels match no passage of collection {collection!r}, "
            f"{missing[0]!r} of the query {labels[missing[0]]!r} among them",
            "asked for ids of passages or documents that it holds",
            "Ingest these passages, name the collection they are in, or take the labels out",
        )


def _is_stored(searcher: Searcher, key: str) -> bool:
    """Whether there is such a passage, or a document that was split into chunks: its first is ID#1."""
    return any(searcher.look_up(found) is not None for found in (key, f"{key}#1"))
