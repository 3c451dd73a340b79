"""Builds an augmentation from settings; heavy imports stay inside."""

from __future__ import annotations

from typing import TYPE_CHECKING

from xqg.assembly import build_encoder, build_generator
from xqg.errors import SettingsError
from xqg.languages import LanguageDetector
from xqg.plugin.settings import AugmentSettings
from xqg.settings import IngestSettings, StoreSettings

if TYPE_CHECKING:
    from xqg.plugin.augment import AugmentJob
    from xqg.stores.foreign import ForeignServer


def open_server(settings: StoreSettings) -> ForeignServer:
    """The server of a store, not yet connected.

    :raises SettingsError: if the store is embedded.
    """
    if settings.embedded_path is not None:
        raise SettingsError(
            f"{settings.spec} holds xqg's own collections only",
            "the URL of the Qdrant server that has the collection",
            "For example --store http://localhost:6333",
        )
    from xqg.stores.foreign import ForeignServer

    return ForeignServer(settings)


def open_augmentation(source: StoreSettings, settings: AugmentSettings, ingest: IngestSettings) -> AugmentJob:
    """An augmentation with its parts built and checked; use it as a context manager.

    :param source: the collection to start from. :param ingest: its store is the new collection.
    :raises XqgError: if a part cannot be used; nothing was written.
    """
    from xqg.encoders.profiles import find_profile
    from xqg.plugin.augment import AugmentJob

    server, detector = open_server(source), LanguageDetector()
    generator = build_generator(ingest.generator, detector)
    encoder = build_encoder(ingest.encoder)
    return AugmentJob(source.collection, settings, ingest, generator, encoder, server, detector, find_profile)
