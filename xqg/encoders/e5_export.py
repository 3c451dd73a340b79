"""The bundled encoder as a folder that sentence-transformers loads, so that any stack can use it or train it on."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

from xqg.encoders.e5_file import PREFIXES, E5File, find_file
from xqg.encoders.e5_tokens import build_tokenizer
from xqg.errors import ModelError
from xqg.models import quiet

_LAYER = {
    "attention.self.query": "q",
    "attention.self.key": "k",
    "attention.self.value": "v",
    "attention.output.dense": "ao",
    "attention.output.LayerNorm": "aln",
    "intermediate.dense": "fi",
    "output.dense": "fo",
    "output.LayerNorm": "oln",
}
"""The names of a BERT layer's parts in transformers, and in the file."""

_PARTS = {
    "": "sentence_transformers.models.Transformer",
    "1_Pooling": "sentence_transformers.models.Pooling",
    "2_Normalize": "sentence_transformers.models.Normalize",
}


def export_encoder(folder: Path) -> None:
    """Write weights (float32, safetensors), tokenizer, pooling, normalisation and prompts into ``folder``, 470 MB.

    They are moved there as a whole, so that no other run sees a half.

    :raises ModelError: if the bundled encoder is damaged, or the folder is not empty.
    """
    file = E5File(find_file())
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".export-") as workshop:
        draft = Path(workshop) / "model"
        _write(file, draft)
        try:
            draft.replace(folder)
        except OSError as error:
            raise ModelError(
                f"{folder} cannot be written: {error.strerror}", "an empty folder", "Name another"
            ) from error


def _write(file: E5File, folder: Path) -> None:
    with quiet():
        _model(file).save_pretrained(folder)
    _save_tokenizer(file, folder)
    modules = [
        {"idx": number, "name": str(number), "path": path, "type": kind}
        for number, (path, kind) in enumerate(_PARTS.items())
    ]
    width = file.shape.hidden
    pooling = {"word_embedding_dimension": width, "pooling_mode_mean_tokens": True, "include_prompt": True}
    prompts = {"query": PREFIXES[True], "passage": PREFIXES[False], "document": PREFIXES[False]}
    for name, content in (
        ("modules.json", modules),
        ("sentence_bert_config.json", {"max_seq_length": file.shape.positions, "do_lower_case": False}),
        ("config_sentence_transformers.json", {"prompts": prompts, "default_prompt_name": None}),
        ("1_Pooling/config.json", pooling),
    ):
        path = folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    (folder / "2_Normalize").mkdir(exist_ok=True)


def _model(file: E5File) -> Any:
    import torch
    from transformers import BertConfig, BertModel

    shape = file.shape
    config = BertConfig(
        vocab_size=shape.words,
        hidden_size=shape.hidden,
        num_hidden_layers=shape.layers,
        num_attention_heads=shape.heads,
        intermediate_size=shape.inner,
        max_position_embeddings=shape.positions,
        type_vocab_size=shape.types,
        layer_norm_eps=shape.epsilon,
        pad_token_id=file.vocabulary.padding,
    )
    model = BertModel(config).eval()
    for zeros in model.pooler.parameters():  # nothing reads it, but a file without it looks damaged
        zeros.data.zero_()
    names = {
        "embeddings.word_embeddings.weight": "emb.word",
        "embeddings.position_embeddings.weight": "emb.pos",
        "embeddings.token_type_embeddings.weight": "emb.type",
        "embeddings.LayerNorm.weight": "emb.ln.w",
        "embeddings.LayerNorm.bias": "emb.ln.b",
    }
    for number in range(shape.layers):
        for theirs, ours in _LAYER.items():
            names[f"encoder.layer.{number}.{theirs}.weight"] = f"l{number}.{ours}.w"
            names[f"encoder.layer.{number}.{theirs}.bias"] = f"l{number}.{ours}.b"
    wanted = {name: tensor.shape for name, tensor in model.state_dict().items() if name in names}
    state = {name: torch.from_numpy(file.values(names[name])).view(size) for name, size in wanted.items()}
    model.load_state_dict(state, strict=False)
    return model


def _save_tokenizer(file: E5File, folder: Path) -> None:
    from transformers import PreTrainedTokenizerFast

    words = file.vocabulary
    special = {"bos": words.begin, "cls": words.begin, "eos": words.end, "sep": words.end}
    special |= {"pad": words.padding, "unk": words.unknown}
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=build_tokenizer(words),
        model_max_length=file.shape.positions,
        model_input_names=["input_ids", "attention_mask"],
        **{f"{name}_token": words.pieces[number] for name, number in special.items()},
    )
    tokenizer.save_pretrained(folder)
