"""The pairs a generator learns from: passages, each with the queries people asked of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from xqg.errors import InputError, XqgError
from xqg.generators.prompts import TrainedStyle
from xqg.languages import told_language
from xqg.records import Passage, Reject
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
        code = told_language(language)
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


@dataclass(frozen=True)
class GroupSplit:
    """Groups to train on, groups to take the dev loss on, and the records that could not be taken."""

    train: tuple[PassageGroup, ...]
    dev: tuple[PassageGroup, ...]
    rejects: tuple[Reject, ...]


def split_groups(data: PairData, dev: PairData | None, settings: TrainingSettings) -> GroupSplit:
    """Set passages aside for the dev loss.

    :param dev: the dev pairs; None: a share of the passages of ``data``, drawn with the seed.
    """
    groups = data.groups
    if dev is not None:
        return GroupSplit(groups, dev.groups, (*data.rejects, *dev.rejects))
    order = np.random.default_rng([settings.seed, 2]).permutation(len(groups)).tolist()
    count = min(max(1, round(settings.dev_share * len(groups))), len(groups) - 1)
    kept, aside = (tuple(groups[place] for place in sorted(part)) for part in (order[count:], order[:count]))
    return GroupSplit(kept, aside, data.rejects)


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
