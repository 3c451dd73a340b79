"""Documents and their sources: those that these have no more are deleted where `--sync` asks for it; a file whose id is
that of another folder's file is refused, since ids are relative to the folder, and it would replace that one.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice

from xqg.errors import StoreError, XqgError
from xqg.identifiers import canonical, identifier, spellings
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


logger = logging.getLogger(__name__)

NEXT = 2
"""Chunks looked for beyond the last that is known of, for a chunk whose vector was refused is missing."""

FEW, SHARE = 10, 0.2
"""How many documents, and which share of those stored, may be lost at once where no limit was named."""


@dataclass
class Sources:
    """What one pass over the sources met.

    ``documents``: their ids. ``origins``: the folders that they came from, "" for files of records.
    ``unknown``: how many rejected records had no id, so that any document may be one of them.
    """

    id_field: str
    documents: set[str] = field(default_factory=set)
    origins: set[str] = field(default_factory=set)
    unknown: int = 0

    def watched(self, records: Iterable[Passage | Reject]) -> Iterator[Passage | Reject]:
        """The same records, taken note of."""
        for record in records:
            if isinstance(record, Passage):
                self.documents.add(record.document_id)
                self.origins.add(_origin(record))
            else:
                self._note_reject(record)
            yield record

    def _note_reject(self, reject: Reject) -> None:
        values = reject.record if isinstance(reject.record, Mapping) else {}
        try:
            self.documents.add(identifier(values.get(self.id_field)))
        except ValueError:
            self.unknown += 1


@dataclass(frozen=True)
class Lost:
    """Stored documents that the sources have no more, with the ids of their passages.

    ``stored``: how many documents there are. ``elsewhere``: how many came from other folders or files.
    """

    documents: Mapping[str, tuple[str, ...]]
    stored: int
    elsewhere: int


def find_lost(store: VectorStore, sources: Sources) -> Lost:
    """Look through the store for documents that came from where ``sources`` did and are not among them.

    A document out of another folder is not lost: it was not looked for. Files of records are not told apart.
    """
    documents: dict[str, tuple[str, ...]] = {}
    stored: set[str] = set()
    elsewhere: set[str] = set()
    for point in store.points():
        passage = point.passage
        stored.add(passage.document_id)
        if passage.document_id in sources.documents:
            continue
        if _origin(passage) in sources.origins:
            documents[passage.document_id] = (*documents.get(passage.document_id, ()), passage.id)
        else:
            elsewhere.add(passage.document_id)
    return Lost(documents, len(stored), len(elsewhere - set(documents)))


def delete_lost(store: VectorStore, sources: Sources, limit: int | None) -> int:
    """Delete what `find_lost` finds; tells how many documents that were.

    :param limit: most of them; None: `FEW`, or `SHARE` of those stored if that is more.
    :raises StoreError: if there are more; then none is deleted.
    """
    if sources.unknown:
        logger.warning(
            "--sync deletes nothing: %d rejected records tell no id, so any document may be one of them",
            sources.unknown,
        )
        return 0
    lost = find_lost(store, sources)
    most = _most(lost) if limit is None else limit
    if len(lost.documents) > most:
        raise StoreError(
            f"{len(lost.documents)} of {lost.stored} stored documents are in the sources no more",
            f"at most {most}, so none was deleted",
            f"See which with --dry-run; if all of them are to go, give --sync-limit {len(lost.documents)}",
        )
    if lost.elsewhere:
        logger.info("%d stored documents came from other folders or files, and stay", lost.elsewhere)
    return delete_documents(store, lost.documents)


def find_gone_files(store: VectorStore, sources: Sources) -> Mapping[str, tuple[str, ...]]:
    """What ``--update`` deletes: the documents, with the ids of their passages, of files that are gone from folders.

    Where they are more than `delete_lost` deletes without a limit, none is deleted, and a warning says so.
    """
    folders = replace(sources, origins=sources.origins - {""})
    if folders.unknown or not folders.origins:
        return {}
    lost = find_lost(store, folders)
    if len(lost.documents) > _most(lost):
        logger.warning("%d stored documents are gone from here; --sync --dry-run tells which", len(lost.documents))
        return {}
    return lost.documents


def delete_documents(store: VectorStore, documents: Mapping[str, tuple[str, ...]]) -> int:
    """Delete the passages of these documents; tells how many documents there are."""
    store.delete([passage_id for ids in documents.values() for passage_id in ids])
    return len(documents)


def _most(lost: Lost) -> int:
    return max(FEW, int(SHARE * lost.stored))


def tell_of_more(store: VectorStore, sources: Sources, read: int) -> None:
    """Say so where the store holds more than the ``read`` passages of folders: pages may have been taken out."""
    found = store.describe() if sources.origins - {""} else None
    if found is not None and found.points > read:
        more = found.points - read
        logger.info("The collection holds %d more passages; --sync --dry-run tells which are gone from here", more)


def passages_of(store: VectorStore, name: str) -> list[str]:
    """The ids of the stored passages of the document ``name``, however it is spelled.

    :raises XqgError: if there is none, or ``name`` is that of one chunk of a longer document.
    """
    for found in stored_passages(store, spellings(name)).values():
        if found:
            return found
    chunk = next(iter(store.points(spellings(name))), None)
    if chunk is not None:
        raise XqgError(
            f"{name!r} is chunk {chunk.passage.chunk} of {chunk.passage.chunks}",
            "the id of a document",
            f"Delete {chunk.passage.document_id!r} as a whole; the next ingestion would store the chunk again",
        )
    raise XqgError(
        f"There is no document {name!r} in this collection", "the id of one", "Look for it with `xqg search`"
    )


def stored_passages(store: VectorStore, documents: Sequence[str]) -> dict[str, list[str]]:
    """The ids of the stored passages of each of ``documents``, by its id as it is given; [] where there are none."""
    return {name: [chunk.id for chunk in chunks] for name, chunks in _find_chunks(store, documents).items()}


def delete_stale_chunks(store: VectorStore, documents: Mapping[str, str], kept: Collection[str] = ()) -> None:
    """Delete the stored chunks of these documents (id to ``document_hash``) that have another document hash.

    They are found and deleted by their ids, for a server's strict mode may refuse to delete by fields. The last ones go
    first, so that those that a broken run left are found again: they follow the others without a gap.

    :param kept: passages that are replaced anyway.
    """
    found = _find_chunks(store, documents)
    stale = [chunk.id for name, chunks in found.items() for chunk in chunks if chunk.document_hash != documents[name]]
    store.delete([passage_id for passage_id in stale[::-1] if passage_id not in kept])


def _find_chunks(store: VectorStore, documents: Iterable[str]) -> dict[str, list[Passage]]:
    """The stored passages of each document by their ids alone, which are ID, or ID#1 to ID#N; in that order."""
    found: dict[str, list[Passage]] = {name: [] for name in documents}
    last = dict.fromkeys(found, 0)  # the last chunk looked for
    ids, reach = list(found), dict.fromkeys(found, NEXT)
    while reach:
        ids += [f"{name}#{number}" for name, end in reach.items() for number in range(last[name] + 1, end + 1)]
        last.update(reach)
        for point in store.points(ids):
            if point.passage.document_id in found:  # else a document that is called like a chunk
                found[point.passage.document_id].append(point.passage)
        ends = {name: max((one.chunks for one in found[name] if one.chunks > 1), default=0) + NEXT for name in reach}
        ids, reach = [], {name: end for name, end in ends.items() if end > last[name]}
    return found


def _origin(passage: Passage) -> str:
    path = path_of_file(passage)
    return "" if path is None else path.removesuffix(f"/{passage.document_id}")
