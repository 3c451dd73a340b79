"""Opening a collection to write to: made where it is missing, refused where it was made otherwise."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from xqg.errors import FingerprintError, StoreError
from xqg.fingerprints import SCHEMA, differences, fingerprint, vector_settings
from xqg.ingest.calibration import Calibration
from xqg.ingest.fusion import PLAIN, Fusion
from xqg.ingest.planning import Target
from xqg.protocols import Collection, Encoder, QueryGenerator, VectorStore
from xqg.records import FusionRule, digest
from xqg.settings import FusionSettings, IngestSettings

READY, UPDATING = "ready", "updating"

WRITTEN = "file"
"""The kind of generator whose queries people wrote."""


@dataclass(frozen=True)
class Opened:
    """A collection that is ready to be written to.

    ``metadata`` is what it remembers from now on; ``fusion`` is how its vectors are made, and ``to_calibrate`` tells
    that this has still to be found out; ``fresh`` tells that it held nothing; ``vector_languages`` are those with a
    vector of their own.
    """

    target: Target
    metadata: Mapping[str, Any]
    fusion: Fusion
    fresh: bool
    to_calibrate: bool = False
    vector_languages: tuple[str, ...] = ()

    @property
    def updating(self) -> bool:
        """Whether some stored passages may still have vectors of other settings."""
        return bool(self.metadata["state"] == UPDATING)

    def pilot(self, own_language: bool) -> Opened:
        """The same collection, to take the sample in before it is calibrated, with plain vectors.

        :param own_language: also make queries in the passages' own language, to see what the choices cost them.
        """
        own = self.target.own_language or own_language
        target = replace(self.target, fingerprint=digest(["pilot", self.metadata["settings"]]), own_language=own)
        return replace(self, target=target, metadata={**self.metadata, "state": READY}, fusion=PLAIN)

    def calibrated(self, calibration: Calibration) -> Opened:
        """The same collection with its calibration; what was stored before has to be fused again."""
        metadata = {**self.metadata, "calibration": calibration.to_json(), "state": UPDATING}
        metadata["fingerprint"] = fingerprint(metadata["settings"], calibration.digest)
        target = replace(self.target, fingerprint=metadata["fingerprint"])
        fusion = calibration.fusion
        return replace(self, target=target, metadata=metadata, fusion=fusion, fresh=False, to_calibrate=False)


def open_collection(
    store: VectorStore,
    encoder: Encoder,
    generator: QueryGenerator | None,
    settings: IngestSettings,
    languages: tuple[str, ...],
    dry_run: bool = False,
) -> Opened:
    """Create the collection, or check that it was made with these settings.

    :param languages: the target languages, resolved (a ``file:`` generator may supply them).
    :param dry_run: write nothing.
    :raises FingerprintError: if it was made with other settings and ``settings.update`` is off.
    :raises StoreError: if it is not xqg's, or its size or distance cannot hold these vectors.
    """
    identity = None if generator is None else generator.identity
    distance = settings.fusion.distance_for(encoder.distance)
    asked = vector_settings(settings, encoder.identity, identity, distance, languages)
    target = Target(
        fingerprint=fingerprint(asked, None),
        generation=digest([SCHEMA, identity, settings.generator.augment_with, settings.generator.queries_per_language]),
        languages=languages,
        own_language=settings.generator.own_language,
        written=identity is not None and identity.get("kind") == WRITTEN,
    )
    metadata = {
        "state": READY,
        "fingerprint": target.fingerprint,
        "settings": asked,
        "calibration": None,
        "encoder": settings.encoder.portable(),
    }
    fusion = PLAIN if generator is None else _fixed_fusion(settings.fusion)
    own = languages if generator is not None and settings.fusion.rule is FusionRule.PER_LANGUAGE else ()
    opened = Opened(target, metadata, PLAIN if fusion is None else fusion, True, fusion is None, own)
    found = store.describe()
    if found is None:
        if not dry_run:
            store.create(encoder.dimension, distance, metadata, own)
        return opened
    if not found.metadata:
        raise StoreError(
            f"Collection {settings.store.collection!r} exists, but xqg did not make it",
            "an xqg collection or none",
            "Choose another --collection",
        )
    check_shape(found, encoder.dimension, distance, own, settings.store.collection)
    return _reopen(store, found, opened, settings, dry_run)


def check_shape(found: Collection, dimension: int, distance: str, languages: tuple[str, ...], name: str) -> None:
    """Raise where vectors of this size, distance and these languages do not fit.

    :raises StoreError: names both.
    """
    if (found.dimension, found.distance, set(found.languages)) != (dimension, distance, set(languages)):
        raise StoreError(
            f"Collection {name!r} holds {_shape(found.dimension, found.distance, found.languages)}",
            _shape(dimension, distance, languages),
            "What a collection's vectors are is fixed: choose another --collection, and carry the queries over with "
            "`xqg show --queries > queries.jsonl` and `--generator file:queries.jsonl`",
        )


def _shape(dimension: int, distance: str, languages: tuple[str, ...]) -> str:
    own = f", and one each for {', '.join(languages)}" if languages else ""
    return f"vectors of {dimension} dimensions under {distance}{own}"


def _fixed_fusion(settings: FusionSettings) -> Fusion | None:
    """How vectors are made where nothing is calibrated; None where something is."""
    return None if settings.calibrated or settings.weight is None else Fusion(settings.rule, settings.weight)


def _reopen(store: VectorStore, found: Collection, opened: Opened, settings: IngestSettings, dry_run: bool) -> Opened:
    fresh, stored = found.points == 0, found.metadata
    if stored["settings"] == opened.metadata["settings"]:
        kept = replace(opened, metadata=dict(stored), fresh=fresh)
        if not opened.to_calibrate or stored["calibration"] is None:
            return kept
        calibration = Calibration.from_json(stored["calibration"])
        if stored["fingerprint"] != fingerprint(stored["settings"], calibration.digest):
            raise FingerprintError(
                f"The calibration of {settings.store.collection!r} is not the one that its vectors were made with",
                "vectors of one calibration in one collection",
                "Fuse them all again: xqg calibrate",
            )
        target = replace(opened.target, fingerprint=stored["fingerprint"])
        return replace(kept, target=target, fusion=calibration.fusion, to_calibrate=False)
    if not (settings.update or fresh):
        lines = differences(stored["settings"], opened.metadata["settings"])
        raise FingerprintError(
            f"Collection {settings.store.collection!r} was made with other settings: {'; '.join(lines)}",
            remedy="Give the stored settings, or --update to bring its passages to these (no query is made twice)",
        )
    changed = {**opened.metadata, "state": READY if fresh else UPDATING}
    if not dry_run:
        store.write_metadata(changed)
    return replace(opened, metadata=changed, fresh=fresh)


def finish_update(store: VectorStore, opened: Opened) -> int:
    """Mark an update as complete where every stored passage has the new settings.

    :returns: how many have not; with 0 the collection is marked ready.
    """
    outdated = sum(point.entry.fingerprint != opened.target.fingerprint for point in store.points())
    if outdated == 0:
        store.write_metadata({**opened.metadata, "state": READY})
    return outdated
