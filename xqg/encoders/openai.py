"""Encoders behind an OpenAI-compatible endpoint (OpenAI, vLLM, Ollama, text-embeddings-inference, …)."""

from __future__ import annotations

import base64
import json
import logging
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from xqg.encoders.prefixes import known_prefixes, needs_no_prefix
from xqg.errors import PARSING_ERRORS, EncodingError
from xqg.http import EndpointError, JsonEndpoint
from xqg.records import Passage, Vectors
from xqg.remade import Remade
from xqg.settings import EncoderSettings

logger = logging.getLogger(__name__)

CHARACTERS_PER_TOKEN = 4

SHORTEST_PART = 64
"""Characters of a text that is not split any more: what is too long about it is something else."""


class OpenAIEncoder(Remade):
    """An embedding model behind ``POST /embeddings``; vectors are compared by cosine unless settings say otherwise."""

    def __init__(self, settings: EncoderSettings, endpoint: JsonEndpoint | None = None) -> None:
        self._settings = settings
        self._endpoint = JsonEndpoint.from_settings(settings) if endpoint is None else endpoint
        self._name = settings.spec.removeprefix("openai:")
        self._most = settings.batch_size  # texts that the endpoint takes at once

    @property
    def identity(self) -> Mapping[str, Any]:
        """What changes the vectors; the address is left out, so that an endpoint may move."""
        limit = self._settings.max_tokens
        return {
            "kind": "openai",
            "model": self._name,
            "normalise": self._settings.normalise,
            "query_prefix": self._prefixes[0],
            "passage_prefix": self._prefixes[1],
            **({} if limit is None else {"max_tokens": limit}),
        }

    @property
    def distance(self) -> str:
        """Cosine, unless normalisation is switched off."""
        return "dot" if self._settings.normalise is False else "cosine"

    @cached_property
    def dimension(self) -> int:
        """Length of the vectors; asks the endpoint once. :raises XqgError: if it does not answer."""
        return int(self._request(["dimension"]).shape[1])

    def check(self) -> None:
        """See that the endpoint answers, and tell where no prefix is known. :raises XqgError: if it does not."""
        _ = self.dimension
        settings, known = self._settings, known_prefixes(self._name) is not None or needs_no_prefix(self._name)
        if not known and settings.query_prefix is None and settings.passage_prefix is None:
            logger.warning(
                "no prefix is known for %s, so none is put before queries and passages; where its card names some, "
                "give --query-prefix and --passage-prefix",
                self._name,
            )

    def encode_queries(self, texts: Sequence[str]) -> Vectors:
        """Vectors of questions, shape (len(texts), dimension), float32."""
        return self._encode([self._prefixes[0] + text for text in texts])

    def encode_passages(self, passages: Sequence[Passage]) -> Vectors:
        """Vectors of title and text, shape (len(passages), dimension), float32."""
        return self._encode([self._prefixes[1] + self._cut(passage.content) for passage in passages])

    def count_tokens(self, text: str) -> int:
        """An estimate of four characters of English a token: the endpoint does not tell its tokenizer."""
        return -(-len(text.encode()) // CHARACTERS_PER_TOKEN)

    @cached_property
    def _prefixes(self) -> tuple[str, str]:
        settings, known = self._settings, known_prefixes(self._name)
        query = settings.query_prefix if settings.query_prefix is not None else known.query if known else ""
        passage = settings.passage_prefix if settings.passage_prefix is not None else known.passage if known else ""
        return query, passage

    def _cut(self, text: str) -> str:
        """``text``, no longer than the tokens asked for, by the estimate of `count_tokens`."""
        limit = self._settings.max_tokens
        return text if limit is None else text.encode()[: limit * CHARACTERS_PER_TOKEN].decode(errors="ignore")

    def _encode(self, texts: list[str]) -> Vectors:
        if not texts:
            return np.empty((0, self.dimension), dtype=np.float32)
        size = self._settings.batch_size
        batches = [texts[start : start + size] for start in range(0, len(texts), size)]
        with ThreadPoolExecutor(min(self._settings.concurrency, len(batches))) as pool:
            parts = list(pool.map(self._encode_batch, batches))
        split = sum(part.split for part in parts)
        if split:
            logger.warning(
                "%d of %d texts are too long for %s and were encoded in parts", split, len(texts), self._name
            )
        vectors = np.concatenate([part.vectors for part in parts])
        if self._settings.normalise:
            vectors /= np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
        return vectors

    def _encode_batch(self, texts: Sequence[str]) -> _Encoded:
        """The vectors of a batch, in halves where the endpoint does not take it whole."""
        if len(texts) > self._most:
            return self._in_halves(texts)
        try:
            return _Encoded(self._request(texts), 0)
        except EndpointError as error:
            if not error.is_too_long:
                raise
            if len(texts) > 1:
                halves = self._in_halves(texts)
                if halves.split == 0:  # it was the number of texts
                    self._most = min(self._most, len(texts) // 2)
                return halves
            return _Encoded(self._in_parts(texts[0], error), 1)

    def _in_halves(self, texts: Sequence[str]) -> _Encoded:
        first, second = (self._encode_batch(half) for half in (texts[: len(texts) // 2], texts[len(texts) // 2 :]))
        return _Encoded(np.concatenate([first.vectors, second.vectors]), first.split + second.split)

    def _in_parts(self, text: str, error: EndpointError) -> Vectors:
        """The vector of a text that is too long, shape (1, d): the mean of its halves', by their length."""
        middle = text.find(" ", len(text) // 2) if " " in text[len(text) // 2 : len(text) * 3 // 4] else len(text) // 2
        halves = [half for half in (text[:middle], text[middle:]) if half.strip()]
        if len(text) < SHORTEST_PART or len(halves) < 2:
            raise error
        vectors = np.concatenate([self._encode_batch([half]).vectors for half in halves])
        shares = np.array([len(half) for half in halves], dtype=np.float32)
        mean = (vectors * shares[:, None]).sum(axis=0, keepdims=True)
        length = float(np.linalg.norm(vectors, axis=1).mean())
        joined: Vectors = (mean * (length / max(float(np.linalg.norm(mean)), 1e-12))).astype(np.float32)
        return joined

    def _request(self, texts: Sequence[str]) -> Vectors:
        """One vector for each of ``texts``, in their order, shape (len(texts), d).

        :raises EncodingError: if the answer holds something else.
        """
        answer = self._endpoint.post_json("embeddings", {"model": self._name, "input": list(texts)})
        try:
            vectors = read_vectors(answer, len(texts))
        except UnreadableVectorsError as error:
            raise self._misfit(str(error)) from error
        seen = self.__dict__.setdefault("_seen", vectors.shape[1])
        if vectors.shape[1] != seen:
            raise self._misfit(f"holds vectors of {vectors.shape[1]} dimensions, earlier ones had {seen}")
        return vectors

    def _misfit(self, what: str) -> EncodingError:
        return EncodingError(
            f"The answer of the endpoint for {self._name} {what}",
            "the OpenAI format of embeddings",
            "Check --encoder-url and the name of the model",
        )


@dataclass(frozen=True)
class _Encoded:
    """The vectors of some texts, and how many of them had to be split."""

    vectors: Vectors
    split: int


class UnreadableVectorsError(ValueError):
    """The answer holds something else than one vector for each text; the message is a predicate."""


def read_vectors(answer: Any, count: int) -> Vectors:
    """The vectors of ``count`` texts in their order, shape (count, d), float32.

    What is null is NaN: that is the fault of one text, which whoever stores it refuses.

    :raises UnreadableVectorsError: if there are not as many, or they differ in length.
    """
    try:
        items = _items(answer)
        if len(items) != count:
            raise UnreadableVectorsError(f"holds {len(items)} vectors for {count} texts")
        rows = [_numbers(item["embedding"] if isinstance(item, Mapping) else item) for item in _in_order(items)]
    except UnreadableVectorsError:
        raise
    except PARSING_ERRORS as error:
        raise UnreadableVectorsError(f"cannot be read ({type(error).__name__})") from error
    lengths = {len(row) for row in rows if row is not None}
    if len(lengths) != 1 or 0 in lengths:
        what = f"different lengths ({', '.join(map(str, sorted(lengths)[:5]))})" if len(lengths) > 1 else "no numbers"
        raise UnreadableVectorsError(f"holds vectors of {what}")
    empty = np.full(lengths.pop(), np.nan)
    with np.errstate(over="ignore"):  # a number too large is an infinity, and refused as one
        return np.stack([empty if row is None else row for row in rows]).astype(np.float32)


def _items(answer: Any) -> Sequence[Any]:
    """The entry of each text: OpenAI's "data", Ollama's and Cohere's "embeddings", or the bare list of TEI."""
    found = answer
    for name in ("data", "embeddings", "float"):
        if isinstance(found, Mapping) and name in found:
            found = found[name]
    if isinstance(found, Mapping) and "embedding" in found:
        found = [found]
    if not isinstance(found, list):
        raise UnreadableVectorsError("cannot be read (no list of vectors)")
    return found


def _in_order(items: Sequence[Any]) -> list[Any]:
    """The entries by their numbers; a place in the list stands for numbers that say nothing.

    Some endpoints leave the number 0 out, or all numbers; some give 0 to all, since they encode one text at a time.
    """
    numbers = [item.get("index") if isinstance(item, Mapping) else None for item in items]
    known = [0 if number is None else int(number) for number in numbers]
    if set(known) <= {0}:
        return list(items)
    first = min(known)
    if sorted(known) != list(range(first, first + len(items))) or first not in (0, 1):
        raise UnreadableVectorsError(f"numbers its vectors {', '.join(map(str, known[:5]))}, …")
    return [item for _, item in sorted(zip(known, items, strict=True), key=lambda pair: pair[0])]


def _numbers(value: Any) -> Any:
    """The numbers of one vector, shape (d,), float64; None where there is none."""
    if isinstance(value, str):  # JSON once more, or float32 in base64
        if not value.strip().startswith("["):
            return np.frombuffer(base64.b64decode(value.strip(), validate=True), "<f4").astype(np.float64)
        value = json.loads(value)
    if isinstance(value, list) and len(value) == 1 and isinstance(value[0], list):
        value = value[0]  # llama.cpp gives a list of one
    if value is None:
        return None
    if isinstance(value, list) and any(isinstance(number, list) for number in value):
        raise UnreadableVectorsError("holds one vector for each token: the endpoint does not pool them")
    if not isinstance(value, list) or any(isinstance(number, bool) for number in value):
        raise UnreadableVectorsError("cannot be read (a vector that is none)")
    return np.array([np.nan if number is None else float(number) for number in value], dtype=np.float64)
