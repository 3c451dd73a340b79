"""Reads pairs from JSONL files, SQuAD-format files and BEIR folders."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from xqg.identifiers import identifier
from xqg.readers.beir import Judgement, find_file, judgement_files, read_judgements, told_language
from xqg.readers.jsonl import PlacedObject, read_objects
from xqg.readers.squad import SQUAD_SUFFIXES, read_squad, squad_files
from xqg.records import Passage, Reject, digest
from xqg.training.pairs import PairCollector, PairData, unreadable
from xqg.training.training_settings import DataSource


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
