"""The pairs a generator learns from: passages, each with the queries people asked of it."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from xqg.errors import InputError, SettingsError, XqgError
from xqg.generators.prompts import TrainedStyle
from xqg.languages import language_name, told_language
from xqg.protocols import Encoder
from xqg.records import Passage, Reject
from xqg.training.training_settings import MINIMUM_PAIRS, DataSource, TrainingSettings

LEAD_CHARACTERS = 200
"""Length of the passages that a generator is taught to write: two sentences, as dear as three questions."""

_SENTENCE_END = re.compile(r"[.!?؟](?= )|[。！？।]")


@dataclass(frozen=True)
class TrainingQuery:
    """What somebody asked, in ``language`` (ISO 639-1)."""

    language: str
    text: str


@dataclass(frozen=True)
class PassageGroup:
    """One passage, in each language that it exists in (home language first), with all its queries."""

    id: str
    source: int
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

    def __init__(self, number: int, source: DataSource) -> None:
        self.source = source
        self._number = number
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
        language = told_language(language) or language
        problem = query_problem(language, text)
        if problem is None and key not in self._passages:
            problem = f"passage {key!r} is missing"
        if problem is None and self._is_copy(key, text):
            problem = "the query is a copy of the title or the text"
        if problem is not None:
            self.reject(*place, problem, record)
            return
        self._queries.setdefault(key, {}).setdefault(TrainingQuery(language, " ".join(text.split())))

    def finish(self) -> PairData:
        """All groups that have a query, each with its home language first."""
        home = self.source.home
        if self.source.style == "passage":
            self._ask_for_translations()
        groups = [
            PassageGroup(
                key,
                self._number,
                self.source.style,
                tuple(sorted(self._passages[key].values(), key=lambda passage: passage.language != home)),
                tuple(queries),
            )
            for key, queries in self._queries.items()
            if queries
        ]
        return PairData(tuple(groups), tuple(self._rejects))

    def _ask_for_translations(self) -> None:
        """Where a passage exists in other languages too, its beginning in each of them is what is to be written.

        It takes the place of the questions that came with it; a file of translations has none.
        """
        for key, passages in self._passages.items():
            leads = {code: lead(passage.text) for code, passage in passages.items() if code != self.source.home}
            if leads:
                self._queries[key] = {TrainingQuery(code, text): None for code, text in leads.items()}

    def _is_copy(self, key: str, text: str) -> bool:
        asked = " ".join(text.split()).casefold()
        own = self._passages[key].values()
        return any(asked in (passage.title.casefold(), passage.text.strip().casefold()) for passage in own)


def lead(text: str, limit: int = LEAD_CHARACTERS) -> str:
    """The whole sentences that ``text`` begins with, in at most ``limit`` characters; a longer first one is cut."""
    text = " ".join(text.split())
    if len(text) <= limit:
        return text
    ends = [match.end() for match in _SENTENCE_END.finditer(text, 0, limit)]
    if ends:
        return text[: ends[-1]].strip()
    space = text.rfind(" ", 0, limit)
    return text[: space if space > 0 else limit]


def query_problem(language: Any, text: Any) -> str | None:
    """Why a query cannot be used; None if it can."""
    if not isinstance(text, str) or not text.strip():
        return "the query is empty"
    if not isinstance(language, str):
        return "the query has no language"
    try:
        language_name(language)
    except SettingsError:
        return f"language {language!r} is not known; write an ISO 639-1 code"
    return None


def clear_groups(groups: Sequence[PassageGroup], encoder: Encoder, keep_rank: int) -> tuple[PassageGroup, ...]:
    """The groups without the queries that do not bring back their own passage among the first ``keep_rank``.

    People ask "When did he die?" with the passage before them; a search engine cannot answer that, and a generator
    should not learn it. The pool is the home-language passage of every group.
    """
    vectors = encoder.encode_passages([group.passages[0] for group in groups])
    texts = [query.text for group in groups for query in group.queries]
    scores = encoder.encode_queries(texts) @ vectors.T
    owners = np.repeat(np.arange(len(groups)), [len(group.queries) for group in groups])
    ranks = (scores > scores[np.arange(len(texts)), owners][:, None]).sum(axis=1) + 1
    kept: list[PassageGroup] = []
    start = 0
    for group in groups:
        own = ranks[start : start + len(group.queries)]
        start += len(group.queries)
        queries = tuple(query for query, rank in zip(group.queries, own, strict=True) if rank <= keep_rank)
        if queries:
            kept.append(replace(group, queries=queries))
    return tuple(kept)


@dataclass(frozen=True)
class GroupSplit:
    """Groups to train on, groups to take the dev loss on, what was rejected, and how many queries were unclear."""

    train: tuple[PassageGroup, ...]
    dev: tuple[PassageGroup, ...]
    rejects: tuple[Reject, ...]
    unclear: int


def split_groups(
    data: PairData, dev: PairData | None, settings: TrainingSettings, encoder: Encoder | None
) -> GroupSplit:
    """Drop unclear queries where a source asks for it, and set passages aside for the dev loss.

    :param dev: the dev pairs; None: a share of the passages of ``data``, drawn with the seed.
    :param encoder: for sources with ``keep_rank``.
    """
    groups: list[PassageGroup] = []
    for number, source in enumerate(settings.data):
        own: Sequence[PassageGroup] = [group for group in data.groups if group.source == number]
        if source.keep_rank is not None and encoder is not None and own:
            own = clear_groups(own, encoder, source.keep_rank)
        groups += own
    unclear = data.pairs - sum(len(group.queries) for group in groups)
    if dev is not None:
        return GroupSplit(tuple(groups), dev.groups, (*data.rejects, *dev.rejects), unclear)
    order = np.random.default_rng([settings.seed, 2]).permutation(len(groups))
    count = min(max(1, round(settings.dev_share * len(groups))), len(groups) - 1)
    chosen = {int(place) for place in order[:count]}
    kept = tuple(group for place, group in enumerate(groups) if place not in chosen)
    aside = tuple(group for place, group in enumerate(groups) if place in chosen)
    return GroupSplit(kept, aside, data.rejects, unclear)


def require_enough(data: PairData) -> None:
    """Refuse to train on next to nothing.

    :raises InputError: names the number found and the number needed.
    """
    if data.pairs < MINIMUM_PAIRS:
        rejected = f", {len(data.rejects)} records were rejected" if data.rejects else ""
        raise InputError(
            f"The data holds {data.pairs} usable pairs{rejected}",
            f"training needs at least {MINIMUM_PAIRS} pairs of passage and query",
            "Add pairs, or look into the rejects for what is wrong",
        )


def unreadable(path: str, why: str, remedy: str) -> XqgError:
    """The error for a file or folder that holds no pairs at all."""
    return InputError(f"{path} {why}", "pairs as JSONL, SQuAD-format JSON or a BEIR folder", remedy)
