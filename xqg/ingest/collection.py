"""Opening a collection to write to: made where it is missing, refused where it was made otherwise."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from xqg.errors import FingerprintError, StoreError
from xqg.fusion.profile import EncoderProfile
from xqg.fusion.rules import Fusion
from xqg.ingest.plan import Target
from xqg.metadata import check_metadata, differences, fingerprint, generation, vector_settings
from xqg.protocols import Collection, Encoder, QueryGenerator, VectorStore
from xqg.settings import IngestSettings

READY, UPDATING = "ready", "updating"

FindProfile = Callable[[Encoder], EncoderProfile]
"""Tells the profile of an encoder; may have to encode the probe texts for it."""

WRITTEN = "file"
"""The kind of generator whose queries people wrote."""


@dataclass(frozen=True)
class OpenCollection:
    """A collection that is ready to be written to.

    ``metadata`` is what it remembers from now on; ``fusion`` is how its rows are made; ``most_views`` is how many rows
    a passage may have beside the first; ``fresh`` tells that this run made it, so that it holds nothing of others.
    """

    target: Target
    metadata: Mapping[str, Any]
    fusion: Fusion
    most_views: int
    fresh: bool

    @property
    def updating(self) -> bool:
        """Whether some stored passages may still have vectors of other settings."""
        return bool(self.metadata["state"] == UPDATING)

    @property
    def generates_passages(self) -> bool:
        """Whether the generated texts are passages, and encoded as such."""
        return bool(self.metadata["settings"].get("augment_with") == "passages")


def open_collection(
    store: VectorStore,
    encoder: Encoder,
    generator: QueryGenerator | None,
    settings: IngestSettings,
    languages: tuple[str, ...],
    find_profile: FindProfile,
    dry_run: bool = False,
) -> OpenCollection:
    """Create the collection, or check that it was made with these settings.

    :param languages: the target languages, resolved (a ``file:`` generator may supply them).
    :param find_profile: called where the rule needs the encoder's profile and the collection has none yet.
    :param dry_run: write nothing, and fuse nothing.
    :raises FingerprintError: if it was made with other settings and ``settings.update`` is off.
    :raises StoreError: if it is not xqg's, or its size or distance cannot hold these vectors.
    """
    name, fusion = settings.store.collection, settings.fusion
    wanted = Collection(encoder.dimension, fusion.distance_for(encoder.distance), 0, {}, fusion.most_views > 0)
    found = store.describe()
    if found is not None and found.points == 0 and not found.metadata:
        # made for us, with shards or quantisation of its own: the store takes it as it makes one
        _check_shape(found, wanted, name)
        found = None
    if found is not None:
        _check_ours(found, name)
    profile = _stored_profile(found, encoder) if fusion.rule.is_neutral else None
    if profile is None and fusion.rule.is_neutral and not dry_run:
        profile = find_profile(encoder)
    identity = None if generator is None else generator.identity
    asked = vector_settings(settings, encoder.identity, identity, wanted.distance, languages)
    opened = _asked_for(settings, identity, asked, languages, profile)
    if found is None:
        if dry_run:
            return opened
        try:
            store.create(wanted.dimension, wanted.distance, opened.metadata, wanted.multivector)
            return _within_bounds(opened, store.describe())
        except StoreError:
            # another run made it in the meantime: of two with different settings one must not go on
            found = store.describe()
            if found is None:
                raise
            _check_ours(found, name)
    _check_shape(found, wanted, name)
    return _reopen(store, found, _within_bounds(opened, found), settings, dry_run)


def _within_bounds(opened: OpenCollection, found: Collection | None) -> OpenCollection:
    """The same with no more rows a passage than the store takes."""
    bound = None if found is None else found.most_rows
    return opened if bound is None else replace(opened, most_views=min(opened.most_views, bound - 1))


def _asked_for(
    settings: IngestSettings,
    generator: Mapping[str, Any] | None,
    asked: Mapping[str, Any],
    languages: tuple[str, ...],
    profile: EncoderProfile | None,
) -> OpenCollection:
    """The collection as these settings would make it."""
    fused = settings.fusion
    target = Target(
        fingerprint=fingerprint(asked, None if profile is None else profile.digest),
        generation=generation(settings.generator, generator),
        languages=languages,
        own_language=settings.generator.own_language,
        written=generator is not None and generator.get("kind") == WRITTEN,
        keeps_texts=settings.generator.keep_texts == "all",
    )
    metadata = {
        "state": READY,
        "fingerprint": target.fingerprint,
        "settings": asked,
        "profile": None if profile is None else profile.to_json(),
        "encoder": settings.encoder.portable(asked["encoder"].get("revision")),
    }
    fusion = Fusion(fused.rule, fused.weight, fused.beta, profile, fused.rows)
    return OpenCollection(target, metadata, fusion, fused.most_views, True)


def _check_ours(found: Collection, name: str) -> None:
    if not found.metadata:
        raise StoreError(
            f"Collection {name!r} exists, but xqg did not make it",
            "an xqg collection or none",
            "Choose another --collection",
        )
    check_metadata(found.metadata, name)


def _stored_profile(found: Collection | None, encoder: Encoder) -> EncoderProfile | None:
    """The profile that the collection was made with, if it is of this encoder."""
    stored = None if found is None else found.metadata.get("profile")
    if found is None or stored is None or found.metadata["settings"]["encoder"] != dict(encoder.identity):
        return None
    return EncoderProfile.from_json(stored)


def _check_shape(found: Collection, wanted: Collection, name: str) -> None:
    """Raise where vectors of this size, distance and number do not fit. :raises StoreError: names both."""
    if _shape(found) != _shape(wanted):
        raise StoreError(
            f"Collection {name!r} holds {_shape(found)}",
            _shape(wanted),
            "What a collection's vectors are is fixed: choose another --collection, and carry the queries over with "
            "`xqg show --queries > queries.jsonl` and `--generator file:queries.jsonl`; --views 0 is one vector a "
            "passage, several take multivector_config max_sim",
        )


def _shape(collection: Collection) -> str:
    number = "several vectors" if collection.multivector else "one vector"
    return f"{number} a passage, of {collection.dimension} dimensions, under {collection.distance}"


def _reopen(
    store: VectorStore, found: Collection, opened: OpenCollection, settings: IngestSettings, dry_run: bool
) -> OpenCollection:
    stored = found.metadata
    if stored["settings"] == opened.metadata["settings"]:
        return replace(opened, metadata=dict(stored), fresh=False)
    # an empty one is no exception: another run may just have made it
    if not settings.update:
        lines = differences(stored["settings"], opened.metadata["settings"])
        raise FingerprintError(
            f"Collection {settings.store.collection!r} was made with other settings: {'; '.join(lines)}",
            remedy="Give the stored settings, or --update to bring its passages to these (no query is made twice)",
        )
    changed = {**opened.metadata, "state": UPDATING}
    if not dry_run:
        store.write_metadata(changed)
    return replace(opened, metadata=changed, fresh=False)


def finish_update(store: VectorStore, opened: OpenCollection) -> int:
    """Mark an update as complete where every stored passage has the new settings.

    :returns: how many have not; with 0 the collection is marked ready.
    """
    outdated = sum(point.entry.fingerprint != opened.target.fingerprint for point in store.points())
    if outdated == 0:
        store.write_metadata({**opened.metadata, "state": READY})
    return outdated
