"""The generator that needs nothing but the package registry: Gemma 3 270M with the adapter that xqg ships."""

from __future__ import annotations

from functools import cached_property
from typing import Any

from xqg.generators.adapters import Adapter, bundled_adapter, check_style
from xqg.generators.causal import CausalGenerator
from xqg.generators.gguf import BASE_NAME, base_revision, bundled_folder, check_base, load_converted_tokenizer
from xqg.generators.prompts import PromptStyle
from xqg.models import ModelSource, load_part
from xqg.settings import BUNDLED_BASE


class BundledGenerator(CausalGenerator):
    """Gemma 3 270M with the adapter that xqg ships and its prompt, or without it behind the few-shot prompt.

    The package holds the base as one GGUF file in parts; the first start converts it, about a minute and 560 MB in
    the cache folder. The Gemma terms of use apply to it and to what it writes.
    """

    @cached_property
    def _adapter(self) -> Adapter | None:
        if self._settings.spec == BUNDLED_BASE:
            return None
        return bundled_adapter()

    @cached_property
    def _source(self) -> ModelSource:
        return ModelSource(BASE_NAME if self._adapter is None else f"{BASE_NAME}, with xqg's adapter", None, None)

    @property
    def _style(self) -> PromptStyle:
        return "few-shot" if self._adapter is None else super()._style  # told without loading the tokenizer

    @cached_property
    def _folder(self) -> ModelSource:
        return bundled_folder()

    @cached_property
    def _tokenizer(self) -> Any:
        return load_part(self._folder, load_converted_tokenizer)

    @cached_property
    def _revision(self) -> str:
        return base_revision() if self._adapter is None else f"{base_revision()[:16]}+{self._adapter.revision[:16]}"

    def check(self) -> None:
        """See that the package with the model is whole, and the adapter trained to write what is asked for.

        :raises ModelError, SettingsError: if not.
        """
        if self._adapter is not None:
            check_style(self._adapter, self._settings.trained_style)
        check_base()
