"""Finds out which queries that people wrote belong to no passage, and says so: ids that differ would go unnoticed."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from typing import TypeVar

from xqg.protocols import QueryGenerator, WrittenQueries
from xqg.records import Passage

logger = logging.getLogger(__name__)

Record = TypeVar("Record")


def watched(records: Iterable[Record], generator: QueryGenerator | None) -> Iterator[Record]:
    """The same records; a generator of `WrittenQueries` meets each passage among them."""
    for record in records:
        if isinstance(record, Passage) and isinstance(generator, WrittenQueries):
            generator.meet([record])
        yield record


def tell_left_over(generator: QueryGenerator | None) -> None:
    """Log what belongs to no passage that was met; nothing where all queries found theirs."""
    found = generator.left_over() if isinstance(generator, WrittenQueries) else None
    if found is not None:
        logger.warning("%s", found)
