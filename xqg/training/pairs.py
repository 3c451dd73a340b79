"""The pairs a generator learns from, passages with the queries people asked of them; and the files they come from."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from xqg.errors import InputError, XqgError
from xqg.generators.prompts import TrainedStyle
from xqg.identifiers import identifier
from xqg.languages import told_language as known_code
from xqg.readers.beir import Judgement, find_file, judgement_files, read_judgements, told_language
from xqg.readers.jsonl import PlacedObject, read_objects
from xqg.readers.squad import SQUAD_SUFFIXES, read_squad, squad_files
from xqg.records import Passage, Reject, digest
from xqg.training.training_settings import DataSource, TrainingSettings

MINIMUM_PAIRS = 50
"""Fewer pairs than this teach a model nothing but themselves."""


@dataclass(frozen=True)
class TrainingQuery:
    """What somebody asked, in ``language`` (ISO 639-1)."""

    language: str
    text: str


@dataclass(frozen=True)
class PassageGroup:
    """One passage, in each language that it exists in (home language first), with all its queries."""

    id: str
    style: TrainedStyle
    passages: tuple[Passage, ...]
    queries: tuple[TrainingQuery, ...]


@dataclass(frozen=True)
class PairData:
    """What was read: groups in the order of the files, and the records that could not be taken."""

    groups: tuple[PassageGroup, ...]
    rejects: tuple[Reject, ...] = ()

    @property
    def pairs(self) -> int:
        """Number of queries; each counts once, in however many languages its passage exists."""
        return sum(len(group.queries) for group in self.groups)

    def languages(self) -> Mapping[str, int]:
        """Number of queries in each language, by code."""
        counts = Counter(query.language for group in self.groups for query in group.queries)
        return dict(sorted(counts.items()))


class PairCollector:
    """Gathers passages and queries by passage, in the order they come, and rejects what cannot be used."""

    def __init__(self, source: DataSource) -> None:
        self.source = source
        self._passages: dict[str, dict[str, Passage]] = {}
        self._queries: dict[str, dict[TrainingQuery, None]] = {}
        self._rejects: list[Reject] = []

    def reject(self, file: str, line: int, reason: str, record: Any) -> None:
        """Put a record on the list of those not taken."""
        self._rejects.append(Reject(file, line, reason, record))

    def add_passage(self, key: str, passage: Passage) -> None:
        """Take a passage, or one more language of a passage; the first one stays."""
        self._passages.setdefault(key, {}).setdefault(passage.language, passage)

    def add_query(self, key: str, language: Any, text: Any, place: tuple[str, int], record: Any) -> None:
        """Take a query of the passage ``key``, or reject it; the same query twice is taken once."""
        code = known_code(language)
        if not isinstance(text, str) or not text.strip():
            self.reject(*place, "the query is empty", record)
        elif code is None:
            unknown = f"language {language!r} is not known; write an ISO 639-1 code"
            self.reject(*place, unknown if isinstance(language, str) else "the query has no language", record)
        elif key not in self._passages:
            self.reject(*place, f"passage {key!r} is missing", record)
        elif self._is_copy(key, text):
            self.reject(*place, "the query is a copy of the title or the text", record)
        else:
            self._queries.setdefault(key, {}).setdefault(TrainingQuery(code, " ".join(text.split())))

    def finish(self) -> PairData:
        """All groups that have a query, each with its home language first."""
        home = self.source.home
        groups = [
            PassageGroup(
                key,
                self.source.style,
                tuple(sorted(self._passages[key].values(), key=lambda passage: passage.language != home)),
                tuple(queries),
            )
            for key, queries in self._queries.items()
        ]
        return PairData(tuple(groups), tuple(self._rejects))

    def _is_copy(self, key: str, text: str) -> bool:
        asked = " ".join(text.split()).casefold()
        own = self._passages[key].values()
        return any(asked in (passage.title.casefold(), passage.text.strip().casefold()) for passage in own)


def split_groups(data: PairData, dev: PairData | None, settings: TrainingSettings) -> tuple[PairData, PairData]:
    """The pairs to train on, and those set aside for the dev loss.

    :param dev: the dev pairs; None: a share of the passages of ``data``, drawn with the seed.
    """
    groups = data.groups
    if dev is not None:
        return data, dev
    order = np.random.default_rng([settings.seed, 2]).permutation(len(groups)).tolist()
    count = min(max(1, round(settings.dev_share * len(groups))), len(groups) - 1)
    kept, aside = (tuple(groups[place] for place in sorted(part)) for part in (order[count:], order[:count]))
    return PairData(kept, data.rejects), PairData(aside)


def require_enough(data: PairData) -> None:
    """Refuse to train on next to nothing.

    :raises InputError: names the number found and the number needed.
    """
    if data.pairs < MINIMUM_PAIRS:
        rejected = f", {len(data.rejects)} records were rejected" if data.rejects else ""
        raise InputError(
            f"The data holds {data.pairs} usable pairs{rejected}",
            f"at least {MINIMUM_PAIRS} pairs of passage and query",
            "Add pairs, or see the rejects for what is wrong",
        )


def unreadable(path: str, why: str, remedy: str) -> XqgError:
    """The error for a file or folder that holds no pairs at all."""
    return InputError(f"{path} {why}", "pairs as JSONL, SQuAD-format JSON or a BEIR folder", remedy)


def read_pairs(sources: Sequence[DataSource]) -> PairData:
    """All pairs of all sources, in their order.

    :raises InputError: if a file cannot be read at all; a bad record is a reject.
    """
    parts = [_read_source(source) for source in sources]
    groups = tuple(group for part in parts for group in part.groups)
    return PairData(groups, tuple(reject for part in parts for reject in part.rejects))


def _read_source(source: DataSource) -> PairData:
    collector = PairCollector(source)
    path = source.path
    if not path.exists():
        raise unreadable(str(path), "does not exist", "Check the path")
    if path.is_dir():
        if find_file(path, "corpus.jsonl") is not None:
            _read_beir(path, collector)
        else:
            _read_squad(path, collector)
    elif path.name.endswith(SQUAD_SUFFIXES):
        _read_squad(path, collector)
    else:
        _read_jsonl(path, collector)
    return collector.finish()


def _objects(path: Path, collector: PairCollector) -> Iterator[tuple[int, dict[str, Any]]]:
    """The JSON objects of a file with their line numbers; other lines are rejected."""
    for found in read_objects(str(path)):
        if isinstance(found, PlacedObject):
            yield found.line, found.value
        else:
            collector.reject(found.file, found.line, found.reason, found.record)


def _take_passage(key: Any, value: Mapping[str, Any], place: tuple[str, int], collector: PairCollector) -> bool:
    text = value.get("text") or value.get("passage")
    title = value.get("title") or ""
    language = told_language(value) or collector.source.home
    name = _name(key)
    if not name or not isinstance(text, str) or not text.strip() or not isinstance(title, str):
        collector.reject(*place, "a passage needs an id and a text", dict(value))
        return False
    collector.add_passage(name, Passage(id=name, text=text, title=title, language=str(language)))
    return True


def _name(key: Any) -> str:
    """The id in its one form, "" where there is none that can be used."""
    try:
        return identifier(key)
    except ValueError:
        return ""


def _read_jsonl(path: Path, collector: PairCollector) -> None:
    if collector.source.passages is not None:
        for number, value in _objects(collector.source.passages, collector):
            _take_passage(value.get("id"), value, (str(collector.source.passages), number), collector)
    for number, value in _objects(path, collector):
        place = (str(path), number)
        key = value.get("passage_id")
        if key is None:
            own = {name: value.get(name) for name in ("title", "text", "passage")}
            own["language"] = value.get("passage_language")
            key = digest([value.get("title"), value.get("text") or value.get("passage")])
            if not _take_passage(key, own, place, collector):
                continue
        language = value.get("language") or collector.source.language
        collector.add_query(_name(key), language, value.get("query"), place, value)


def _read_beir(folder: Path, collector: PairCollector) -> None:
    corpus, queries = find_file(folder, "corpus.jsonl"), find_file(folder, "queries.jsonl")
    judged = _judgements(folder, collector)
    if corpus is None or queries is None or not judged:
        raise unreadable(str(folder), "is no whole BEIR folder", "It needs corpus.jsonl, queries.jsonl, qrels/*.tsv")
    for number, value in _objects(corpus, collector):
        _take_passage(value.get("_id"), value, (str(corpus), number), collector)
    texts: dict[str, tuple[int, dict[str, Any]]] = {}
    for number, value in _objects(queries, collector):
        texts[_name(value.get("_id"))] = (number, value)
    for file, judgement in judged:
        query, passage = judgement.query_id, judgement.passage_id
        if query not in texts:
            collector.reject(file, judgement.line, f"query {query!r} is missing", [query, passage])
            continue
        number, value = texts[query]
        language = told_language(value) or collector.source.language
        collector.add_query(passage, language, value.get("text"), (str(queries), number), value)


def _judgements(folder: Path, collector: PairCollector) -> list[tuple[str, Judgement]]:
    """File and judgement of each that is positive; those for training where there are any."""
    found: list[tuple[str, Judgement]] = []
    for path in judgement_files(folder, "train"):
        for judgement in read_judgements(path):
            if isinstance(judgement, Reject):
                collector.reject(judgement.file, judgement.line, judgement.reason, judgement.record)
            elif judgement.relevance > 0:
                found.append((str(path), judgement))
    return found


def _read_squad(path: Path, collector: PairCollector) -> None:
    """Files of the same paragraphs in several languages are joined by the ids of their questions."""
    files, source = squad_files(path), collector.source
    if not files:
        raise unreadable(str(path), "holds no corpus.jsonl and no JSON files", "Name a folder of one of these kinds")
    for paragraph in read_squad(files, source.articles, source.language or source.home):
        key = paragraph.key
        passage = Passage(id=key, text=paragraph.text, title=paragraph.title, language=paragraph.language)
        collector.add_passage(key, passage)
        for question in paragraph.questions:
            place = (paragraph.file, question.line)
            collector.add_query(key, question.language, question.text, place, question.record)
