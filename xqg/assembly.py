"""Opens jobs and searchers: the place that wires parts together, so heavy imports stay inside its functions."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack, closing
from typing import TYPE_CHECKING, Any

from xqg.errors import SettingsError
from xqg.kinds import build_encoder as build_encoder
from xqg.kinds import build_generator as build_generator
from xqg.kinds import build_store as build_store
from xqg.kinds import open_store as open_store
from xqg.languages import LanguageDetector
from xqg.protocols import Encoder, QueryGenerator, VectorStore
from xqg.settings import EncoderSettings, GeneratorSettings, IngestSettings, SearchSettings, StoreSettings

if TYPE_CHECKING:
    from xqg.augment.job import AugmentJob
    from xqg.ingest.job import IngestJob
    from xqg.search.searcher import Searcher
    from xqg.settings import AugmentSettings
    from xqg.stores.server import Server


def pin_encoder(settings: IngestSettings, store: VectorStore) -> IngestSettings:
    """``settings`` with the encoder's revision that the collection in ``store`` was made with, where they name none."""
    from xqg.metadata import pinned_encoder

    found = store.describe() if settings.encoder.spec.startswith("hf:") and settings.encoder.revision is None else None
    encoder = settings.encoder if found is None else pinned_encoder(settings.encoder, found.metadata)
    return settings.model_copy(update={"encoder": encoder})


def _pinned(settings: IngestSettings) -> IngestSettings:
    with closing(build_store(settings.store)) as store:
        return pin_encoder(settings, store)


def open_ingestion(
    settings: IngestSettings | None = None,
    *,
    store: str | StoreSettings | VectorStore | None = None,
    collection: str | None = None,
    encoder: str | EncoderSettings | Encoder | None = None,
    generator: str | GeneratorSettings | QueryGenerator | None = None,
    languages: Sequence[str] | None = None,
    **options: Any,
) -> IngestJob:
    """An ingestion job with its parts built and checked; a context manager that closes the store.

    Give ``settings``, or keywords: those named here and every option of ``xqg ingest`` with ``_`` for ``-``
    (``queries_per_language=3``). A store, encoder or generator is text as on the command line, settings, or an object
    with the members of its protocol, which is taken as it is.

    :param store: "edge:FOLDER" (the default, "edge:./xqg-data") or the URL of a Qdrant server, whose key
        may be in ``QDRANT_API_KEY``.
    :param collection: its name in the store; made at the first ingestion.
    :param encoder: "bundled" (the default), "hf:MODEL" or "openai:MODEL".
    :param generator: who writes queries or translations; None: nobody, "bundled" where languages are named.
    :param languages: target languages, ISO 639-1.
    :raises SettingsError: if a setting is wrong. :raises XqgError: if a part cannot be used; nothing was written.
    """
    from xqg.config import handed_in, ingest_settings
    from xqg.encoders.profiles import find_profile
    from xqg.ingest.job import IngestJob

    named = {"store": store, "collection": collection, "encoder": encoder, "generator": generator}
    chosen = ingest_settings(settings, {**named, "languages": languages, **options})
    detector = LanguageDetector()
    own_generator, own_encoder = handed_in(generator, QueryGenerator), handed_in(encoder, Encoder)
    own_store = handed_in(store, VectorStore)
    if own_generator is not None and not (chosen.generator.languages or own_generator.languages()):
        raise SettingsError("The generator has no target languages", 'some, such as languages=["fr", "ja"]')
    chosen = _pinned(chosen) if own_store is None else pin_encoder(chosen, own_store)
    return IngestJob(
        chosen,
        build_generator(chosen.generator, detector) if own_generator is None else own_generator,
        build_encoder(chosen.encoder) if own_encoder is None else own_encoder,
        build_store(chosen.store) if own_store is None else own_store,
        detector,
        find_profile,
    )


def open_searcher(
    settings: SearchSettings | None = None,
    *,
    store: str | StoreSettings | VectorStore | None = None,
    collection: str | None = None,
    encoder: str | EncoderSettings | Encoder | None = None,
    for_many: bool = False,
    **options: Any,
) -> Searcher:
    """A searcher on an existing collection; a context manager that closes the store.

    Parameters as for `open_ingestion`.

    :param encoder: None takes the one that the collection was made with.
    :param for_many: it will get hundreds of questions at once, so that it pays to wait for what encodes fastest.
    :raises StoreError: if the collection is missing. :raises FingerprintError: if another encoder made it.
    """
    from xqg.config import handed_in, search_settings
    from xqg.metadata import noted_encoder, pinned_encoder
    from xqg.search.searcher import Searcher, check_encoder, require_collection

    named = {"store": store, "collection": collection, "encoder": encoder}
    chosen = search_settings(settings, {**named, **options})
    own_encoder, own_store = handed_in(encoder, Encoder), handed_in(store, VectorStore)
    name = chosen.store.collection
    with ExitStack() as opened:
        found = open_store(chosen.store, chosen.beside) if own_store is None else own_store
        opened.callback(found.close)
        metadata = (present := require_collection(found, name)).metadata
        if own_encoder is None:
            wanted = chosen.encoder
            if wanted is None:
                wanted = noted_encoder(metadata, chosen.endpoint, name)
            own_encoder = build_encoder(pinned_encoder(wanted, metadata), for_search=not for_many)
        check_encoder(present, own_encoder, name)
        opened.pop_all()
    return Searcher(own_encoder, found)


def open_server(settings: StoreSettings) -> Server:
    """The server of a store, not yet connected.

    :raises SettingsError: if the store is embedded.
    """
    if not settings.is_server:
        raise SettingsError(
            f"{settings.spec} holds xqg's own collections only",
            "the URL of the Qdrant server that has the collection",
            "For example --store http://localhost:6333",
        )
    from xqg.stores.server import Server

    return Server(settings)


def open_augmentation(source: StoreSettings, settings: AugmentSettings, ingest: IngestSettings) -> AugmentJob:
    """An augmentation with its parts built and checked; use it as a context manager.

    :param source: the collection to start from. :param ingest: its store is the new collection.
    :raises XqgError: if a part cannot be used; nothing was written.
    """
    from xqg.augment.job import AugmentJob
    from xqg.encoders.profiles import find_profile

    server, detector = open_server(source), LanguageDetector()
    generator = build_generator(ingest.generator, detector)
    ingest = _pinned(ingest)
    encoder = build_encoder(ingest.encoder)
    return AugmentJob(source.collection, settings, ingest, generator, encoder, server, detector, find_profile)
