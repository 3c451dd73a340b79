"""What all cells of a sweep share, each with its vector: passages, what can be fused into them, labelled queries.

Vectors are encoded once, and kept in a file beside the results, so that the next sweep need not wait for them.
"""

from __future__ import annotations

import hashlib
import json
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from xqg.encoders.profiles import find_profile
from xqg.errors import READING_ERRORS, InputError
from xqg.evaluation.queries import LabelledQuery
from xqg.fusion.pieces import Piece, passage_pieces, query_pieces
from xqg.fusion.profile import EncoderProfile
from xqg.fusion.rules import PieceVectors, Rows
from xqg.generators.file import FileGenerator
from xqg.ingest.failures import tell_left_over
from xqg.protocols import Encoder, QueryGenerator
from xqg.records import GeneratedQuery, Passage, Vectors, digest
from xqg.settings import GeneratorSettings

ENCODING_BATCH = 256
WRITING_BATCH = 32
READING_LIMIT = 100

Progress = Callable[[int, int], None]

Codes = npt.NDArray[np.object_]
Kind = Literal["own", "queries", "passages"]
"""Where a piece is from: the passage itself, or a generator that writes queries or passages."""


@dataclass(frozen=True, eq=False)
class Texts:
    """All that can be fused: the passages' own pieces, and what was generated for them in other languages; m in all.

    ``kinds``: shape (m,), a `Kind` each. ``languages``: shape (m,). ``places``: shape (m,), each from 0 among those of
    its kind, passage and language.
    """

    pieces: PieceVectors
    kinds: Codes
    languages: Codes
    places: Rows


@dataclass(frozen=True, eq=False)
class Material:
    """Passages with vectors (n, d), what can be fused into them, and the queries to ask with vectors (q, d).

    ``profile``: the encoder's; None where no rule needs it. ``distance``: "cosine" or "dot".
    """

    passages: tuple[Passage, ...]
    vectors: Vectors
    texts: Texts
    queries: tuple[LabelledQuery, ...]
    asked: Vectors
    profile: EncoderProfile | None
    distance: str

    @property
    def own_language(self) -> str | None:
        """The language of the passages, None where they have several."""
        languages = {passage.language for passage in self.passages}
        return languages.pop() if len(languages) == 1 else None

    @property
    def target_languages(self) -> list[str]:
        """The languages of the generated texts, sorted; empty where there are none."""
        return sorted(set(self.texts.languages[self.texts.kinds != "own"]))


class _Text(NamedTuple):
    kind: Kind
    owner: int
    piece: Piece


def read_texts(path: Path, passages: Sequence[Passage]) -> list[GeneratedQuery]:
    """What the file holds for these passages, by passage and language; the file is that of ``--generator file:``.

    :raises InputError: if it cannot be read.
    """
    generator = FileGenerator(GeneratorSettings(spec=f"file:{path}", queries_per_language=READING_LIMIT))
    languages = generator.languages()
    generator.meet(passages)
    tell_left_over(generator)
    return list(generator.generate([(passage, languages) for passage in passages]).queries)


def write_texts(
    path: Path,
    generator: QueryGenerator,
    requests: Sequence[tuple[Passage, Sequence[str]]],
    progress: Progress = lambda done, total: None,
) -> None:
    """Generate for each passage in its languages and write the file that `read_texts` reads.

    :raises GenerationError: if the generator fails; nothing is left behind then.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(path.name + ".draft")
    try:
        with draft.open("w", encoding="utf-8") as file:
            for start in range(0, len(requests), WRITING_BATCH):
                for query in generator.generate(requests[start : start + WRITING_BATCH]).queries:
                    record = {"passage_id": query.passage_id, "language": query.language, "query": query.text}
                    file.write(json.dumps(record, ensure_ascii=False) + "\n")
                progress(min(start + WRITING_BATCH, len(requests)), len(requests))
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)


def gather(
    passages: Sequence[Passage],
    generated: Mapping[Kind, Sequence[GeneratedQuery]],
    queries: Sequence[LabelledQuery],
    cache: VectorCache,
    neutral: bool,
) -> Material:
    """Encode everything.

    Generated texts in a passage's own language are left out, as `xqg ingest` does.

    :param generated: "queries", "passages" or both; the passages are encoded as such, without a title.
    :param neutral: also what the rules `neutral` and `views` need: the passages' own pieces and the encoder's profile.
    :raises InputError: if no query asks for one of the passages.
    """
    known = {passage.id for passage in passages}
    asked = tuple(query for query in queries if known & set(query.relevant))
    if not asked:
        raise InputError(
            f"None of {len(queries)} queries asks for one of the {len(passages)} passages",
            "queries whose passage_id is the id of a passage",
            "Check that the two files belong together",
        )
    texts = [*(_own(passages) if neutral else ()), *_foreign(passages, generated)]
    return Material(
        tuple(passages),
        cache.passages(passages),
        _encode(texts, cache),
        asked,
        cache.queries([query.text for query in asked]),
        cache.profile if neutral else None,
        cache.distance,
    )


def _own(passages: Sequence[Passage]) -> Iterator[_Text]:
    for owner, passage in enumerate(passages):
        for piece in passage_pieces(passage):
            yield _Text("own", owner, piece)


def _foreign(passages: Sequence[Passage], generated: Mapping[Kind, Sequence[GeneratedQuery]]) -> Iterator[_Text]:
    rows = {passage.id: row for row, passage in enumerate(passages)}
    for kind, texts in generated.items():
        for text in texts:
            owner = rows[text.passage_id]
            if text.language != passages[owner].language:
                for piece in query_pieces({text.language: [text.text]}):
                    yield _Text(kind, owner, piece)


def _encode(texts: Sequence[_Text], cache: VectorCache) -> Texts:
    written = np.array([text.kind == "passages" for text in texts], dtype=np.bool_)
    asked = cache.queries([text.piece.text for text in texts if text.kind != "passages"])
    vectors = np.empty((len(texts), asked.shape[1]), dtype=np.float32)
    vectors[~written] = asked
    vectors[written] = cache.passages([Passage("", text.piece.text) for text in texts if text.kind == "passages"])
    pieces = PieceVectors(
        vectors,
        np.arange(len(texts), dtype=np.int64),
        np.zeros(len(texts), dtype=np.bool_),
        np.array([text.owner for text in texts], dtype=np.int64),
        np.array([text.piece.whole for text in texts], dtype=np.bool_),
        np.array([text.piece.viewed for text in texts], dtype=np.bool_),
    )
    languages = np.array([text.piece.language for text in texts], dtype=object)
    return Texts(pieces, np.array([text.kind for text in texts], dtype=object), languages, _places(texts))


def _places(texts: Sequence[_Text]) -> Rows:
    seen: Counter[tuple[str, int, str]] = Counter()
    places = []
    for text in texts:
        key = (text.kind, text.owner, text.piece.language)
        places.append(seen[key])
        seen[key] += 1
    return np.array(places, dtype=np.int64)


class VectorCache:
    """An encoder's vectors by text, in ``vectors-IDENTITY.npz`` in a folder; passages and queries are kept apart."""

    def __init__(self, encoder: Encoder, folder: Path, progress: Progress = lambda done, total: None) -> None:
        self._encoder, self._progress = encoder, progress
        self.path = folder / f"vectors-{digest(dict(encoder.identity))[:12]}.npz"
        self._known: dict[str, Vectors] = _read(self.path) if self.path.exists() else {}

    @property
    def distance(self) -> str:
        """The similarity that the encoder's vectors are made for, "cosine" or "dot"."""
        return self._encoder.distance

    @cached_property
    def profile(self) -> EncoderProfile:
        """The encoder's profile, which may have to be measured when it is first asked for."""
        return find_profile(self._encoder)

    def passages(self, passages: Sequence[Passage]) -> Vectors:
        """Vectors of passages, shape (len(passages), d)."""
        by_key = {_key("passage", passage.content): passage for passage in passages}
        self._encode(by_key, self._encoder.encode_passages)
        return self._stack([_key("passage", passage.content) for passage in passages])

    def queries(self, texts: Sequence[str]) -> Vectors:
        """Vectors of queries, shape (len(texts), d)."""
        self._encode({_key("query", text): text for text in texts}, self._encoder.encode_queries)
        return self._stack([_key("query", text) for text in texts])

    def _encode(self, wanted: Mapping[str, object], encode: Callable[..., Vectors]) -> None:
        missing = {key: text for key, text in wanted.items() if key not in self._known}
        keys = sorted(missing)
        for start in range(0, len(keys), ENCODING_BATCH):
            batch = keys[start : start + ENCODING_BATCH]
            self._known |= dict(zip(batch, encode([missing[key] for key in batch]), strict=True))
            self._progress(start + len(batch), len(keys))
        if keys:
            self._save()

    def _stack(self, keys: Sequence[str]) -> Vectors:
        if not keys:
            return np.empty((0, self._encoder.dimension), dtype=np.float32)
        return np.stack([self._known[key] for key in keys])

    def _save(self) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        draft = self.path.with_name(self.path.name + ".draft")
        with draft.open("wb") as file:
            np.savez(file, keys=np.array(list(self._known)), vectors=np.stack(list(self._known.values())))
        draft.replace(self.path)


def _key(kind: str, text: str) -> str:
    return hashlib.sha256(f"{kind}\n{text}".encode("utf-8", "surrogatepass")).hexdigest()[:32]


_UNREADABLE: tuple[type[Exception], ...] = (zipfile.BadZipFile, *READING_ERRORS)


def _read(path: Path) -> dict[str, Vectors]:
    try:
        with np.load(path) as stored:
            return dict(zip(stored["keys"].tolist(), stored["vectors"], strict=True))
    except _UNREADABLE as error:
        raise InputError(f"{path} holds no vectors: {error}", "a file that a sweep wrote", "Delete it") from error
