"""Reads pairs from JSONL files, SQuAD-format files and BEIR folders."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from xqg.errors import SettingsError
from xqg.ingest.readers.lines import open_bytes, read_lines
from xqg.languages import language_name
from xqg.records import Passage, digest
from xqg.training.pairs import PairCollector, PairData, lead, unreadable
from xqg.training.settings import DataSource

_SQUAD_SUFFIXES = (".json", ".json.gz")
_CROSS_LINGUAL_NAME = re.compile(r"context-([a-z]{2})-question-([a-z]{2})")


def read_pairs(sources: Sequence[DataSource]) -> PairData:
    """All pairs of all sources, in their order.

    :raises InputError: if a file cannot be read at all; a bad record is a reject.
    """
    parts = [_read_source(number, source) for number, source in enumerate(sources)]
    groups = tuple(group for part in parts for group in part.groups)
    return PairData(groups, tuple(reject for part in parts for reject in part.rejects))


def _read_source(number: int, source: DataSource) -> PairData:
    collector = PairCollector(number, source)
    path = source.path
    if not path.exists():
        raise unreadable(str(path), "does not exist", "Check the path")
    if path.is_dir():
        if _find(path, "corpus.jsonl") is not None:
            _read_beir(path, collector)
        else:
            _read_squad_files(_squad_files(path), collector)
    elif path.name.endswith(_SQUAD_SUFFIXES):
        _read_squad_files([path], collector)
    else:
        _read_jsonl(path, collector)
    return collector.finish()


def _squad_files(folder: Path) -> list[Path]:
    files = [path for path in sorted(folder.iterdir()) if path.name.endswith(_SQUAD_SUFFIXES)]
    if not files:
        raise unreadable(str(folder), "holds no corpus.jsonl and no JSON files", "Name a folder of one of these kinds")
    return files


def _objects(path: Path, collector: PairCollector) -> Iterator[tuple[int, dict[str, Any]]]:
    """The JSON objects of a file with their line numbers; other lines are rejected."""
    for line in read_lines(str(path)):
        if line.fault is not None:
            collector.reject(str(path), line.number, line.fault, line.raw)
            continue
        if not line.content.strip():
            continue
        try:
            value = json.loads(line.content)
        except ValueError as error:
            collector.reject(str(path), line.number, f"no JSON: {error}", line.raw)
            continue
        if isinstance(value, dict):
            yield line.number, value
        else:
            collector.reject(str(path), line.number, "no JSON object", value)


def _take_passage(key: Any, value: Mapping[str, Any], place: tuple[str, int], collector: PairCollector) -> bool:
    text = value.get("text") or value.get("passage")
    title = value.get("title") or ""
    language = value.get("language") or collector.source.home
    if not isinstance(key, str) or not isinstance(text, str) or not text.strip() or not isinstance(title, str):
        collector.reject(*place, "a passage needs an id and a text", dict(value))
        return False
    collector.add_passage(key, Passage(id=key, text=text, title=title, language=str(language)))
    return True


def _read_jsonl(path: Path, collector: PairCollector) -> None:
    if collector.source.passages is not None:
        for number, value in _objects(collector.source.passages, collector):
            _take_passage(value.get("id"), value, (str(collector.source.passages), number), collector)
    for number, value in _objects(path, collector):
        place = (str(path), number)
        key = value.get("passage_id")
        if key is None:
            own = {**value, "language": value.get("passage_language")}
            key = digest([value.get("title"), value.get("text") or value.get("passage")])
            if not _take_passage(key, own, place, collector):
                continue
        language = value.get("language") or collector.source.language
        collector.add_query(str(key), language, _written(value, collector.source), place, value)


def _written(value: Mapping[str, Any], source: DataSource) -> Any:
    """What is to be written: the query; in the style ``passage`` the beginning of a text in another language."""
    query = value.get("query")
    if source.style != "passage" or query is not None or "passage_id" not in value:
        return query
    text = value.get("text")
    return lead(text) if isinstance(text, str) else text


def _read_beir(folder: Path, collector: PairCollector) -> None:
    corpus, queries = _find(folder, "corpus.jsonl"), _find(folder, "queries.jsonl")
    judged = _judgements(folder)
    if corpus is None or queries is None or not judged:
        raise unreadable(str(folder), "is no whole BEIR folder", "It needs corpus.jsonl, queries.jsonl, qrels/*.tsv")
    for number, value in _objects(corpus, collector):
        _take_passage(value.get("_id"), value, (str(corpus), number), collector)
    texts: dict[str, tuple[int, dict[str, Any]]] = {}
    for number, value in _objects(queries, collector):
        texts[str(value.get("_id"))] = (number, value)
    for file, line, query, passage in judged:
        if query not in texts:
            collector.reject(file, line, f"query {query!r} is missing", [query, passage])
            continue
        number, value = texts[query]
        own = value.get("metadata")
        told = value.get("language") or (own.get("language") if isinstance(own, dict) else None)
        language = told or collector.source.language
        collector.add_query(passage, language, value.get("text"), (str(queries), number), value)


def _judgements(folder: Path) -> list[tuple[str, int, str, str]]:
    """File, line, query id and passage id of each positive judgement; those for training where there are any."""
    files = sorted((folder / "qrels").glob("*.tsv"))
    files = [path for path in files if path.stem == "train"] or files
    found: list[tuple[str, int, str, str]] = []
    for path in files:
        for line in read_lines(str(path)):
            parts = line.raw.split("\t")
            if len(parts) >= 3 and parts[-1].strip().isdigit() and int(parts[-1]) > 0:
                found.append((str(path), line.number, parts[0], parts[-2]))
    return found


def _find(folder: Path, name: str) -> Path | None:
    return next((path for path in (folder / name, folder / f"{name}.gz") if path.is_file()), None)


def _read_squad_files(files: Sequence[Path], collector: PairCollector) -> None:
    """Files of the same paragraphs in several languages are joined by the ids of their questions."""
    keys: dict[str, str] = {}
    for path in files:
        passage_language, query_language = _squad_languages(path, collector.source)
        with open_bytes(str(path)) as stream:
            raw = stream.read().decode("utf-8", "surrogateescape")
        try:
            articles = json.loads(raw)["data"]
            paragraphs = list(_squad_paragraphs(articles, collector.source))
        except (ValueError, KeyError, TypeError) as error:
            raise unreadable(
                str(path), f"is no SQuAD-format file: {error}", "It needs data, paragraphs, qas"
            ) from error
        for title, paragraph in paragraphs:
            known = [keys[str(item["id"])] for item in paragraph["qas"] if str(item.get("id")) in keys]
            key = known[0] if known else digest([str(path), title, paragraph["context"]])
            passage = Passage(id=key, text=paragraph["context"], title=title, language=passage_language)
            collector.add_passage(key, passage)
            for item in paragraph["qas"]:
                keys[str(item.get("id"))] = key
                place = (str(path), 1 + raw.count("\n", 0, max(raw.find(json.dumps(item.get("id"))), 0)))
                collector.add_query(key, query_language, item.get("question"), place, item)


def _squad_paragraphs(articles: Any, source: DataSource) -> Iterator[tuple[str, Any]]:
    first, last = source.articles or (0, len(articles) - 1)
    for article in articles[first : last + 1]:
        for paragraph in article["paragraphs"]:
            if paragraph["context"].strip() and isinstance(paragraph["qas"], list):
                yield str(article.get("title") or "").replace("_", " "), paragraph


def _squad_languages(path: Path, source: DataSource) -> tuple[str, str]:
    """Languages of the passages and of the queries of a file, from its name or the source's option."""
    crossed = _CROSS_LINGUAL_NAME.search(path.name)
    if crossed:
        return crossed.group(1), crossed.group(2)
    for part in reversed(re.split(r"[._-]", path.name)):
        if len(part) == 2 and _is_language(part):
            return part, part
    return source.language or source.home, source.language or source.home


def _is_language(code: str) -> bool:
    try:
        language_name(code)
    except SettingsError:
        return False
    return True
