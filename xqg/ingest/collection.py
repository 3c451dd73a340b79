"""Opening a collection to write to: made where it is missing, refused where it was made otherwise."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from xqg.errors import FingerprintError, StoreError
from xqg.ingest.planning import Target
from xqg.protocols import Collection, Encoder, QueryGenerator, VectorStore
from xqg.records import digest
from xqg.settings import SCHEMA, IngestSettings, differences, fingerprint, vector_settings

READY, UPDATING = "ready", "updating"


@dataclass(frozen=True)
class Opened:
    """A collection that is ready to be written to.

    ``fresh`` tells that it held nothing; ``metadata`` is what it remembers from now on.
    """

    target: Target
    metadata: Mapping[str, Any]
    fresh: bool

    @property
    def updating(self) -> bool:
        """Whether some stored passages may still have vectors of other settings."""
        return bool(self.metadata["state"] == UPDATING)


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
    distance = encoder.distance if settings.fusion.distance == "auto" else settings.fusion.distance
    asked = vector_settings(settings, encoder.identity, identity, distance, languages)
    target = Target(
        fingerprint=fingerprint(asked),
        generation=digest([SCHEMA, identity, settings.generator.queries_per_language]),
        languages=languages,
        own_language=settings.generator.own_language,
    )
    metadata = {
        "state": READY,
        "fingerprint": target.fingerprint,
        "settings": asked,
        "encoder": settings.encoder.portable(),
    }
    found = store.describe()
    if found is None:
        if not dry_run:
            store.create(encoder.dimension, distance, metadata)
        return Opened(target, metadata, fresh=True)
    if not found.metadata:
        raise StoreError(
            f"Collection {settings.store.collection!r} exists, but xqg did not make it",
            "an xqg collection or none",
            "Choose another --collection",
        )
    check_shape(found, encoder.dimension, distance, settings.store.collection)
    return _reopen(store, found, target, metadata, settings, dry_run)


def check_shape(found: Collection, dimension: int, distance: str, name: str) -> None:
    """Raise where vectors of this size or distance do not fit.

    :raises StoreError: names both.
    """
    if (found.dimension, found.distance) != (dimension, distance):
        raise StoreError(
            f"Collection {name!r} holds vectors of {found.dimension} dimensions under {found.distance}",
            f"{dimension} dimensions under {distance}",
            "A collection's size and distance are fixed: choose another --collection, and carry the queries over with "
            "`xqg show --queries > queries.jsonl` and `--generator file:queries.jsonl`",
        )


def _reopen(
    store: VectorStore,
    found: Collection,
    target: Target,
    metadata: dict[str, Any],
    settings: IngestSettings,
    dry_run: bool,
) -> Opened:
    fresh = found.points == 0
    if found.metadata["fingerprint"] == target.fingerprint:
        return Opened(target, dict(found.metadata), fresh)
    if not (settings.update or fresh):
        lines = differences(found.metadata["settings"], metadata["settings"])
        raise FingerprintError(
            f"Collection {settings.store.collection!r} was made with other settings "
            f"({found.metadata['fingerprint'][:12]}, not {target.fingerprint[:12]}): {'; '.join(lines)}",
            remedy="Give the stored settings, or --update to bring its passages to these (no query is made twice)",
        )
    changed = {**metadata, "state": READY if fresh else UPDATING}
    if not dry_run:
        store.write_metadata(changed)
    return Opened(target, changed, fresh)


def finish_update(store: VectorStore, opened: Opened) -> int:
    """Mark an update as complete where every stored passage has the new settings.

    :returns: how many have not; with 0 the collection is marked ready.
    """
    outdated = sum(point.entry.fingerprint != opened.target.fingerprint for point in store.points())
    if outdated == 0:
        store.write_metadata({**opened.metadata, "state": READY})
    return outdated
