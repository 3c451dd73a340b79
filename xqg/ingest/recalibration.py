"""Calibrating again: new weights from the queries that are stored already, and every vector fused anew."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from xqg.errors import SettingsError, StoreError
from xqg.fingerprints import CALIBRATED
from xqg.ingest.calibration import Calibration
from xqg.ingest.collection import READY, WRITTEN, Opened
from xqg.ingest.fusion import PLAIN
from xqg.ingest.passage_side import encoder_for
from xqg.ingest.pilot import calibrate_collection, draw_passages
from xqg.ingest.planning import Target
from xqg.ingest.remembering import RememberingEncoder
from xqg.ingest.report import IngestReport
from xqg.ingest.worker import IngestWorker
from xqg.protocols import Collection, Encoder, VectorStore
from xqg.records import FusionRule, Reject
from xqg.settings import CalibrateSettings
from xqg.stores.payload import AUGMENTED


def recalibrate(
    found: Collection,
    store: VectorStore,
    encoder: Encoder,
    settings: CalibrateSettings,
    reject: Callable[[Reject], None],
    progress: Callable[[IngestReport], None] = lambda report: None,
    stopping: Callable[[], bool] = lambda: False,
) -> IngestReport:
    """Calibrate an existing collection again and bring every vector to it; nothing is generated.

    A run that was interrupted before is finished first, with the calibration that it had found.

    :param found: the collection in ``store``. :param encoder: the one that it was made with.
    :raises StoreError: if it cannot hold the vectors of the rule.
    :raises SettingsError: if it has no queries to calibrate on.
    """
    opened, report = _opened(found, settings), IngestReport()
    augment_with = found.metadata["settings"].get("augment_with")
    remembering = RememberingEncoder(encoder_for(encoder, augment_with))
    if opened.to_calibrate:
        with report.timed("calibrate"):
            asked = (point.passage for point in store.points() if any(point.entry.queries.values()))
            sample = draw_passages(asked, settings.fusion.calibration_sample)
            stored = store.points([passage.id for passage in sample])
            opened = calibrate_collection(store, opened, remembering, settings.fusion, stored)
    worker = IngestWorker(None, remembering, store, opened, settings.batch_size)
    made = worker.run((point.passage for point in store.points()), reject, progress, stopping)
    made.absorb(report)
    return made


def _opened(found: Collection, settings: CalibrateSettings) -> Opened:
    stored = found.metadata["settings"]
    if stored["generator"] is None:
        raise SettingsError(
            f"Collection {settings.store.collection!r} has no generated queries",
            "some to calibrate on",
            "Ingest its passages again with a generator and --update",
        )
    if AUGMENTED in found.metadata:
        raise StoreError(
            f"Collection {settings.store.collection!r} was made by `xqg augment`: its plain vectors are in its source",
            "one that `xqg ingest` made",
            "Run `xqg augment` again, with --update for another --rule or --alpha, or --into a new collection",
        )
    fusion = settings.fusion
    if fusion.rule is FusionRule.PER_LANGUAGE and not found.languages:
        raise StoreError(
            f"Collection {settings.store.collection!r} has one vector a passage",
            "one each for the languages, as the rule per-language needs",
            "Ingest into another --collection; its queries can be carried over with `xqg show --queries`",
        )
    changed = {
        **stored,
        "rule": fusion.rule.value,
        "alpha": CALIBRATED if fusion.weight is None else fusion.weight,
        "share": CALIBRATED if fusion.share is None else fusion.share,
    }
    written = stored["generator"].get("kind") == WRITTEN
    languages = tuple(stored["languages"])
    target = Target(found.metadata["fingerprint"], None, languages, bool(stored["own_language"]), written)
    opened = Opened(target, {**found.metadata, "settings": changed}, PLAIN, False, True, found.languages)
    half_done = found.metadata["state"] != READY and found.metadata.get("calibration") is not None
    return _resumed(opened, found.metadata) if half_done and changed == stored else opened


def _resumed(opened: Opened, metadata: Mapping[str, Any]) -> Opened:
    fusion = Calibration.from_json(metadata["calibration"]).fusion
    return replace(opened, fusion=fusion, to_calibrate=False)
