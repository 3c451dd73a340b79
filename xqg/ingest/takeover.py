"""Refuses a file whose id is that of another folder's file: ids are relative to the folder, and would replace it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice

from xqg.identifiers import canonical
from xqg.protocols import VectorStore
from xqg.readers.folder import SOURCE
from xqg.records import Passage, Reject

BATCH_SIZE = 64


def guarded(records: Iterable[Passage | Reject], store: VectorStore) -> Iterator[Passage | Reject]:
    """The same records; a document is a reject where the store has one of this id out of another folder.

    Folders are told apart by their name and that of the folder above, so that they may be moved as a whole.
    """
    stream = iter(records)
    while batch := list(islice(stream, BATCH_SIZE)):
        yield from _checked(batch, store)


def _checked(batch: Sequence[Passage | Reject], store: VectorStore) -> Iterator[Passage | Reject]:
    ours = {
        record.document_id: path for record in batch if isinstance(record, Passage) and (path := path_of_file(record))
    }
    ids = [name for key in ours for name in (key, f"{key}#1")]
    known = {point.passage.document_id: path_of_file(point.passage) for point in store.points(ids)} if ids else {}
    for record in batch:
        theirs = known.get(record.document_id) if isinstance(record, Passage) else None
        if isinstance(record, Reject) or theirs is None or theirs == ours.get(record.document_id):
            yield record
        elif record.chunk == 1:
            yield _reject(record, theirs)


def path_of_file(passage: Passage) -> str | None:
    """Where the file of a passage lies; None where it is none of a folder."""
    value = passage.metadata.get(SOURCE)
    path = canonical(value) if isinstance(value, str) else ""
    return path if path.endswith(f"/{passage.document_id}") else None


def _reject(passage: Passage, theirs: str) -> Reject:
    reason = (
        f"the id {passage.document_id!r} is that of {theirs}, which is stored: ids are relative to the folder named; "
        "name the folder above both, or give --update to replace it"
    )
    file = str(passage.metadata[SOURCE])
    return Reject(file, 1, reason, {"id": passage.document_id, "title": passage.title})
