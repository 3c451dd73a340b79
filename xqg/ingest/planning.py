"""What a passage still needs, told from what the store knows of it: nothing is generated or encoded twice."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from xqg.records import GeneratedQuery, LedgerEntry, Passage, content_hash, record_hash


@dataclass(frozen=True)
class Target:
    """What every stored passage should look like.

    ``fingerprint`` stands for all that changes a vector, ``generation`` for all that changes a query (it
    leaves the list of languages out, so that a new language costs only itself).
    """

    fingerprint: str
    generation: str
    languages: tuple[str, ...]
    own_language: bool

    def languages_for(self, passage: Passage) -> tuple[str, ...]:
        """The languages in which ``passage`` gets queries: all targets, its own only where asked."""
        if self.own_language:
            return self.languages
        return tuple(language for language in self.languages if language != passage.language)


@dataclass(frozen=True)
class Work:
    """One passage that may have to be stored: the queries it keeps by language, and the languages it lacks.

    ``stored_queries`` are those it has, where its record and fingerprint are up to date already; None where not.
    """

    passage: Passage
    kept: Mapping[str, tuple[str, ...]]
    missing: tuple[str, ...]
    stored_queries: Mapping[str, tuple[str, ...]] | None = None

    def queries(self, generated: Mapping[str, tuple[str, ...]], languages: Sequence[str]) -> dict[str, tuple[str, ...]]:
        """All queries by language, in the order of ``languages``; where nothing came of a language, ()."""
        fresh = {language: generated.get(language, ()) for language in self.missing}
        merged = {**self.kept, **fresh}
        return {language: merged[language] for language in languages if language in merged}


def plan(passages: Sequence[Passage], known: Mapping[str, LedgerEntry], target: Target) -> list[Work]:
    """The passages that are not yet stored as ``target`` asks, in their order; unchanged ones are left out."""
    work = [_plan_one(passage, known.get(passage.id), target) for passage in passages]
    return [item for item in work if item is not None]


def _plan_one(passage: Passage, entry: LedgerEntry | None, target: Target) -> Work | None:
    wanted = target.languages_for(passage)
    if entry is None:
        return Work(passage, {}, wanted)
    reusable = entry.content_hash == content_hash(passage) and entry.generation == target.generation
    kept = {language: entry.queries[language] for language in wanted if reusable and language in entry.queries}
    missing = tuple(language for language in wanted if language not in kept)
    unchanged = entry.record_hash == record_hash(passage) and entry.fingerprint == target.fingerprint
    if unchanged and reusable and not missing:
        return None
    return Work(passage, kept, missing, entry.queries if unchanged else None)


def by_passage(queries: Sequence[GeneratedQuery]) -> dict[str, dict[str, tuple[str, ...]]]:
    """Queries grouped by passage id and language, each in the order given."""
    grouped: dict[str, dict[str, tuple[str, ...]]] = {}
    for query in queries:
        languages = grouped.setdefault(query.passage_id, {})
        languages[query.language] = (*languages.get(query.language, ()), query.text)
    return grouped


def flatten(passage: Passage, queries: Mapping[str, tuple[str, ...]]) -> Iterator[GeneratedQuery]:
    """The queries of one passage as records, by language in the mapping's order."""
    for language, texts in queries.items():
        for text in texts:
            yield GeneratedQuery(passage.id, language, text)
