"""A model's folder is data: it runs no code, loads no pickle, reaches no place outside, and its weights fit by name."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.test_encoders import bert, encoder_of  # noqa: F401
from xqg.errors import ModelError

pytest.importorskip("sentence_transformers")

EVIL = """
from pathlib import Path
Path({mark!r}).touch()
class Evil:
    pass
"""


@pytest.fixture
def published(bert: Path, tmp_path: Path) -> Path:  # noqa: F811
    """A model with a Dense part, as it is published."""
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.base.modules import Dense
    from sentence_transformers.sentence_transformer import modules

    parts = [
        modules.Transformer(str(bert)),
        modules.Pooling(16, pooling_mode="mean"),
        Dense(16, 8),
        modules.Normalize(),
    ]
    SentenceTransformer(modules=parts, device="cpu").save(str(tmp_path / "model"))
    return tmp_path / "model"


def change(file: Path, alter: Any) -> None:
    value = json.loads(file.read_text(encoding="utf-8"))
    file.write_text(json.dumps(alter(value)), encoding="utf-8")


def dense(folder: Path) -> Path:
    return next(path for path in folder.iterdir() if "Dense" in path.name)


def test_a_published_model_with_a_dense_part_works(published: Path) -> None:
    encoder = encoder_of(published)
    encoder.check()
    assert encoder.dimension == 8
    assert encoder.encode_queries(["hello"]).shape == (1, 8)


@pytest.mark.parametrize("kind", ["evil.Evil", "os.system", "sentence_transformers.evil.Evil", "Pooling", "", 7, None])
def test_a_class_of_its_own_is_refused_and_not_run(published: Path, kind: Any, tmp_path: Path) -> None:
    mark = tmp_path / "was run"
    (published / "evil.py").write_text(EVIL.format(mark=str(mark)), encoding="utf-8")
    change(published / "modules.json", lambda parts: [*parts, {"idx": 9, "name": "9", "path": "", "type": kind}])
    for use in (lambda one: one.check(), lambda one: one.encode_queries(["hello"])):
        with pytest.raises(ModelError, match=r"modules\.json"):
            use(encoder_of(published))
    assert not mark.exists()


@pytest.mark.parametrize("path", ["../other", "/etc", "a/../../b", "C:\\x", "\\\\host\\share", "~/x", "."])
def test_a_part_outside_is_refused(published: Path, path: str) -> None:
    change(
        published / "modules.json",
        lambda parts: [{**part, "path": path} if n == 2 else part for n, part in enumerate(parts)],
    )
    with pytest.raises(ModelError, match="expected a folder inside the model"):
        encoder_of(published).check()


def test_a_pickled_part_is_refused(published: Path) -> None:
    import torch

    (dense(published) / "model.safetensors").unlink()
    torch.save({"linear.weight": torch.zeros(8, 16)}, dense(published) / "pytorch_model.bin")
    for use in (lambda one: one.check(), lambda one: one.encode_queries(["hello"])):
        with pytest.raises(ModelError, match=r"has no model\.safetensors.*pickle"):
            use(encoder_of(published))


@pytest.mark.parametrize(
    "activation", ["os.system", "evil.Evil", "torch.hub.load", "torch.nn.modules.activation.Tanh;x", 7]
)
def test_an_activation_is_one_of_torch(published: Path, activation: Any) -> None:
    change(dense(published) / "config.json", lambda settings: {**settings, "activation_function": activation})
    with pytest.raises(ModelError, match="activation"):
        encoder_of(published).check()


@pytest.mark.parametrize(
    "settings",
    [
        {"tokenizer_name_or_path": "/elsewhere"},
        {"tokenizer_name_or_path": "org/model"},
        {"model_args": {"attn_implementation": "org/kernel"}},
        {"processor_kwargs": {"tokenizer_file": "/etc/passwd"}},
        {"config_args": {"quantization_config": {"a": 1}}},
    ],
)
def test_the_transformers_settings_name_no_code_and_no_place(published: Path, settings: dict[str, Any]) -> None:
    change(published / "sentence_bert_config.json", lambda found: {**found, **settings})
    with pytest.raises(ModelError, match=r"sentence_bert_config\.json"):
        encoder_of(published).check()


def test_a_kernel_of_a_hub_is_refused(published: Path) -> None:
    change(published / "config.json", lambda found: {**found, "attn_implementation": "org/kernel"})
    with pytest.raises(ModelError, match="code of its own"):
        encoder_of(published).check()


def test_an_adapter_is_no_model(published: Path) -> None:
    (published / "adapter_config.json").write_text('{"base_model_name_or_path": "/elsewhere"}', encoding="utf-8")
    with pytest.raises(ModelError, match="is an adapter"):
        encoder_of(published).check()


@pytest.mark.parametrize("content", ["{", "[]", '"x"', "[7]", "[" * 100_000, "null", "{}"])
@pytest.mark.parametrize("name", ["modules.json", "config_sentence_transformers.json"])
def test_damaged_json_is_told_in_one_sentence(published: Path, name: str, content: str) -> None:
    (published / name).write_text(content, encoding="utf-8")
    encoder = encoder_of(published)
    try:
        encoder.check()
        _ = encoder.identity, encoder.distance
    except ModelError as error:
        assert "\n" not in str(error)


def rename_tensors(folder: Path, rename: Any) -> None:
    from safetensors.torch import load_file, save_file

    file = folder / "model.safetensors"
    save_file({rename(name): tensor for name, tensor in load_file(file).items()}, file, metadata={"format": "pt"})


@pytest.mark.parametrize("bare", [True, False])
def test_weights_under_other_names_are_refused(published: Path, bert: Path, tmp_path: Path, bare: bool) -> None:  # noqa: F811
    folder = shutil.copytree(bert, tmp_path / "bare") if bare else published
    rename_tensors(folder, lambda name: f"wrapped.{name}")
    with pytest.raises(ModelError, match="do not fit its architecture"):
        encoder_of(folder).encode_queries(["hello"])


def test_a_model_without_its_pooler_is_whole(published: Path) -> None:
    from safetensors.torch import load_file, save_file

    file = published / "model.safetensors"
    kept = {name: tensor for name, tensor in load_file(file).items() if "pooler" not in name}
    save_file(kept, file, metadata={"format": "pt"})
    assert encoder_of(published).encode_queries(["hello"]).shape == (1, 8)
    one = next(name for name in kept if "key.weight" in name)
    save_file({name: tensor for name, tensor in kept.items() if name != one}, file, metadata={"format": "pt"})
    with pytest.raises(ModelError, match="1 are missing"):
        encoder_of(published).encode_queries(["hello"])
