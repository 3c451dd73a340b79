"""The encoders: the bundled one for real, a hub's on tiny models made on the spot, an endpoint's on our own server."""

from __future__ import annotations

import json
import shutil
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from xqg.encoders.bundled import BundledEncoder
from xqg.encoders.openai import OpenAIEncoder
from xqg.encoders.prefixes import Prefixes, known_prefixes
from xqg.errors import EncodingError, ModelError, XqgError
from xqg.metadata import noted_encoder, pinned_encoder
from xqg.records import Passage
from xqg.settings import EncoderSettings

WORDS = ["query", "passage", ":", "hello", "world", "blue", "moon", "over", "the", "sea"]


class TestBundled:
    def test_canonical_vectors(self) -> None:
        """The first numbers of a known text: they guard prefix, pooling and normalisation."""
        encoder = BundledEncoder()
        (query,) = encoder.encode_queries(["how much protein per day"])
        (passage,) = encoder.encode_passages([Passage("p", "how much protein per day")])
        assert np.linalg.norm(query) == pytest.approx(1, abs=1e-5)
        np.testing.assert_allclose(query[:4], QUERY, atol=2e-3)
        np.testing.assert_allclose(passage[:4], PASSAGE, atol=2e-3)

    def test_a_question_is_near_its_passage_in_another_language(self) -> None:
        encoder = BundledEncoder()
        passages = encoder.encode_passages([Passage("a", "How to reset a password"), Passage("b", "Baking bread")])
        (query,) = encoder.encode_queries(["Comment réinitialiser un mot de passe ?"])
        assert passages[0] @ query > passages[1] @ query

    def test_vectors_do_not_depend_on_the_batch_or_its_order(self) -> None:
        encoder = BundledEncoder()
        texts = [f"question number {number} about {'a ' * (number % 7)}lamp" for number in range(60)]
        together = encoder.encode_queries(texts)
        np.testing.assert_array_equal(together[::-1], encoder.encode_queries(texts[::-1]))
        np.testing.assert_array_equal(together[17], encoder.encode_queries([texts[17]])[0])

    def test_a_nul_does_not_cut_the_text(self) -> None:
        encoder = BundledEncoder()
        first, second = encoder.encode_queries(["lamp\x00 broken", "lamp"])
        assert not np.array_equal(first, second)

    def test_nothing_in_nothing_out(self) -> None:
        assert BundledEncoder().encode_queries([]).shape == (0, 384)

    def test_tokens(self) -> None:
        encoder = BundledEncoder()
        assert encoder.count_tokens("one two three") > encoder.count_tokens("one")


QUERY = [0.01408, -0.02420, -0.04346, -0.05553]
PASSAGE = [0.01697, 0.00046, -0.05120, -0.08832]


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        ("intfloat/multilingual-e5-small", Prefixes("query: ", "passage: ")),
        ("intfloat/e5-large-v2", Prefixes("query: ", "passage: ")),
        ("BAAI/bge-m3", None),
        ("some/base5-large", None),
    ],
)
def test_known_prefixes(model: str, expected: Prefixes | None) -> None:
    assert known_prefixes(model) == expected


def test_instruct_models_have_an_instruction() -> None:
    prefixes = known_prefixes("intfloat/multilingual-e5-large-instruct")
    assert prefixes is not None
    assert prefixes.query.startswith("Instruct: ")
    assert prefixes.passage == ""


@pytest.fixture(scope="module")
def bert(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny random BERT, as a bare transformer."""
    import torch
    from transformers import BertConfig, BertModel, BertTokenizerFast

    folder = tmp_path_factory.mktemp("models") / "tiny-bert"
    folder.mkdir()
    vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS]
    (folder / "vocab.txt").write_text("\n".join(vocabulary), encoding="utf-8")
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(vocabulary),
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=64,
    )
    BertModel(config).save_pretrained(folder)
    BertTokenizerFast(vocab=str(folder / "vocab.txt")).save_pretrained(folder)
    return folder


def encoder_of(folder: Path, **options: Any) -> Any:
    pytest.importorskip("sentence_transformers")
    from xqg.encoders.huggingface import HuggingFaceEncoder

    return HuggingFaceEncoder(EncoderSettings(spec=f"hf:{folder}", device="cpu", **options))


def hidden_states(folder: Path, text: str) -> Any:
    import torch
    from transformers import AutoModel, AutoTokenizer

    tokens = AutoTokenizer.from_pretrained(folder)(text, return_tensors="pt")
    with torch.inference_mode():
        return AutoModel.from_pretrained(folder)(**tokens).last_hidden_state[0].numpy()


class TestHuggingFace:
    def test_a_bare_model_is_a_passage_retriever_with_cls_pooling_and_dot_product(self, bert: Path) -> None:
        encoder = encoder_of(bert)
        assert (encoder.dimension, encoder.distance) == (16, "dot")
        (vector,) = encoder.encode_passages([Passage("p", "the moon", title="blue")])
        np.testing.assert_allclose(vector, hidden_states(bert, "blue the moon")[0], atol=1e-5)

    def test_pooling_normalisation_and_prefix_are_settings(self, bert: Path) -> None:
        encoder = encoder_of(bert, pooling="mean", normalise=True, query_prefix="query : ")
        assert encoder.distance == "cosine"
        (vector,) = encoder.encode_queries(["hello world"])
        mean = hidden_states(bert, "query : hello world").mean(axis=0)
        np.testing.assert_allclose(vector, mean / np.linalg.norm(mean), atol=1e-5)

    def test_a_published_model_keeps_its_pooling_prompts_and_normalisation(self, bert: Path, tmp_path: Path) -> None:
        pytest.importorskip("sentence_transformers")
        from sentence_transformers import SentenceTransformer
        from sentence_transformers.sentence_transformer import modules

        parts = [modules.Transformer(str(bert)), modules.Pooling(16, pooling_mode="mean"), modules.Normalize()]
        prompts = {"query": "query : ", "document": "passage : "}
        SentenceTransformer(modules=parts, prompts=prompts, device="cpu").save(str(tmp_path / "published"))
        encoder = encoder_of(tmp_path / "published")
        assert (encoder.dimension, encoder.distance) == (16, "cosine")
        (query,), (passage,) = encoder.encode_queries(["hello"]), encoder.encode_passages([Passage("p", "hello")])
        for vector, text in ((query, "query : hello"), (passage, "passage : hello")):
            mean = hidden_states(bert, text).mean(axis=0)
            np.testing.assert_allclose(vector, mean / np.linalg.norm(mean), atol=1e-5)

    def test_the_identity_needs_no_weights_and_changes_with_what_changes_vectors(self, bert: Path) -> None:
        encoder = encoder_of(bert)
        identity = encoder.identity
        assert identity["model"] == "tiny-bert"
        assert str(bert) not in json.dumps(identity)
        assert "_model" not in encoder.__dict__
        assert encoder_of(bert, pooling="mean").identity != identity
        assert encoder_of(bert, max_tokens=8).identity != identity

    def test_a_retrained_model_of_the_same_size_is_another_one(self, bert: Path, tmp_path: Path) -> None:
        from safetensors.torch import load_file, save_file

        copied = Path(shutil.copytree(bert, tmp_path / "tiny-bert"))
        (copied / "README.md").write_text("about it", encoding="utf-8")
        assert encoder_of(copied).identity == encoder_of(bert).identity
        weights = copied / "model.safetensors"
        size = weights.stat().st_size
        tensors = load_file(weights)
        tensors["embeddings.word_embeddings.weight"][0, 0] += 1
        save_file(tensors, weights, metadata={"format": "pt"})
        assert weights.stat().st_size == size
        assert encoder_of(copied).identity["revision"] != encoder_of(bert).identity["revision"]

    def test_a_model_of_a_hub_is_pinned_to_its_commit(
        self, bert: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        pytest.importorskip("sentence_transformers")
        from xqg.encoders.huggingface import HuggingFaceEncoder

        monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
        monkeypatch.setattr("xqg.models.hub_answers", lambda: False)
        cached, first, second = tmp_path / "models--org--tiny", "1" * 40, "2" * 40
        for commit in (first, second):
            shutil.copytree(bert, cached / "snapshots" / commit)
        branch = cached / "refs" / "main"
        branch.parent.mkdir()
        branch.write_text(first, encoding="ascii")
        named = EncoderSettings(spec="hf:org/tiny")
        encoder = HuggingFaceEncoder(named)
        encoder.check()
        assert encoder.identity["revision"] == first
        noted = {"encoder": named.portable(encoder.identity["revision"])}
        assert noted["encoder"] == {"spec": "hf:org/tiny", "revision": first}
        branch.write_text(second, encoding="ascii")
        assert HuggingFaceEncoder(named).identity["revision"] == second
        assert HuggingFaceEncoder(pinned_encoder(named, noted)).identity == encoder.identity
        assert HuggingFaceEncoder(noted_encoder(noted, {}, "c")).identity == encoder.identity
        moved = EncoderSettings(spec="hf:org/tiny", revision="main")
        assert HuggingFaceEncoder(pinned_encoder(moved, noted)).identity["revision"] == second

    def test_passages_are_cut_where_asked(self, bert: Path) -> None:
        long = Passage("p", "blue moon over the sea " * 5)
        short = encoder_of(bert, max_tokens=8).encode_passages([long])
        np.testing.assert_allclose(short[0], hidden_states(bert, "blue moon over the sea blue")[0], atol=1e-5)

    def test_tokens_are_counted_with_its_tokenizer(self, bert: Path) -> None:
        assert encoder_of(bert).count_tokens("hello world") == 4

    def test_pickled_weights_are_refused(self, bert: Path, tmp_path: Path) -> None:
        for name in ("config.json", "tokenizer.json", "tokenizer_config.json"):
            (tmp_path / name).write_bytes((bert / name).read_bytes())
        (tmp_path / "pytorch_model.bin").write_bytes(b"pickle")
        with pytest.raises(ModelError, match="only pickled weights"):
            encoder_of(tmp_path).check()

    def test_nothing_in_nothing_out(self, bert: Path) -> None:
        assert encoder_of(bert).encode_queries([]).shape == (0, 16)


class Embeddings(BaseHTTPRequestHandler):
    """Answers with the length of each text; scripted to misbehave."""

    script: list[str]
    seen: list[dict[str, Any]]

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.seen.append({"authorization": self.headers.get("Authorization"), **body})
        what = self.script.pop(0) if self.script else "ok"
        texts = body["input"]
        data = [{"index": n, "embedding": [float(len(text)), 1.0]} for n, text in enumerate(texts)]
        if what == "short":
            data = data[:-1]
        self.send_response(503 if what == "busy" else 200)
        self.end_headers()
        self.wfile.write(json.dumps({"data": data[::-1]} if what != "strange" else {"hello": 1}).encode())

    def log_message(self, *arguments: Any) -> None:
        pass


@pytest.fixture
def endpoint(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    Embeddings.script, Embeddings.seen = [], []
    server = ThreadingHTTPServer(("127.0.0.1", 0), Embeddings)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/v1"
    server.shutdown()
    server.server_close()


def remote(endpoint: str, **options: Any) -> OpenAIEncoder:
    settings = EncoderSettings(spec="openai:tiny", base_url=endpoint, api_key="hunter2", **options)
    return OpenAIEncoder(settings)


class TestOpenAI:
    def test_vectors_come_in_the_order_of_the_texts_over_batches(self, endpoint: str) -> None:
        texts = ["a" * number for number in range(1, 8)]
        vectors = remote(endpoint, batch_size=3).encode_queries(texts)
        assert vectors.tolist() == [[float(number), 1.0] for number in range(1, 8)]
        assert Embeddings.seen[0]["authorization"] == "Bearer hunter2"

    def test_title_prefix_and_normalisation(self, endpoint: str) -> None:
        encoder = remote(endpoint, passage_prefix="passage: ", normalise=True)
        (vector,) = encoder.encode_passages([Passage("p", "text", title="title")])
        assert Embeddings.seen[-1]["input"] == ["passage: title text"]
        assert np.linalg.norm(vector) == pytest.approx(1)

    def test_a_busy_endpoint_is_asked_again(self, endpoint: str) -> None:
        Embeddings.script = ["busy", "busy"]
        assert remote(endpoint).dimension == 2
        assert len(Embeddings.seen) == 3

    @pytest.mark.parametrize(("what", "message"), [("short", "1 vectors for 2 texts"), ("strange", "cannot be read")])
    def test_a_wrong_answer_is_an_error_without_the_key(self, endpoint: str, what: str, message: str) -> None:
        Embeddings.script = [what]
        with pytest.raises(EncodingError, match=message) as caught:
            remote(endpoint).encode_queries(["a", "b"])
        assert "hunter2" not in str(caught.value)

    def test_nobody_there(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("time.sleep", lambda seconds: None)
        with pytest.raises(XqgError, match=r"127\.0\.0\.1:9"):
            remote("http://127.0.0.1:9/v1").check()
