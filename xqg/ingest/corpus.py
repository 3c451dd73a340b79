"""The way of the passages in: read the sources, refuse repeated ids, split what is too long."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing

from xqg.errors import SettingsError
from xqg.ingest.chunking import Chunker
from xqg.ingest.readers.building import PlacedPassage
from xqg.ingest.readers.lines import STANDARD_INPUT
from xqg.ingest.readers.seen_ids import Claim, SeenIds
from xqg.ingest.readers.sources import check_source, read_records
from xqg.languages import LanguageDetector
from xqg.records import Passage, Reject
from xqg.settings import ReaderSettings


def passages_from(
    sources: Sequence[str], settings: ReaderSettings, count_tokens: Callable[[str], int], detector: LanguageDetector
) -> Iterator[Passage | Reject]:
    """The passages of all sources, ready to be stored: each id occurs once, and no text is too long.

    All sources are checked at once, before the first one is read. Of several records with one id the
    first wins and the others are rejects, over all sources. A document also owns the ids of its chunks:
    a document that is called like a chunk of another one is rejected if it comes later, and a long
    document whose chunks would be called like an earlier document is rejected as a whole.

    :param sources: files, folders, or "-" for standard input.
    :param count_tokens: tokens of a text for the encoder that the passages are for.
    :param detector: tells the language of passages where neither they nor the settings name one.
    :raises XqgError: if a source cannot be opened or is not what was asked for.
    """
    check_sources(sources, settings)
    return _read_all(tuple(sources), settings, Chunker(count_tokens, settings), detector)


def check_sources(sources: Sequence[str], settings: ReaderSettings) -> None:
    """Look at all sources, as far as that is possible without reading them, before any work starts.

    :raises XqgError: if there is none, or one cannot be opened or is not what was asked for.
    """
    if not sources:
        raise SettingsError("No source is named", "asked for files or folders of passages", "Name at least one")
    if sources.count(STANDARD_INPUT) > 1:
        raise SettingsError("Standard input is named twice", "it can be read once", "Drop one of the two")
    for source in sources:
        check_source(source, settings)


def _read_all(
    sources: Sequence[str], settings: ReaderSettings, chunker: Chunker, detector: LanguageDetector
) -> Iterator[Passage | Reject]:
    with closing(SeenIds()) as seen:
        for source in sources:
            for found in read_records(source, settings, detector):
                if isinstance(found, Reject):
                    yield found
                else:
                    yield from _admit(found, seen, chunker)


def _admit(found: PlacedPassage, seen: SeenIds, chunker: Chunker) -> Sequence[Passage | Reject]:
    """The chunks of a document whose ids are free, else the reject."""
    document_id = found.passage.id
    earlier = seen.claim([document_id], document_id, found.file, found.line)
    if earlier is not None:
        return [_reject(found, f"duplicate id {document_id!r}, first seen at {_place(earlier)}")]
    chunks = chunker.chunk(found.passage)
    if len(chunks) > 1:
        earlier = seen.claim([chunk.id for chunk in chunks], document_id, found.file, found.line)
        if earlier is not None:
            return [_reject(found, f"duplicate id {earlier.id!r} of a chunk, first seen at {_place(earlier)}")]
    return chunks


def _place(claim: Claim) -> str:
    place = f"{claim.file}:{claim.line}"
    return place if claim.id == claim.document_id else f"{place} (a chunk of {claim.document_id!r})"


def _reject(found: PlacedPassage, reason: str) -> Reject:
    return Reject(found.file, found.line, reason, found.record)
