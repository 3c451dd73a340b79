"""Two generators as one: translations of the sentences, and questions; several outcomes as one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from xqg.protocols import Generation, QueryGenerator
from xqg.records import Passage


class Together:
    """What each of the generators writes, one after the other."""

    def __init__(self, generators: Sequence[QueryGenerator]) -> None:
        self._generators = tuple(generators)

    @property
    def identity(self) -> Mapping[str, Any]:
        """Those of all; loads no weights."""
        return {"kind": "together", "generators": [dict(generator.identity) for generator in self._generators]}

    @property
    def metered(self) -> bool:
        """Whether calls of one of them cost money."""
        return any(generator.metered for generator in self._generators)

    def languages(self) -> tuple[str, ...]:
        """The languages of the first that has some of its own, else ()."""
        return next((found for generator in self._generators if (found := generator.languages())), ())

    def check(self) -> None:
        """:raises XqgError: if one of them cannot be used."""
        for generator in self._generators:
            generator.check()

    def generate(self, requests: Sequence[tuple[Passage, Sequence[str]]]) -> Generation:
        """What all of them write. :raises GenerationError: if one fails."""
        return join_generations([generator.generate(requests) for generator in self._generators])


def join_generations(parts: Sequence[Generation]) -> Generation:
    """Several outcomes as one, in their order."""
    dropped: Counter[str] = Counter()
    for part in parts:
        dropped.update(part.dropped)
    return Generation(
        tuple(query for part in parts for query in part.queries),
        dict(dropped),
        tuple(translation for part in parts for translation in part.translations),
        tuple(failure for part in parts for failure in part.failures),
    )
