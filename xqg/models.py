"""Finds and loads models of a hub, in folders and GGUF files: weights late, safetensors only, no remote code."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import socket
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit
from urllib.request import getproxies

from xqg.errors import ModelError
from xqg.identifiers import COMMIT
from xqg.messages import brief
from xqg.records import digest

Loaded = TypeVar("Loaded")

HUB_TIMEOUT_SECONDS = 5.0
"""How long the model hub may take to be found before the local cache is used instead."""

_MODEL_FILES = (".safetensors", ".json", ".jinja", ".model", ".spm", ".txt")  # all but its description


@dataclass(frozen=True)
class ModelSource:
    """Where a model comes from: a folder, a GGUF file, or a hub (``path`` is None then)."""

    name: str
    path: Path | None
    revision: str | None

    @property
    def is_gguf(self) -> bool:
        """Whether it is one GGUF file."""
        return self.path is not None and self.path.is_file()

    @property
    def label(self) -> str:
        """The name to store: of a path its last part only, so that nothing of this machine is kept."""
        return self.name if self.path is None else self.path.resolve().name


def cache_folder() -> Path:
    """Where converted models and encoder profiles are kept: ``XQG_CACHE``, else ``~/.cache/xqg``."""
    named = os.environ.get("XQG_CACHE")
    return Path(named).expanduser() if named else Path.home() / ".cache" / "xqg"


def find_source(name: str, revision: str | None = None) -> ModelSource:
    """Tell apart folders, GGUF files and models of a hub.

    :raises ModelError: if ``name`` can only be a path and nothing is there.
    """
    path = Path(name).expanduser()
    if path.is_dir() or (path.is_file() and path.suffix == ".gguf"):
        return ModelSource(name, path, None)
    if path.exists():
        raise ModelError(f"{name} is no model", "a folder, a .gguf file or the name of a model on a hub")
    if path.suffix == ".gguf" or name.startswith((".", "/", "~")) or name.count("/") > 1:
        raise ModelError(f"There is no model at {name}", "a folder or a .gguf file", "Check the path")
    return ModelSource(name, None, revision)


def pinned_source(name: str, revision: str | None = None) -> ModelSource:
    """The same, but a model of a hub at the commit that its revision now names, so that all its parts are of one.

    :raises ModelError: if it cannot be found.
    """
    source = find_source(name, revision)
    if source.path is not None:
        return source
    commit = _cached(source).name
    return replace(source, revision=commit) if COMMIT.fullmatch(commit) else source


def is_hub_name(name: str) -> bool:
    """Whether ``name`` has the form of a model on a hub, OWNER/MODEL or MODEL, and not that of a path."""
    return re.fullmatch(r"(\w[\w.-]*/)?\w[\w.-]*", name) is not None and not name.endswith(".gguf")


def load_config(source: ModelSource) -> Any:
    """The configuration of a model (not for GGUF files). :raises ModelError: if there is none."""
    from transformers import AutoConfig

    config = load_part(source, AutoConfig.from_pretrained)
    for part in (config, *(getattr(config, name, None) for name in getattr(config, "sub_configs", {}))):
        for name in ("_attn_implementation", "_experts_implementation"):
            # the name of a repository there would have transformers fetch its code and run it
            if re.search(r"[/:@]", str(getattr(part, name, ""))):
                raise _wants_code(source)
    return config


def load_tokenizer(source: ModelSource) -> Any:
    """The tokenizer of a model (not for GGUF files). :raises ModelError: if there is none."""
    from transformers import AutoTokenizer

    return load_part(source, AutoTokenizer.from_pretrained)


def load_part(source: ModelSource, load: Callable[..., Loaded], **options: Any) -> Loaded:
    """What a ``from_pretrained`` gives for the source, without remote code and without noise.

    :raises ModelError: in one line, whatever went wrong.
    """
    place = source.name if source.path is None else str(source.path)
    if source.path is None:
        options = {**options, "revision": source.revision, "local_files_only": not hub_answers()}
    try:
        with quiet():
            return load(place, trust_remote_code=False, **options)
    except Exception as error:  # the libraries behind raise all kinds
        raise _explain(source, error) from error


def _explain(source: ModelSource, error: Exception) -> ModelError:
    text = " ".join(str(error).split())
    if "trust_remote_code" in text or "custom code" in text:
        return _wants_code(source)
    if source.path is None and not hub_answers():
        return ModelError(
            f"The model {source.name} is not in the local cache, and the model hub cannot be reached",
            "",
            "Connect, or name the folder of a downloaded model: hf:FOLDER",
        )
    return ModelError(f"The model {source.name} cannot be loaded: {brief(text)}", "", "Check its name and revision")


def _wants_code(source: ModelSource) -> ModelError:
    return ModelError(f"The model {source.name} needs code of its own, which xqg never runs", "", "Choose another")


@lru_cache(maxsize=1)
def hub_answers() -> bool:
    """Whether the model hub can be reached at all; checked once, so that nothing waits for retries offline."""
    from huggingface_hub import constants

    if constants.HF_HUB_OFFLINE:
        return False
    address = urlsplit(constants.ENDPOINT)
    port = address.port or (80 if address.scheme == "http" else 443)
    try:
        with socket.create_connection((address.hostname or "", port), timeout=HUB_TIMEOUT_SECONDS):
            return True
    except OSError:
        return "https" in getproxies()  # behind a proxy a direct connection says nothing


def check_weights(source: ModelSource) -> None:
    """See that the weights are there, as safetensors, without loading them. :raises ModelError: if not."""
    names = _file_names(source)
    if "adapter_config.json" in names:
        raise ModelError(
            f"The model {source.name} is an adapter",
            "a whole model",
            "Merge it into its base first, and name the folder of the result",
        )
    if any(name.endswith(".safetensors") for name in names):
        return
    pickled = sorted(name for name in names if name.endswith((".bin", ".pt", ".pth", ".ckpt")))
    if pickled:
        raise ModelError(
            f"The model {source.name} has only pickled weights ({pickled[0]})",
            "safetensors, since loading a pickle can run any code",
            "Where you trust it, load it once with transformers, save it with save_pretrained, and name that folder",
        )
    raise ModelError(f"The model {source.name} has no weights", "*.safetensors", "Check its files")


def load_weights(source: ModelSource, load: Callable[..., Any], **options: Any) -> Any:
    """A model with its weights by a ``from_pretrained``: safetensors, every tensor under its name.

    :raises ModelError: if they are not.
    """
    model, found = load_part(source, load, use_safetensors=True, output_loading_info=True, **options)
    check_loaded(source, found)
    return model


def check_tensors(source: ModelSource, model: Any, folder: str = "") -> None:
    """See that the weights of a loaded model came from its files, whose names are compared without reading them again.

    Where a name does not fit, transformers fills the place with random numbers, and says so in a log line at most.

    :param folder: of the weights, in the model.
    :raises ModelError: names one that is missing or has another shape.
    """
    options = {"subfolder": folder} if folder else {}
    _, found = load_part(
        source,
        type(model).from_pretrained,
        config=model.config,
        device_map="meta",
        output_loading_info=True,
        use_safetensors=True,
        **options,
    )
    check_loaded(source, found)


def check_loaded(source: ModelSource, found: Mapping[str, Any]) -> None:
    """The same with what ``from_pretrained`` tells with ``output_loading_info``."""
    # poolers over the first token are used by none of our encoders, and left out of many published files
    missing = sorted(name for name in found["missing_keys"] if "pooler" not in name.split("."))
    other = sorted(str(entry[0] if isinstance(entry, tuple) else entry) for entry in found["mismatched_keys"])
    if missing or other:
        what = f"{len(missing)} are missing" if missing else f"{len(other)} have another shape"
        raise ModelError(
            f"The weights of {source.name} do not fit its architecture: {what}, like {(missing or other)[0]}",
            "every tensor under its name",
            "Fetch the model again, or convert its weights to the names that transformers uses",
        )


def _file_names(source: ModelSource) -> list[str]:
    if source.path is not None:
        return sorted(path.name for path in source.path.iterdir())
    from huggingface_hub import HfApi

    if hub_answers():
        try:
            return sorted(HfApi().list_repo_files(source.name, revision=source.revision))
        except (OSError, ValueError, RuntimeError) as error:
            raise _explain(source, error) from error
    return sorted(path.name for path in _cached(source).iterdir())


def _cached(source: ModelSource) -> Path:
    """The folder of the local cache with a model of a hub, named like its commit; fetches its configuration alone."""
    from transformers.utils import cached_file

    return Path(str(load_part(source, cached_file, filename="config.json"))).parent


def model_revision(source: ModelSource) -> str:
    """What tells versions of a model apart: a hub's commit, or a hash of the contents of a folder's files."""
    if source.path is None:
        return source.revision or "unknown"
    files = [*source.path.glob("*"), *source.path.glob("[0-9]*_*/*")]  # with those of sentence-transformers' parts
    names = {path.relative_to(source.path).as_posix(): path for path in files if path.suffix in _MODEL_FILES}
    return digest({name: file_hash(path) for name, path in names.items()})


def file_hash(path: Path) -> str:
    """The SHA-256 of the content of a file."""
    hasher = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(2**20):
            hasher.update(block)
    return hasher.hexdigest()


def choose_device(device: str) -> str:
    """The device that "auto" means here: CUDA, else MPS, else the CPU; others stay as they are."""
    import torch

    if device != "auto":
        return device
    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"


def choose_dtype(device: str) -> Any:
    """bfloat16 where the device computes in it natively, float16 on other GPUs, else float32."""
    import torch

    if device.startswith("cuda"):
        return torch.bfloat16 if torch.cuda.is_bf16_supported(including_emulation=False) else torch.float16
    if device == "cpu":
        probe = getattr(torch.cpu, "_is_avx512_bf16_supported", None)  # torch has no public question for it
        return torch.bfloat16 if probe is not None and probe() else torch.float32
    return torch.float32


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """No progress bars, log lines and warnings of transformers inside; as before outside."""
    from transformers.utils import logging

    verbosity, had_bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity(logging.CRITICAL)
    logging.disable_progress_bar()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.set_verbosity(verbosity)
        if had_bars:
            logging.enable_progress_bar()
