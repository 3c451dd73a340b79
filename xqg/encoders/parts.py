"""The parts that a sentence-transformers model names in its ``modules.json``, checked before anything is loaded.

A part is one of a few known classes, lies inside the model, keeps its weights as safetensors, and names no code and
no place outside: the folder of a model is data, whoever made it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from xqg.errors import ModelError

CLASSES = ("Transformer", "Pooling", "Normalize", "Dense", "LayerNorm", "Dropout")
WITH_WEIGHTS = ("Dense", "LayerNorm")
"""Small parts with weights of their own, beside those of the transformer."""

_TYPE = re.compile(rf"sentence_transformers(\.\w+)*\.({'|'.join(CLASSES)})")
_PATH = re.compile(r"(?!.*\.\.)[\w-][\w.-]*(/[\w-][\w.-]*)*|")
_ACTIVATION = re.compile(r"torch\.nn\.modules\.\w+\.\w+")

TRANSFORMER_FILES = tuple(
    f"sentence_{family}_config.json"
    for family in ("bert", "roberta", "distilbert", "camembert", "albert", "xlm-roberta", "xlnet")
)
_HANDED_ON = tuple(
    f"{what}_{suffix}" for what in ("model", "tokenizer", "processor", "config") for suffix in ("args", "kwargs")
)

ReadJson = Callable[[str], Any]
"""The JSON in a file of the model, by its path in the model; None if there is none."""


@dataclass(frozen=True)
class Part:
    """One part: the name of its class, and its folder in the model, "" for the model's own."""

    kind: str
    path: str

    def file(self, name: str) -> str:
        """The path of one of its files in the model."""
        return f"{self.path}/{name}" if self.path else name


def read_parts(read_json: ReadJson, model: str) -> list[Part]:
    """The parts in the order of their work; none for a bare transformer.

    :raises ModelError: if one is nothing that is known to be safe.
    """
    listed = read_json("modules.json")
    if listed is None:
        return []
    if not isinstance(listed, list) or not listed:
        raise _damaged(model, "modules.json lists no parts")
    parts = [_read_part(item, model) for item in listed]
    if parts[0].kind != "Transformer":
        raise ModelError(f"The encoder {model} begins with {parts[0].kind}", "a Transformer first", _CHOOSE)
    return parts


def check_parts(parts: list[Part], read_json: ReadJson, has_file: Callable[[str], bool], model: str) -> None:
    """See that the parts' own settings name no code and no place, and that no weights are pickled.

    :raises ModelError: says which do.
    """
    for part in parts:
        if part.kind == "Transformer":
            for name in TRANSFORMER_FILES:
                _check_transformer(read_json(part.file(name)), part.file(name), model)
        if part.kind == "Dense":
            activation = dense_settings(part, read_json, model).get("activation_function")
            if activation is not None and not (isinstance(activation, str) and _ACTIVATION.fullmatch(activation)):
                raise _own_code(model, f"{part.path} has the activation {activation!r}")
        if part.kind in WITH_WEIGHTS and not has_file(part.file("model.safetensors")):
            raise ModelError(
                f"The part {part.path!r} of the encoder {model} has no model.safetensors",
                "safetensors, since loading a pickle can run any code",
                "Where you trust it, load it once with sentence-transformers, save it, and name that folder",
            )


def dense_settings(part: Part, read_json: ReadJson, model: str) -> Mapping[str, Any]:
    """The settings of a Dense part, with a whole number above 0 as ``out_features``. :raises ModelError: if not."""
    found = read_json(part.file("config.json"))
    size = found.get("out_features") if isinstance(found, dict) else None
    if not isinstance(found, dict) or type(size) is not int or size < 1:
        raise _damaged(model, f"{part.file('config.json')} names no out_features")
    return found


def _read_part(item: Any, model: str) -> Part:
    kind, path = (item.get("type"), item.get("path")) if isinstance(item, dict) else (None, None)
    if not isinstance(kind, str) or not isinstance(path, str):
        raise _damaged(model, "modules.json has a part without type or path")
    if _TYPE.fullmatch(kind) is None:
        raise _own_code(model, f"modules.json has a part of the class {kind}")
    if _PATH.fullmatch(path) is None:
        raise ModelError(f"The encoder {model} has a part at {path!r}", "a folder inside the model", _CHOOSE)
    return Part(kind.rpartition(".")[2], path)


def _check_transformer(settings: Any, file: str, model: str) -> None:
    if settings is None:
        return
    if not isinstance(settings, dict):
        raise _damaged(model, f"{file} holds no settings")
    if settings.get("tokenizer_name_or_path") is not None:
        raise _own_code(model, f"{file} names a tokenizer elsewhere")
    for group in _HANDED_ON:
        for name, value in (settings.get(group) or {}).items():
            if not isinstance(value, str | int | float | None) or (
                isinstance(value, str) and re.search(r"[/\\:]", value)
            ):
                raise _own_code(model, f"{file} sets {group}.{name}")


_CHOOSE = "Choose another model"


def _own_code(model: str, found: str) -> ModelError:
    return ModelError(
        f"The encoder {model} needs code or files of its own, which xqg never loads: {found}", "", _CHOOSE
    )


def _damaged(model: str, found: str) -> ModelError:
    return ModelError(f"The encoder {model} is damaged: {found}", "", "Fetch it again")
