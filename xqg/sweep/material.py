"""What all cells of a sweep share: passages, generated texts and labelled queries, each with its vector."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from xqg.errors import InputError
from xqg.evaluation.queries import LabelledQuery
from xqg.ingest.calibration import Sample
from xqg.ingest.fusion import Rows
from xqg.records import GeneratedQuery, Passage, Vectors, owners
from xqg.sweep.vectors import VectorCache

Codes = npt.NDArray[np.object_]


@dataclass(frozen=True, eq=False)
class Texts:
    """Generated texts: vectors (m, d), rows of their passages (m,), languages (m,), and their places (m,).

    A text's place counts from 0 among those of its passage in its language. ``are_passages``: (m,) whether it is a
    passage rather than a query.
    """

    vectors: Vectors
    owners: Rows
    languages: Codes
    places: Rows
    are_passages: npt.NDArray[np.bool_]

    def select(self, chosen: npt.NDArray[np.bool_]) -> Texts:
        """Those of the texts where ``chosen``, shape (m,), is true."""
        return Texts(
            self.vectors[chosen],
            self.owners[chosen],
            self.languages[chosen],
            self.places[chosen],
            self.are_passages[chosen],
        )


@dataclass(frozen=True, eq=False)
class Material:
    """Passages with vectors (n, d), generated texts, and the queries to ask with vectors (q, d).

    ``sample``: rows of the passages to calibrate on. ``distance``: "cosine" or "dot".
    """

    passages: tuple[Passage, ...]
    vectors: Vectors
    texts: Texts
    queries: tuple[LabelledQuery, ...]
    asked: Vectors
    sample: Rows
    distance: str

    @property
    def spoken(self) -> Codes:
        """The language of each passage, shape (n,)."""
        return np.array([passage.language for passage in self.passages], dtype=object)

    @property
    def own_language(self) -> str | None:
        """The language of the passages, None where they have several."""
        languages = {passage.language for passage in self.passages}
        return languages.pop() if len(languages) == 1 else None

    def calibration_sample(self, texts: Texts) -> Sample:
        """The sampled passages with those of ``texts`` that were generated for them."""
        row_of = np.full(len(self.passages), -1)
        row_of[self.sample] = np.arange(len(self.sample))
        rows = row_of[texts.owners]
        kept = rows >= 0
        return Sample(
            self.vectors[self.sample],
            list(self.spoken[self.sample]),
            texts.vectors[kept],
            rows[kept],
            list(texts.languages[kept]),
        )


def gather(
    passages: Sequence[Passage],
    generated: Sequence[GeneratedQuery],
    generated_passages: Sequence[GeneratedQuery],
    queries: Sequence[LabelledQuery],
    sample: Sequence[int],
    cache: VectorCache,
) -> Material:
    """Encode everything; generated passages are encoded as passages, without a title.

    :raises InputError: if no query asks for one of the passages.
    """
    known = {passage.id for passage in passages}
    asked = tuple(query for query in queries if known & set(query.relevant))
    if not asked:
        raise InputError(
            f"None of {len(queries)} queries asks for one of the {len(passages)} passages",
            "asked for queries whose passage_id is the id of a passage",
            "Check that the two files belong together",
        )
    texts = [*generated, *generated_passages]
    vectors = [
        cache.queries([text.text for text in generated]),
        cache.passages([Passage(text.passage_id, text.text, language=text.language) for text in generated_passages]),
    ]
    kinds = np.array([False] * len(generated) + [True] * len(generated_passages), dtype=np.bool_)
    return Material(
        tuple(passages),
        cache.passages(passages),
        Texts(
            np.concatenate(vectors),
            owners(passages, texts),
            np.array([text.language for text in texts], dtype=object),
            _places(texts, kinds.tolist()),
            kinds,
        ),
        asked,
        cache.queries([query.text for query in asked]),
        np.array(sample, dtype=np.int64),
        cache.distance,
    )


def _places(texts: Sequence[GeneratedQuery], kinds: Sequence[bool]) -> Rows:
    counts: dict[tuple[str, str, bool], int] = {}
    places = []
    for text, kind in zip(texts, kinds, strict=True):
        key = (text.passage_id, text.language, kind)
        places.append(counts.get(key, 0))
        counts[key] = places[-1] + 1
    return np.array(places, dtype=np.int64)
