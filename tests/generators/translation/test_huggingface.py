"""Translation models of transformers: tiny random ones of each family, saved to disk."""

import pytest
import torch
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import (
    M2M100Config,
    M2M100ForConditionalGeneration,
    PreTrainedTokenizerFast,
    T5Config,
    T5ForConditionalGeneration,
)

from xqg.errors import ModelError
from xqg.generators.translation.huggingface import HuggingFaceTranslator, _batches
from xqg.settings import GeneratorSettings

WORDS = ["<s>", "<pad>", "</s>", "<unk>", "hello", "world", "bonjour", "monde"]


def save(folder, model_type, special):
    torch.manual_seed(0)
    vocabulary = {word: number for number, word in enumerate([*WORDS, *special])}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer.add_special_tokens(["<s>", "<pad>", "</s>", "<unk>", *special])
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="<pad>", bos_token="<s>", eos_token="</s>", unk_token="<unk>"
    ).save_pretrained(folder)
    common = {"vocab_size": len(vocabulary), "d_model": 16, "pad_token_id": 1, "eos_token_id": 2}
    if model_type == "t5":
        config = T5Config(d_ff=32, num_layers=1, num_heads=2, d_kv=8, decoder_start_token_id=1, **common)
        T5ForConditionalGeneration(config).save_pretrained(folder)
    else:
        config = M2M100Config(
            encoder_layers=1, decoder_layers=1, encoder_attention_heads=2, decoder_attention_heads=2,
            encoder_ffn_dim=32, decoder_ffn_dim=32, decoder_start_token_id=2, bos_token_id=0, **common,
        )  # fmt: skip
        M2M100ForConditionalGeneration(config).save_pretrained(folder)
    return folder


def translator_of(folder):
    settings = GeneratorSettings(spec=f"translate:hf:{folder}", languages=("fr",), device="cpu")
    return HuggingFaceTranslator(settings, str(folder))


@pytest.mark.parametrize(
    ("model_type", "special", "prefix", "first"),
    [
        ("t5", ["<2fr>", "<2de>"], "<2fr> ", None),
        ("m2m_100", ["__en__", "__fr__"], "", "__fr__"),
        ("m2m_100", ["eng_Latn", "fra_Latn"], "", "fra_Latn"),
    ],
)
def test_every_family_is_told_the_language_in_its_own_way(tmp_path, model_type, special, prefix, first):
    translator = translator_of(save(tmp_path, model_type, special))
    translator.check()
    before, asked = translator._directions("en", "fr")
    assert (before, None if asked is None else translator._tokenizer.convert_ids_to_tokens(asked)) == (prefix, first)
    if first == "fra_Latn":
        assert translator._tokenizer.src_lang == "eng_Latn"
    texts = ["hello world", "hello", "world hello world"]
    found = list(translator.translate(texts, "en", "fr"))
    assert sorted(text for text, _ in found) == sorted(texts)
    assert found == list(translator.translate(texts, "en", "fr"))
    assert not any("__" in translation or "<" in translation for _, translation in found)


def test_an_unknown_language_is_told(tmp_path):
    translator = translator_of(save(tmp_path, "m2m_100", ["__en__", "__fr__"]))
    with pytest.raises(ModelError, match="does not translate from en into sw"):
        list(translator.translate(["hello"], "en", "sw"))


def test_tensors_under_other_names_are_refused(tmp_path):
    folder = save(tmp_path, "t5", ["<2fr>"])
    path = folder / "model.safetensors"
    tensors = {name.replace("encoder.block.0", "encoder.layers.0"): part for name, part in load_file(path).items()}
    save_file(tensors, path, metadata={"format": "pt"})
    with pytest.raises(ModelError, match="do not fit its architecture"):
        list(translator_of(folder).translate(["hello"], "en", "fr"))


def test_the_weights_are_the_identity(tmp_path):
    first = translator_of(save(tmp_path / "a", "t5", ["<2fr>"])).identity
    assert first["engine"] == "hf"
    assert first["model"] == "a"


def test_texts_of_like_length_go_together():
    assert list(_batches({"a": 1000, "b": 10, "c": 900, "d": 1100, "e": 12})) == [["b", "e"], ["c", "a"], ["d"]]
