"""Low-rank adapters that `xqg.training` makes: found, read, and added to the weights of their base."""

from __future__ import annotations

import json
from importlib.resources import files
from pathlib import Path
from typing import Any

import torch
from pydantic import AliasPath, BaseModel, Field

from xqg.errors import READING_ERRORS, ModelError, SettingsError
from xqg.generators.gguf import bundled_folder
from xqg.identifiers import COMMIT
from xqg.messages import brief
from xqg.models import ModelSource, file_hash, find_source, is_hub_name, load_config

ADAPTER_CONFIG = "adapter_config.json"
ADAPTER_WEIGHTS = "adapter_model.safetensors"

CARD = "xqg_generator.json"
BUNDLED = "bundled"

_PREFIX = "base_model.model."
_DOWN, _UP = ".lora_A.weight", ".lora_B.weight"


class Adapter(BaseModel):
    """An adapter in ``folder``, its base ("bundled" or a model), what it was trained to write, and how to sample it.

    All but the folder is read from its card; the rest of that is for people. ``base_revision`` is a commit where the
    base came from a hub.
    """

    folder: Path
    base: str = Field(validation_alias=AliasPath("base", "spec"))
    base_revision: str = Field("", validation_alias=AliasPath("base", "revision"))
    styles: tuple[str, ...] = Field(min_length=1)
    languages: tuple[str, ...]
    temperature: float = Field(ge=0, le=2, validation_alias=AliasPath("sampling", "temperature"))

    @property
    def revision(self) -> str:
        """The SHA-256 of its weights."""
        return file_hash(self.folder / ADAPTER_WEIGHTS)


def find_adapter(folder: Path | None) -> Adapter | None:
    """The adapter in ``folder``; None if there is none.

    :raises ModelError: if it is one that xqg did not train, so that its base and prompt are not known.
    """
    if folder is None or not (folder / ADAPTER_CONFIG).is_file():
        return None
    try:
        return Adapter.model_validate({**json.loads((folder / CARD).read_bytes()), "folder": folder})
    except READING_ERRORS as error:
        raise ModelError(
            f"The adapter in {folder} has no readable {CARD}",
            "an adapter that `xqg train generator` made",
            "Merge others into their base first, and name the folder of the result",
        ) from error


def bundled_adapter() -> Adapter:
    """The adapter that xqg ships. :raises ModelError: if it is not there."""
    adapter = find_adapter(Path(str(files("xqg") / "adapter")))
    if adapter is None:
        raise ModelError("The bundled generator's adapter is missing", "", "Reinstall xqg")
    return adapter


def check_style(adapter: Adapter, style: str) -> None:
    """:raises SettingsError: if the adapter was not trained to write this."""
    if style not in adapter.styles:
        raise SettingsError(
            f"The generator's adapter was trained to write in the style {' and '.join(adapter.styles)}",
            f"one for {style}",
            "Take another generator (bundled-base, hf:MODEL, openai:MODEL), or train one with that style",
        )


def base_source(adapter: Adapter, named: str | None = None) -> ModelSource:
    """The base of an adapter, as something transformers can load.

    :param named: by the user; None takes the card's, which may be the bundled one or a model on a hub, at the commit
        that the adapter was trained on, but no folder.
    :raises ModelError: if it cannot be found, or is a folder that only the card names.
    """
    name = (adapter.base if named is None else named).removeprefix("hf:")
    if name == BUNDLED:
        return bundled_folder()
    if named is None and (not is_hub_name(name) or Path(name).exists()):
        raise ModelError(
            f"The adapter in {adapter.folder} names a folder as its base, {name}, which is not opened unasked",
            "",
            f"Where it is yours, name it: --generator-base hf:{name}",
        )
    is_commit = named is None and COMMIT.fullmatch(adapter.base_revision)
    return find_source(name, adapter.base_revision if is_commit else None)


def is_encoder_decoder(name: str, revision: str | None = None, base: str | None = None) -> bool:
    """Whether a model, or the base of an adapter, is of the encoder-decoder kind rather than causal.

    :param base: of the adapter, as for `base_source`.
    :raises ModelError: if it cannot be found or is of an unknown architecture.
    """
    source = find_source(name, revision)
    adapter = find_adapter(source.path)
    if adapter is not None:
        if (adapter.base if base is None else base) == BUNDLED:
            return False  # without making its folder, which takes a minute
        source = base_source(adapter, base)
    return not source.is_gguf and bool(load_config(source).is_encoder_decoder)


@torch.no_grad()
def merge_adapter(model: Any, folder: Path) -> None:
    """Change the weights of ``model`` to W + alpha / rank * B A, rounded once, for each adapted layer.

    :param folder: an adapter in the format of peft, as `xqg.training.train.train_generator` leaves it.
    :raises ModelError: if the adapter cannot be read or does not fit the model.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    unreadable: tuple[type[Exception], ...] = (RuntimeError, SafetensorError, *READING_ERRORS)
    try:
        config = json.loads((folder / ADAPTER_CONFIG).read_text(encoding="utf-8"))
        tensors = load_file(str(folder / ADAPTER_WEIGHTS))
        scale = float(config["lora_alpha"]) / float(config["r"])
    except unreadable as error:
        raise ModelError(
            f"The adapter in {folder} cannot be read: {brief(str(error))}", "", "Train it again"
        ) from error
    if config.get("use_rslora") or config.get("use_dora") or config.get("rank_pattern") or config.get("alpha_pattern"):
        raise ModelError(
            f"The adapter in {folder} is no plain LoRA", "one rank, one alpha, no variants", "Merge it first"
        )
    weights = dict(model.named_parameters())
    names = sorted(name.removeprefix(_PREFIX).removesuffix(_DOWN) for name in tensors if name.endswith(_DOWN))
    if len(tensors) != 2 * len(names) or not names:
        raise ModelError(
            f"The adapter in {folder} holds more than low-rank pairs", "LoRA weights alone", "Merge it first"
        )
    for name in names:
        down, up = (tensors.get(f"{_PREFIX}{name}{side}") for side in (_DOWN, _UP))
        weight = weights.get(f"{name}.weight")
        if (
            down is None
            or up is None
            or down.dim() != 2
            or up.dim() != 2
            or weight is None
            or weight.shape != (up.shape[0], down.shape[1])
        ):
            raise ModelError(f"The adapter in {folder} does not fit the base at {name}", "", "Take the base it names")
        # into new memory: to change what is mapped from a file copies it page by page, which takes ten times as long
        weight.data = torch.addmm(weight, up.to(weight), down.to(weight), alpha=scale)
