"""What a passage still needs, given what the store knows of it: nothing is generated or encoded twice."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from xqg.metadata import NOT_KEPT, generation_key
from xqg.protocols import Failure, Generation
from xqg.records import LedgerEntry, Passage, Texts, content_hash, record_hash


@dataclass(frozen=True)
class Target:
    """What every stored passage should look like.

    ``fingerprint`` stands for all that changes a vector, ``generation`` for all that changes a query and for the
    generator's revision (it leaves the list of languages out, so that a new language costs only itself); None takes
    the stored queries as they are. ``written``: people wrote the queries (`asked_languages`). ``keeps_texts``:
    generated texts are stored too.
    """

    fingerprint: str
    generation: str | None
    languages: tuple[str, ...]
    own_language: bool
    written: bool = False
    keeps_texts: bool = True

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
    """One passage that may have to be stored: the texts it keeps by language, and the languages it lacks.

    Texts in languages that are no longer targets are kept too, for they were expensive. ``stored`` are the texts, in
    the target languages, of a passage whose record and fingerprint are up to date already; None where they are not.
    ``content_hash`` and ``record_hash`` as in `xqg.records`.
    """

    passage: Passage
    kept: Texts
    missing: tuple[str, ...]
    generation: str
    content_hash: str
    record_hash: str
    stored: Texts | None = None

    def with_new(self, generated: Texts, failed: Collection[str] = ()) -> Texts:
        """All texts by language, the new ones after those that were kept.

        :param failed: languages of which it is not known whether there are any: they stay missing, for the next run.
        """
        new = generated.only([language for language in self.missing if language not in failed])
        return Texts({**self.kept.queries, **new.queries}, {**self.kept.translations, **new.translations})

    def is_stored(self, texts: Texts) -> bool:
        """Whether nothing would change with these texts; so with most passages of a query file that has grown."""
        return self.stored is not None and texts.only(list(self.stored.queries)) == self.stored


def plan(passages: Sequence[Passage], known: Mapping[str, LedgerEntry], target: Target) -> list[Work]:
    """The passages that are not yet stored as ``target`` asks, in their order; unchanged ones are left out."""
    work = [_plan_one(passage, known.get(passage.id), target) for passage in passages]
    return [item for item in work if item is not None]


def _plan_one(passage: Passage, entry: LedgerEntry | None, target: Target) -> Work | None:
    wanted, content = target.languages_for(passage), content_hash(passage)
    record = record_hash(passage, content)
    if entry is None:
        return Work(passage, Texts(), wanted, target.generation or "", content, record)
    asked = entry.generation if target.generation is None else target.generation
    reusable = entry.content_hash == content and generation_key(entry.generation) == generation_key(asked)
    kept = entry.texts if reusable else Texts()
    missing = tuple(language for language in wanted if language not in kept.queries)
    unchanged = entry.record_hash == record and entry.fingerprint == target.fingerprint
    if unchanged and reusable and not missing:
        return None
    if entry.generation.endswith(NOT_KEPT):
        return Work(passage, Texts(), wanted, asked.removesuffix(NOT_KEPT), content, record)
    stored = entry.texts.only(wanted) if unchanged else None
    generation = entry.generation if reusable and not missing else asked
    return Work(passage, kept, missing, generation, content, record, stored)


def by_passage(generation: Generation) -> dict[str, Texts]:
    """What was generated, grouped by passage id and language, each in the order given."""
    queries: dict[str, dict[str, tuple[str, ...]]] = {}
    translations: dict[str, dict[str, tuple[str, ...]]] = {}
    for query in generation.queries:
        languages = queries.setdefault(query.passage_id, {})
        languages[query.language] = (*languages.get(query.language, ()), query.text)
    for translation in generation.translations:
        translations.setdefault(translation.passage_id, {})[translation.language] = translation.texts
    return {key: Texts(queries.get(key, {}), translations.get(key, {})) for key in {**queries, **translations}}


def open_languages(failures: Sequence[Failure]) -> dict[str, list[str]]:
    """The languages by passage id in which it is not known whether there are texts."""
    found: dict[str, list[str]] = {}
    for failure in failures:
        if not failure.refused:
            found.setdefault(failure.passage_id, []).append(failure.language)
    return found
