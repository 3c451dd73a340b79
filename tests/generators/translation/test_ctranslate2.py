"""Tiny random translation models, converted once and run by CTranslate2."""

import pytest
import torch
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import MarianConfig, MarianMTModel, PreTrainedTokenizerFast

from tests.generators.translation.test_huggingface import save, translator_of
from xqg.errors import MissingDependencyError, ModelError
from xqg.generators.translation import huggingface as ours
from xqg.generators.translation.huggingface import CTranslate2Translator
from xqg.settings import GeneratorSettings

WORDS = ["</s>", "<unk>", "hello", "world", "again", "bonjour", "monde", "encore", "<pad>"]
TEXTS = ["hello world", "hello", "world again hello world", "again again"]


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    pytest.importorskip("ctranslate2")
    monkeypatch.setenv("XQG_CACHE", str(tmp_path / "cache"))


def save_marian(folder):
    """A Marian model as OPUS-MT's are: from one language into one other, padding behind the vocabulary."""
    torch.manual_seed(3)
    tokenizer = Tokenizer(models.WordLevel({word: row for row, word in enumerate(WORDS)}, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer.add_special_tokens(["</s>", "<unk>", "<pad>"])
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="<pad>", eos_token="</s>", unk_token="<unk>",
    )  # fmt: skip
    fast.save_pretrained(folder)
    padding = len(WORDS) - 1
    config = MarianConfig(
        vocab_size=len(WORDS), d_model=16, encoder_layers=1, decoder_layers=1, encoder_attention_heads=2,
        decoder_attention_heads=2, encoder_ffn_dim=32, decoder_ffn_dim=32, max_position_embeddings=64, init_std=0.5,
        scale_embedding=True, pad_token_id=padding, eos_token_id=0, decoder_start_token_id=padding,
        bad_words_ids=[[padding]], forced_eos_token_id=None,
    )  # fmt: skip
    MarianMTModel(config).save_pretrained(folder)
    return folder


def converted(folder, device="cpu"):
    settings = GeneratorSettings(spec=f"translate:ct2:{folder}", languages=("fr",), device=device)
    return CTranslate2Translator(settings, str(folder))


@pytest.mark.parametrize("family", ["marian", "m2m_100"])
def test_in_full_precision_the_same_as_transformers(family, tmp_path, monkeypatch):
    monkeypatch.setattr(ours, "QUANTIZATION", "float32")
    monkeypatch.setattr("xqg.generators.translation.huggingface.choose_dtype", lambda device: torch.float32)
    folder = tmp_path / "model"
    if family == "marian":
        save_marian(folder)
    else:
        save(folder, family, ["__en__", "__fr__"])
    expected = dict(translator_of(folder).translate(TEXTS, "en", "fr"))
    assert dict(converted(folder).translate(TEXTS, "en", "fr")) == expected
    assert family != "marian" or len(set(expected.values())) > 1, "else it tests little"


def test_it_is_converted_once_into_8_bits(tmp_path, monkeypatch):
    folder = save_marian(tmp_path / "model")
    first = converted(folder)
    first.check()
    found = dict(first.translate(TEXTS, "en", "fr"))
    assert sorted(found) == sorted(TEXTS)
    (kept,) = (tmp_path / "cache" / "generators").iterdir()
    assert (kept / "model.bin").is_file()
    assert first._engine.compute_type.startswith("int8")
    monkeypatch.setattr(CTranslate2Translator, "_convert", None)
    assert dict(converted(folder).translate(TEXTS, "en", "fr")) == found


def test_its_identity_tells_engine_and_precision(tmp_path):
    folder = save_marian(tmp_path / "model")
    own, plain = converted(folder).identity, translator_of(folder).identity
    assert own == {**plain, "engine": "ct2", "precision": "int8"}


def test_pickled_weights_are_not_read(tmp_path):
    folder = save_marian(tmp_path / "model")
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with pytest.raises(ModelError, match="pickled"):
        converted(folder).check()
    with pytest.raises(ModelError):
        list(converted(folder).translate(TEXTS, "en", "fr"))


def test_without_the_package_its_install_line_is_told(tmp_path, monkeypatch):
    monkeypatch.setattr("xqg.extras.find_spec", lambda name: None)
    with pytest.raises(MissingDependencyError, match=r'pip install "xqg\[ctranslate2\]"'):
        converted(tmp_path).check()
