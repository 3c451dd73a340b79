"""Counts what a generator failed at, tells of it in the other side's words, and ends a run that gets nowhere."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass

from xqg.errors import GenerationError
from xqg.protocols import Generation, QueryGenerator, WrittenQueries
from xqg.records import Passage

logger = logging.getLogger(__name__)

LARGEST_SHARE = 0.5
"""A run in which more of the requests fail has failed."""

ENOUGH = 20
"""So many requests tell what the others will be like; fewer are waited for to the end."""

TOLD = 5
"""So many failures are named one by one."""

_REMEDY = "Mend the cause, or take another --generator, and run again: only what is missing is asked for"


@dataclass
class FailureTally:
    """What became of the requests of a run, each for one passage in one language.

    ``wanted``: all that the run's passages should have, also what they have already: of a run that asks again for the
    two that failed in the last one, two more failures say nothing. ``failed``: nobody knows whether there are queries,
    so the next run asks again. ``refused``: there will be none. ``unanswered``: nothing was kept, which says something
    where texts were ``dropped``; people's files may well have none for a passage.
    """

    wanted: int = 0
    asked: int = 0
    failed: int = 0
    refused: int = 0
    unanswered: int = 0
    dropped: int = 0
    last: str = ""

    def add(
        self, requests: Sequence[tuple[Passage, Sequence[str]]], generation: Generation, wanted: int | None = None
    ) -> None:
        """Count one call of a generator, and log its first failures.

        :param wanted: queries' languages, over the passages of the call; None: as many as were asked for.
        :raises GenerationError: if what was asked so far says that the rest would be for nothing.
        """
        asked = {(passage.id, language) for passage, languages in requests for language in languages}
        answered = {(query.passage_id, query.language) for query in generation.queries}
        answered |= {(translation.passage_id, translation.language) for translation in generation.translations}
        for failure in generation.failures:
            if self.failed + self.refused < TOLD:
                what = "will not be written" if failure.refused else "failed"
                logger.warning(
                    "queries in %s for %r %s: %s", failure.language, failure.passage_id, what, failure.reason
                )
            self.failed += not failure.refused
            self.refused += failure.refused
            self.last = failure.reason
        self.asked += len(asked)
        self.dropped += sum(generation.dropped.values())
        self.wanted += len(asked) if wanted is None else wanted
        self.unanswered += len(asked - answered) - len({(one.passage_id, one.language) for one in generation.failures})
        if self.wanted >= ENOUGH:
            self._check(self.failed + self.refused)
            if self.dropped and self.unanswered == self.asked == self.wanted:
                raise GenerationError(
                    f"Nothing that the generator wrote for {self.asked} requests could be kept",
                    "queries in the languages named",
                    "Take another --generator",
                )

    def finish(self) -> None:
        """The run is over. :raises GenerationError: if it got too little of what it asked for."""
        self._check(self.failed)

    def _check(self, count: int) -> None:
        if count > LARGEST_SHARE * self.wanted:
            raise GenerationError(
                f"{count} of {self.asked} requests for queries failed, the last with: {self.last}", "", _REMEDY
            )


def meet(generator: QueryGenerator | None, passages: Sequence[Passage]) -> None:
    """Tell a generator of `WrittenQueries` that these passages are there."""
    if isinstance(generator, WrittenQueries):
        generator.meet(passages)


def tell_left_over(generator: QueryGenerator | None) -> None:
    """Log which queries that people wrote belong to no passage that was met: ids that differ would go unnoticed."""
    found = generator.left_over() if isinstance(generator, WrittenQueries) else None
    if found is not None:
        logger.warning("%s", found)
