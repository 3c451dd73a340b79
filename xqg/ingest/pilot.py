"""The pilot: takes a sample of the corpus in, calibrates on it, and freezes what it found in the collection."""

from __future__ import annotations

import logging
import random
from collections.abc import Iterable, Iterator
from itertools import chain, islice

import numpy as np

from xqg.ingest.calibration import Calibration, Sample, Wishes, calibrate
from xqg.ingest.collection import Opened
from xqg.protocols import Encoder, Point, VectorStore
from xqg.records import GeneratedQuery, Passage, Reject, owners
from xqg.settings import FusionSettings

logger = logging.getLogger(__name__)

Records = Iterable[Passage | Reject]
SEED = 0


def draw_passages(records: Records, size: int) -> list[Passage]:
    """``size`` of the passages, each as likely as any other, in their order; the same ones for the same records.

    Reservoir sampling (Vitter 1985, algorithm R), in memory for ``size`` passages.
    """
    draw = random.Random(SEED)  # noqa: S311 - no secret
    kept: list[tuple[int, Passage]] = []
    for number, passage in enumerate(record for record in records if isinstance(record, Passage)):
        if number < size:
            kept.append((number, passage))
        elif (place := draw.randrange(number + 1)) < size:
            kept[place] = (number, passage)
    return [passage for _, passage in sorted(kept, key=lambda pair: pair[0])]


def first_passages(records: Records, size: int) -> tuple[list[Passage], Iterator[Passage | Reject]]:
    """The first ``size`` passages of a stream that can be read only once, and the whole stream again."""
    stream, read, found = iter(records), list[Passage | Reject](), list[Passage]()
    while len(found) < size and (batch := list(islice(stream, size - len(found)))):
        read += batch
        found += [record for record in batch if isinstance(record, Passage)]
    return found, chain(read, stream)


def calibrate_points(points: Iterable[Point], encoder: Encoder, wishes: Wishes) -> Calibration:
    """The calibration from stored passages and their stored queries, in whatever language these are."""
    entries = [(point.passage, point.entry.queries) for point in points]
    passages = [passage for passage, _ in entries]
    queries = [
        GeneratedQuery(passage.id, language, text)
        for passage, by_language in entries
        for language, texts in by_language.items()
        for text in texts
    ]
    if not passages or not queries:
        empty = np.empty((0, encoder.dimension), dtype=np.float32)
        return calibrate(Sample(empty, [], empty, np.empty(0, dtype=np.int64), []), wishes)
    sample = Sample(
        encoder.encode_passages(passages),
        [passage.language for passage in passages],
        encoder.encode_queries([query.text for query in queries]),
        owners(passages, queries),
        [query.language for query in queries],
    )
    return calibrate(sample, wishes)


def calibrate_collection(
    store: VectorStore, opened: Opened, encoder: Encoder, settings: FusionSettings, points: Iterable[Point]
) -> Opened:
    """Calibrate on stored passages with their stored queries, and freeze what was found in the collection.

    :param settings: what is wished for. :param points: the sample.
    :returns: the collection as it is to be written to from now on.
    """
    target = opened.target
    wishes = Wishes(settings.rule, target.languages, settings.alpha, settings.share, target.own_language)
    if opened.metadata["settings"].get("augment_with") == "passages":
        wishes = wishes.for_generated_passages()
    calibration = calibrate_points(points, encoder, wishes)
    if calibration.note:
        logger.warning("Calibration: %s", calibration.note)
    changed = opened.calibrated(calibration)
    store.write_metadata(changed.metadata)
    return changed
