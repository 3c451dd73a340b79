"""Encoders behind an OpenAI-compatible endpoint (OpenAI, vLLM, Ollama, text-embeddings-inference, …)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from typing import Any

import numpy as np

from xqg.encoders.prefixes import known_prefixes
from xqg.errors import EncodingError
from xqg.http import JsonEndpoint
from xqg.records import Passage, Vectors
from xqg.settings import EncoderSettings

CHARACTERS_PER_TOKEN = 4


class OpenAIEncoder:
    """An embedding model behind ``POST /embeddings``; vectors are compared by cosine unless settings say otherwise."""

    def __init__(self, settings: EncoderSettings, endpoint: JsonEndpoint | None = None) -> None:
        self._settings = settings
        self._endpoint = JsonEndpoint.from_settings(settings) if endpoint is None else endpoint
        self._name = settings.spec.removeprefix("openai:")

    @property
    def identity(self) -> Mapping[str, Any]:
        """What changes the vectors; the address is left out, so that an endpoint may move."""
        return {
            "kind": "openai",
            "model": self._name,
            "normalise": self._settings.normalise,
            "query_prefix": self._prefixes[0],
            "passage_prefix": self._prefixes[1],
        }

    @property
    def distance(self) -> str:
        """Cosine, unless normalisation is switched off."""
        return "dot" if self._settings.normalise is False else "cosine"

    @cached_property
    def dimension(self) -> int:
        """Length of the vectors; asks the endpoint once. :raises XqgError: if it does not answer."""
        return len(self._request(["dimension"])[0])

    def check(self) -> None:
        """See that the endpoint answers. :raises XqgError: if it does not."""
        _ = self.dimension

    def encode_queries(self, texts: Sequence[str]) -> Vectors:
        """Vectors of questions, shape (len(texts), dimension), float32."""
        return self._encode([self._prefixes[0] + text for text in texts])

    def encode_passages(self, passages: Sequence[Passage]) -> Vectors:
        """Vectors of title and text, shape (len(passages), dimension), float32."""
        return self._encode([self._prefixes[1] + passage.content for passage in passages])

    def count_tokens(self, text: str) -> int:
        """An estimate of four characters of English a token: the endpoint does not tell its tokenizer."""
        return -(-len(text.encode()) // CHARACTERS_PER_TOKEN)

    @cached_property
    def _prefixes(self) -> tuple[str, str]:
        settings, known = self._settings, known_prefixes(self._name)
        query = settings.query_prefix if settings.query_prefix is not None else known.query if known else ""
        passage = settings.passage_prefix if settings.passage_prefix is not None else known.passage if known else ""
        return query, passage

    def _encode(self, texts: list[str]) -> Vectors:
        if not texts:
            return np.empty((0, self.dimension), dtype=np.float32)
        size = self._settings.batch_size
        batches = [texts[start : start + size] for start in range(0, len(texts), size)]
        with ThreadPoolExecutor(min(self._settings.concurrency, len(batches))) as pool:
            rows = [row for answer in pool.map(self._request, batches) for row in answer]
        vectors = np.asarray(rows, dtype=np.float32)
        if self._settings.normalise:
            vectors /= np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
        return vectors

    def _request(self, texts: Sequence[str]) -> list[list[float]]:
        """One vector for each of ``texts``, in their order.

        :raises EncodingError: if the answer holds something else.
        """
        answer = self._endpoint.post_json("embeddings", {"model": self._name, "input": list(texts)})
        try:
            items = sorted(answer["data"], key=lambda item: int(item["index"]))
            rows = [[float(value) for value in item["embedding"]] for item in items]
        except (KeyError, TypeError, ValueError) as error:
            raise self._misfit(f"cannot be read ({type(error).__name__})") from error
        if len(rows) != len(texts):
            raise self._misfit(f"holds {len(rows)} vectors for {len(texts)} texts")
        if len({len(row) for row in rows}) != 1:
            raise self._misfit("holds vectors of different lengths")
        return rows

    def _misfit(self, what: str) -> EncodingError:
        return EncodingError(
            f"The answer of the endpoint for {self._name} {what}",
            "asked for the OpenAI format of embeddings",
            "Check --encoder-url and the name of the model",
        )
