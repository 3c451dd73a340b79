"""Embedding endpoints as they are: vectors in many shapes, texts that are too long, prefixes that nobody adds."""

from __future__ import annotations

import base64
import contextlib
import json
import logging
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xqg.encoders.openai import OpenAIEncoder, UnreadableVectorsError, read_vectors
from xqg.encoders.prefixes import Prefixes, known_prefixes, needs_no_prefix
from xqg.errors import EncodingError
from xqg.http import EndpointError
from xqg.records import Passage
from xqg.settings import EncoderSettings

TEXTS = ["a", "bb", "ccc"]


def vector(text: str) -> list[float]:
    return [float(len(text)), 1.0, 2.0]


def as_base64(text: str) -> str:
    return base64.b64encode(np.array(vector(text), "<f4").tobytes()).decode()


NUMBERED = list(enumerate(TEXTS))
SHAPES: dict[str, Any] = {
    "in order": {"data": [{"index": n, "embedding": vector(t)} for n, t in NUMBERED]},
    "reversed": {"data": [{"index": n, "embedding": vector(t)} for n, t in reversed(NUMBERED)]},
    "no index": {"data": [{"embedding": vector(t)} for t in TEXTS]},
    "no index for 0": {"data": [{**({"index": n} if n else {}), "embedding": vector(t)} for n, t in NUMBERED]},
    "null": {"data": [{"index": None, "embedding": vector(t)} for t in TEXTS]},
    "all 0": {"data": [{"index": 0, "embedding": vector(t)} for t in TEXTS]},
    "as text": {"data": [{"index": str(n), "embedding": vector(t)} for n, t in reversed(NUMBERED)]},
    "as numbers with a point": {"data": [{"index": float(n), "embedding": vector(t)} for n, t in NUMBERED]},
    "from 1": {"data": [{"index": n + 1, "embedding": vector(t)} for n, t in reversed(NUMBERED)]},
    "base64": {"data": [{"index": n, "embedding": as_base64(t)} for n, t in NUMBERED]},
    "JSON in text": {"data": [{"index": n, "embedding": json.dumps(vector(t))} for n, t in NUMBERED]},
    "numbers in text": {"data": [{"index": n, "embedding": list(map(str, vector(t)))} for n, t in NUMBERED]},
    "nested": {"data": [{"index": n, "embedding": [vector(t)]} for n, t in NUMBERED]},
    "Ollama's own": {"embeddings": [vector(t) for t in TEXTS]},
    "Cohere's": {"embeddings": {"float": [vector(t) for t in TEXTS]}},
    "bare": [vector(t) for t in TEXTS],
    "bare objects": [{"embedding": vector(t)} for t in TEXTS],
}

WRONG: dict[str, tuple[Any, str]] = {
    "too few": ({"data": [{"index": 0, "embedding": [1.0]}]}, "1 vectors for 3 texts"),
    "other lengths": ([[1.0], [1.0], [1.0, 2.0]], r"different lengths \(1, 2\)"),
    "empty": ([[], [], []], "no numbers"),
    "null": ([None, None, None], "no numbers"),
    "one number twice": (
        {"data": [{"index": n, "embedding": [1.0]} for n in (0, 0, 2)]},
        "numbers its vectors 0, 0, 2",
    ),
    "one for each token": ([[[1.0], [2.0]]] * 3, "does not pool"),
    "truth": ([[True], [False], [True]], "cannot be read"),
    "objects": ([{"x": 1}] * 3, "cannot be read"),
    "no list": ({"hello": 1}, "cannot be read"),
    "text": ("vectors", "cannot be read"),
    "no base64": ({"data": [{"embedding": "?"}] * 3}, "cannot be read"),
    "half a number": ({"data": [{"embedding": "AAA="}] * 3}, "cannot be read"),
    "huge": ({"data": [{"index": 10**400, "embedding": [1.0]}] * 3}, "numbers its vectors"),
}


@pytest.mark.parametrize("answer", SHAPES.values(), ids=SHAPES)
def test_vectors_are_read_in_the_order_of_the_texts(answer: Any) -> None:
    assert read_vectors(answer, 3).tolist() == [vector(text) for text in TEXTS]


@pytest.mark.parametrize(("answer", "message"), WRONG.values(), ids=WRONG)
def test_what_is_no_answer_is_told(answer: Any, message: str) -> None:
    with pytest.raises(UnreadableVectorsError, match=message):
        read_vectors(answer, 3)


def test_one_vector_without_sense_is_one_texts_fault() -> None:
    for bad in (None, [None, 1.0], [math.nan, 1.0], [10.0**300, 1.0]):
        found = read_vectors([[1.0, 2.0], bad], 2)
        assert found[0].tolist() == [1.0, 2.0]
        assert not np.isfinite(found[1]).all()


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["data", "embedding", "embeddings", "index", "float"]), inner, max_size=3)
    ),
    max_leaves=15,
)


@settings(max_examples=400, deadline=None)
@given(JSON, st.integers(1, 3))
def test_no_answer_is_another_exception(answer: Any, count: int) -> None:
    with contextlib.suppress(UnreadableVectorsError):
        assert read_vectors(answer, count).shape[0] == count


class Endpoint:
    """Takes texts of at most ``longest`` characters, ``most`` at once; a vector says how long the text was."""

    def __init__(self, longest: int = 10**9, most: int = 10**9, status: int = 400) -> None:
        self.longest, self.most, self.status = longest, most, status
        self.asked: list[Sequence[str]] = []
        self.dimension = 2

    def post_json(self, path: str, body: Any) -> Any:
        texts = body["input"]
        self.asked.append(texts)
        if len(texts) > self.most:
            raise EndpointError(
                "", status=422, words=f"batch size {len(texts)} > maximum allowed batch size {self.most}"
            )
        if any(len(text) > self.longest for text in texts):
            words = "the input length exceeds the context length"
            raise EndpointError("refused", status=self.status, words=words)
        return [[float(len(text)), 1.0][: self.dimension] for text in texts]


def encoder_of(endpoint: Endpoint, **options: Any) -> OpenAIEncoder:
    return OpenAIEncoder(EncoderSettings(**{"spec": "openai:gte-base", **options}), endpoint)  # type: ignore[arg-type]


@pytest.mark.parametrize("status", [400, 413, 500])
def test_a_text_that_is_too_long_is_encoded_in_parts_and_counted(status: int, caplog: pytest.LogCaptureFixture) -> None:
    endpoint = Endpoint(longest=200, status=status)
    long = "word " * 100
    with caplog.at_level(logging.WARNING):
        vectors = encoder_of(endpoint).encode_queries(["short", long, "also short"])
    assert vectors[[0, 2]].tolist() == [[5.0, 1.0], [10.0, 1.0]]
    assert np.isfinite(vectors).all()
    assert vectors[1, 0] == pytest.approx(125, rel=0.1)  # four parts of about 125 characters
    assert "1 of 3 texts are too long" in caplog.text
    assert "".join(text for (text,) in (asked for asked in endpoint.asked if len(asked) == 1) if len(text) < 130) != ""


def test_an_endpoint_that_takes_fewer_texts_gets_fewer_from_then_on() -> None:
    endpoint = Endpoint(most=8)
    encoder = encoder_of(endpoint, batch_size=32)
    texts = ["a" * (number + 1) for number in range(32)]
    assert encoder.encode_queries(texts)[:, 0].tolist() == [float(len(text)) for text in texts]
    endpoint.asked.clear()
    encoder.encode_queries(texts)
    assert [len(asked) for asked in endpoint.asked] == [8, 8, 8, 8]


def test_a_refusal_for_another_reason_ends_it() -> None:
    with pytest.raises(EndpointError, match="refused"):
        encoder_of(Endpoint(longest=3)).encode_queries(["four"])  # so short a text cannot be too long


def test_another_dimension_halfway_is_told() -> None:
    endpoint = Endpoint()
    encoder = encoder_of(endpoint)
    encoder.encode_queries(["a"])
    endpoint.dimension = 1
    with pytest.raises(EncodingError, match="1 dimensions, earlier ones had 2"):
        encoder.encode_queries(["a"])


def test_passages_are_cut_where_asked_and_the_identity_says_so() -> None:
    endpoint = Endpoint()
    encoder = encoder_of(endpoint, max_tokens=10)
    encoder.encode_passages([Passage("p", "x" * 100), Passage("q", "é" * 30)])
    assert endpoint.asked == [["x" * 40, "é" * 20]]
    assert encoder.identity["max_tokens"] == 10
    assert "max_tokens" not in encoder_of(endpoint).identity


SENTENCE = "Represent this sentence for searching relevant passages: "


@pytest.mark.parametrize(
    ("model", "query", "passage"),
    [
        ("intfloat/multilingual-e5-large", "query: ", "passage: "),
        ("multilingual_e5_large", "query: ", "passage: "),
        ("me5-base", "query: ", "passage: "),
        ("jeffh/intfloat-multilingual-e5-small:f16", "query: ", "passage: "),
        ("e5-large-v2", "query: ", "passage: "),
        ("nomic-embed-text", "search_query: ", "search_document: "),
        ("nomic-ai/nomic-embed-text-v1.5", "search_query: ", "search_document: "),
        ("nomic-embed-text-v2-moe:latest", "search_query: ", "search_document: "),
        ("mxbai-embed-large", SENTENCE, ""),
        ("mixedbread-ai/mxbai-embed-large-v1", SENTENCE, ""),
        ("BAAI/bge-large-en-v1.5", SENTENCE, ""),
        ("bge-small-zh-v1.5", "为这个句子生成表示以用于检索相关文章：", ""),
        ("snowflake-arctic-embed:335m", SENTENCE, ""),
        ("Snowflake/snowflake-arctic-embed-m-v1.5", SENTENCE, ""),
        ("snowflake-arctic-embed2", "query: ", ""),
        ("Snowflake/snowflake-arctic-embed-l-v2.0", "query: ", ""),
        ("google/embeddinggemma-300m", "task: search result | query: ", "title: none | text: "),
        ("embeddinggemma", "task: search result | query: ", "title: none | text: "),
    ],
)
def test_prefixes_of_known_models_in_all_spellings(model: str, query: str, passage: str) -> None:
    assert known_prefixes(model) == Prefixes(query, passage)


@pytest.mark.parametrize("model", ["Qwen/Qwen3-Embedding-0.6B", "qwen3-embedding:8b", "multilingual-e5-large-instruct"])
def test_instruct_models(model: str) -> None:
    found = known_prefixes(model)
    assert found is not None
    assert found.query.startswith("Instruct: Given a web search query, retrieve relevant passages")
    assert found.passage == ""


@pytest.mark.parametrize("model", ["thenlper/gte-large", "gte-multilingual-base", "bge-m3", "text-embedding-3-small"])
def test_models_without_prefixes(model: str, caplog: pytest.LogCaptureFixture) -> None:
    assert known_prefixes(model) is None
    assert needs_no_prefix(model)
    encoder_of(Endpoint(), spec=f"openai:{model}").check()
    assert caplog.text == ""


def test_a_model_that_nobody_knows_is_told_of_unless_the_user_knows(caplog: pytest.LogCaptureFixture) -> None:
    encoder_of(Endpoint(), spec="openai:my-model", query_prefix="").check()
    assert caplog.text == ""
    encoder_of(Endpoint(), spec="openai:my-model").check()
    assert "no prefix is known for my-model, so none is put" in caplog.text
