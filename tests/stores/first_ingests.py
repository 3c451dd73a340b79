"""Pairs of processes that ingest into one new folder at the same moment: nothing is lost, and the loser is told why.

``python -m tests.stores.first_ingests PAIRS`` prints what was found; the suite does the same with few pairs.
"""

from __future__ import annotations

import json
import multiprocessing
import sys
import tempfile
from collections import Counter
from contextlib import closing
from pathlib import Path
from typing import Any

from tests.fakes import FakeEncoder, fake_profile
from xqg.errors import StoreError
from xqg.ingest.job import IngestJob
from xqg.languages import LanguageDetector
from xqg.settings import IngestSettings
from xqg.stores.edge import EdgeStore

PASSAGES = 12


def ingest(folder: Path, name: str, barrier: Any, told: Any) -> None:
    """Ingest a corpus of this name, once all are ready; put into ``told`` what became of it."""
    corpus = folder / f"{name}.jsonl"
    records = [{"id": f"{name}{n}", "text": f"the battery of {name} {n}", "language": "en"} for n in range(PASSAGES)]
    corpus.write_text("\n".join(map(json.dumps, records)), encoding="utf-8")
    settings = IngestSettings.model_validate(
        {"generator": {"spec": "none"}, "store": {"spec": f"edge:{folder}", "collection": "docs"}, "batch_size": 4}
    )
    parts = (None, FakeEncoder(), EdgeStore(folder, "docs"), LanguageDetector(), fake_profile)
    barrier.wait()
    try:
        with IngestJob(settings, *parts) as job:
            report = job.run([str(corpus)], folder / f"{name}.rejects")
        told.put((name, report.upserted))
    except StoreError as refusal:
        told.put((name, str(refusal)))


def run_pair(folder: Path) -> list[str]:
    """Two first ingests at once; then those that were refused again. Returns what became of each at first."""
    forking = multiprocessing.get_context("fork")  # imports take longer than what is raced for
    barrier, told = forking.Barrier(2), forking.Queue()
    processes = [forking.Process(target=ingest, args=(folder, name, barrier, told)) for name in "ab"]
    for process in processes:
        process.start()
    found: dict[str, int | str] = dict(told.get(timeout=300) for _ in processes)
    for process in processes:
        process.join()
    alone = forking.Barrier(1)
    for name in [name for name, result in found.items() if result != PASSAGES]:
        again = forking.Queue()
        process = forking.Process(target=ingest, args=(folder, name, alone, again))
        process.start()
        assert again.get(timeout=300) == (name, PASSAGES), "refused only while the other had the folder"
        process.join()
    with closing(EdgeStore(folder, "docs")) as store:
        stored = {point.passage.id: point.passage.text for point in store.points()}
    expected = {f"{name}{n}": f"the battery of {name} {n}" for name in "ab" for n in range(PASSAGES)}
    assert stored == expected, f"{len(expected) - len(stored)} passages are lost"
    return ["stored" if result == PASSAGES else str(result) for result in found.values()]


def run_pairs(pairs: int) -> Counter[str]:
    """How often a first ingest stored all, and how often it was refused because the other had the folder."""
    outcomes: Counter[str] = Counter()
    for _ in range(pairs):
        with tempfile.TemporaryDirectory() as place:
            results = run_pair(Path(place))
            assert "stored" in results, results
            assert all(one == "stored" or "is open elsewhere: by" in one for one in results), results
            outcomes.update("stored" if one == "stored" else "refused" for one in results)
    return outcomes


if __name__ == "__main__":
    print(dict(run_pairs(int(sys.argv[1]))))  # noqa: T201
