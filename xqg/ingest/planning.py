"""What a passage still needs, told from what the store knows of it: nothing is generated or encoded twice."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

from xqg.protocols import Failure
from xqg.records import GeneratedQuery, LedgerEntry, Passage, content_hash, record_hash


@dataclass(frozen=True)
class Target:
    """What every stored passage should look like.

    ``fingerprint`` stands for all that changes a vector, ``generation`` for all that changes a query (it
    leaves the list of languages out, so that a new language costs only itself); None takes the stored queries as they
    are. ``written``: people wrote the queries (`asked_languages`).
    """

    fingerprint: str
    generation: str | None
    languages: tuple[str, ...]
    own_language: bool
    written: bool = False

    def languages_for(self, passage: Passage) -> tuple[str, ...]:
        """The languages in which ``passage`` gets queries."""
        return asked_languages(passage, self.languages, self.own_language, self.written)


def asked_languages(
    passage: Passage, languages: Sequence[str], own_language: bool = False, written: bool = False
) -> tuple[str, ...]:
    """The languages to ask of ``passage`` in: all but its own, which is added where ``own_language``.

    :param written: people wrote the queries, so there is no reason to leave any out, whatever the passage is in.
    """
    if own_language:
        return tuple(dict.fromkeys((*languages, passage.language)))
    return tuple(code for code in languages if written or code != passage.language)


@dataclass(frozen=True)
class Work:
    """One passage that may have to be stored: the queries it keeps by language, and the languages it lacks.

    Queries in languages that are no longer asked for are kept too: they were dear. ``stored`` are the queries, in the
    languages asked for, of a passage whose record and fingerprint are up to date already; None where they are not.
    """

    passage: Passage
    kept: Mapping[str, tuple[str, ...]]
    missing: tuple[str, ...]
    generation: str
    stored: Mapping[str, tuple[str, ...]] | None = None

    def queries(
        self, generated: Mapping[str, tuple[str, ...]], failed: Collection[str] = ()
    ) -> dict[str, tuple[str, ...]]:
        """All queries by language, the new ones after those that were kept; where nothing came of a language, ().

        :param failed: languages of which that is not known: they stay missing, for the next run.
        """
        made = {language: generated.get(language, ()) for language in self.missing if language not in failed}
        return {**self.kept, **made}

    def is_stored(self, queries: Mapping[str, tuple[str, ...]]) -> bool:
        """Whether nothing would change with these queries; so with most passages of a query file that has grown."""
        return self.stored is not None and all(queries.get(code, ()) == texts for code, texts in self.stored.items())


def plan(passages: Sequence[Passage], known: Mapping[str, LedgerEntry], target: Target) -> list[Work]:
    """The passages that are not yet stored as ``target`` asks, in their order; unchanged ones are left out."""
    work = [_plan_one(passage, known.get(passage.id), target) for passage in passages]
    return [item for item in work if item is not None]


def _plan_one(passage: Passage, entry: LedgerEntry | None, target: Target) -> Work | None:
    wanted = target.languages_for(passage)
    if entry is None:
        return Work(passage, {}, wanted, target.generation or "")
    generation = entry.generation if target.generation is None else target.generation
    reusable = entry.content_hash == content_hash(passage) and entry.generation == generation
    kept = dict(entry.queries) if reusable else {}
    missing = tuple(language for language in wanted if language not in kept)
    unchanged = entry.record_hash == record_hash(passage) and entry.fingerprint == target.fingerprint
    if unchanged and reusable and not missing:
        return None
    stored = {language: entry.queries.get(language, ()) for language in wanted} if unchanged else None
    return Work(passage, kept, missing, generation, stored)


def by_passage(queries: Sequence[GeneratedQuery]) -> dict[str, dict[str, tuple[str, ...]]]:
    """Queries grouped by passage id and language, each in the order given."""
    grouped: dict[str, dict[str, tuple[str, ...]]] = {}
    for query in queries:
        languages = grouped.setdefault(query.passage_id, {})
        languages[query.language] = (*languages.get(query.language, ()), query.text)
    return grouped


def open_languages(failures: Sequence[Failure]) -> dict[str, list[str]]:
    """The languages by passage id in which it is not known whether there are queries."""
    found: dict[str, list[str]] = {}
    for failure in failures:
        if not failure.refused:
            found.setdefault(failure.passage_id, []).append(failure.language)
    return found


def flatten(
    passage: Passage, queries: Mapping[str, tuple[str, ...]], languages: Sequence[str]
) -> Iterator[GeneratedQuery]:
    """The queries of one passage in these languages as records, in their order."""
    for language in languages:
        for text in queries.get(language, ()):
            yield GeneratedQuery(passage.id, language, text)
