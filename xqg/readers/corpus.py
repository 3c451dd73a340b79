"""The way of the passages in: read the sources, refuse repeated ids, split what is too long."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing

from xqg.errors import SettingsError
from xqg.languages import CorpusLanguage, LanguageDetector
from xqg.readers.chunking import Chunker
from xqg.readers.inputs import STANDARD_INPUT
from xqg.readers.notes import Notes
from xqg.readers.passage_records import PlacedPassage
from xqg.readers.seen_ids import Claim, SeenIds
from xqg.readers.sources import Source, check_source, is_lasting, read_records
from xqg.records import Passage, Reject
from xqg.settings import ReaderSettings

logger = logging.getLogger(__name__)


class Corpus:
    """The passages of all sources, ready to be stored: each id occurs once, and no text is too long.

    All sources are checked at once, before the first one is read. Of several records with one id the
    first wins and the others are rejects, over all sources. A document also owns the ids of its chunks:
    a document that is called like a chunk of another one is rejected if it comes later, and a long
    document whose chunks would be called like an earlier document is rejected as a whole.

    It can be read as often as its sources can; each time the same comes of the same files.
    """

    def __init__(
        self,
        sources: Sequence[Source],
        settings: ReaderSettings,
        count_tokens: Callable[[str], int],
        detector: LanguageDetector,
    ) -> None:
        """:param sources: files, folders, "-" for standard input, or passages in memory.

        :param count_tokens: tokens of a text for the encoder that the passages are for.
        :param detector: tells the language of passages where neither they nor the settings name one.
        :raises XqgError: if a source cannot be opened or is not what was asked for.
        """
        check_sources(sources, settings)
        self._sources, self._settings, self._detector = tuple(sources), settings, detector
        self._chunker = Chunker(count_tokens, settings)
        self.notes = Notes()

    def __iter__(self) -> Iterator[Passage | Reject]:
        """Read all sources; afterwards ``notes`` holds what this pass changed in records."""
        self.notes = notes = Notes()
        language: CorpusLanguage | None = None
        with closing(SeenIds()) as seen:
            for source in self._sources:
                language = CorpusLanguage(self._detector, before=language)
                for found in read_records(source, self._settings, language, notes):
                    if isinstance(found, Reject):
                        yield found
                    else:
                        yield from _admit(found, seen, self._chunker)

    @property
    def lasting(self) -> bool:
        """Whether it can be read more than once: not from standard input and pipes."""
        return all(is_lasting(source) for source in self._sources)

    def tell(self) -> None:
        """Log what was changed in records so that they could be taken; nothing where nothing was."""
        for line in self.notes.lines():
            logger.warning("%s", line)


def passages_from(
    sources: Sequence[str], settings: ReaderSettings, count_tokens: Callable[[str], int], detector: LanguageDetector
) -> Iterator[Passage | Reject]:
    """One pass over a `Corpus`, with its parameters and errors, that tells what it changed at its end."""
    corpus = Corpus(sources, settings, count_tokens, detector)

    def read() -> Iterator[Passage | Reject]:
        yield from corpus
        corpus.tell()

    return read()


def check_sources(sources: Sequence[Source], settings: ReaderSettings) -> None:
    """Look at all sources, as far as that is possible without reading them, before any work starts.

    :raises XqgError: if there is none, or one cannot be opened or is not what was asked for.
    """
    if not sources:
        raise SettingsError("No source is named", "asked for files or folders of passages", "Name at least one")
    if sources.count(STANDARD_INPUT) > 1:
        raise SettingsError("Standard input is named twice", "it can be read once", "Drop one of the two")
    for source in sources:
        check_source(source, settings)


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
