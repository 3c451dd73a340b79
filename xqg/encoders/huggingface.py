"""Encoders of a model hub or a folder: sentence-transformers reads their pooling, prompts and normalisation."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from xqg.encoders.parts import Part, check_parts, dense_settings, read_parts
from xqg.encoders.prefixes import known_prefixes
from xqg.errors import READING_ERRORS, EncodingError, ModelError
from xqg.extras import importing
from xqg.messages import brief
from xqg.models import (
    ModelSource,
    check_tensors,
    check_weights,
    choose_device,
    load_config,
    load_part,
    load_tokenizer,
    model_revision,
    pinned_source,
    quiet,
)
from xqg.records import Passage, Vectors
from xqg.remade import Remade
from xqg.settings import EncoderSettings


class HuggingFaceEncoder(Remade):
    """A sentence-transformers model as it was published, or a bare transformer with one pooling.

    A bare model (no ``modules.json``) is taken as a dense passage retriever like the paper's: CLS pooling, no
    normalisation, dot product, unless the settings say otherwise.
    """

    def __init__(self, settings: EncoderSettings) -> None:
        self._settings = settings

    @cached_property
    def identity(self) -> Mapping[str, Any]:
        """What changes the vectors; loads the configuration, and of a folder reads all files once."""
        settings = self._settings
        return {
            "kind": "hf",
            "model": self._source.label,
            "revision": model_revision(self._source),
            "pooling": settings.pooling or ("model" if self._parts else "cls"),
            "normalise": settings.normalise,
            "max_tokens": settings.max_tokens,
            "query_prefix": self._prefixes[0],
            "passage_prefix": self._prefixes[1],
        }

    @cached_property
    def dimension(self) -> int:
        """Length of the vectors, from the configuration."""
        for part in reversed(self._parts):
            if part.kind == "Dense":
                return int(dense_settings(part, self._read_json, self._source.name)["out_features"])
        return int(self._config.hidden_size)

    @cached_property
    def distance(self) -> str:
        """Cosine where the vectors are normalised or the model asks for it, else the dot product."""
        if self._settings.normalise is not None:
            return "cosine" if self._settings.normalise else "dot"
        if not self._parts:
            return "dot"
        if any(part.kind == "Normalize" for part in self._parts):
            return "cosine"
        published = self._read_json("config_sentence_transformers.json")
        return "dot" if isinstance(published, dict) and published.get("similarity_fn_name") == "dot" else "cosine"

    def check(self) -> None:
        """See that library, configuration, tokenizer and weights are there. :raises XqgError: says which is not."""
        _library()
        check_weights(self._source)
        check_parts(self._parts, self._read_json, lambda name: self._find(name) is not None, self._source.name)
        _ = self._config, self.dimension, self._tokenizer

    def encode_queries(self, texts: Sequence[str]) -> Vectors:
        """Vectors of questions, shape (len(texts), dimension), float32."""
        return self._encode(list(texts), self._prefixes[0], "query")

    def encode_passages(self, passages: Sequence[Passage]) -> Vectors:
        """Vectors of title and text, shape (len(passages), dimension), float32."""
        return self._encode([passage.content for passage in passages], self._prefixes[1], "document")

    def count_tokens(self, text: str) -> int:
        """Tokens of ``text`` for this model, special ones included."""
        with quiet():  # the tokenizer warns of texts longer than the model's limit, which is what is asked here
            return len(self._tokenizer(text).input_ids)

    @cached_property
    def _source(self) -> ModelSource:
        return pinned_source(self._settings.spec.removeprefix("hf:"), self._settings.revision)

    @cached_property
    def _config(self) -> Any:
        return load_config(self._source)

    @cached_property
    def _tokenizer(self) -> Any:
        return load_tokenizer(self._source)

    @cached_property
    def _parts(self) -> list[Part]:
        """The published parts of a sentence-transformers model; none for a bare one, or where pooling is set."""
        return [] if self._settings.pooling else read_parts(self._read_json, self._source.name)

    @cached_property
    def _prefixes(self) -> tuple[str | None, str | None]:
        """Before queries and passages; None leaves it to the prompts in the model's own configuration."""
        settings = self._settings
        known = None if self._has_prompts else known_prefixes(self._source.label)
        query = settings.query_prefix if settings.query_prefix is not None else known.query if known else None
        passage = settings.passage_prefix if settings.passage_prefix is not None else known.passage if known else None
        return query, passage

    @property
    def _has_prompts(self) -> bool:
        """Whether the model's own configuration says what stands before queries."""
        published = None if self._settings.pooling else self._read_json("config_sentence_transformers.json")
        prompts = published.get("prompts") if isinstance(published, dict) else None
        return isinstance(prompts, dict) and any(prompts.get(name) for name in ("query", "document", "passage"))

    def _read_json(self, name: str) -> Any:
        """A JSON file of the model; None if it has none of this name. :raises ModelError: if it is no JSON."""
        path = self._find(name)
        try:
            return None if path is None else json.loads(path.read_text(encoding="utf-8"))
        except READING_ERRORS as error:
            raise ModelError(
                f"{name} of the encoder {self._source.name} cannot be read: {brief(str(error))}"
            ) from error

    def _find(self, name: str) -> Path | None:
        """Where a file of the model is; None if it has none of this name."""
        from transformers.utils import cached_file

        missing_is_none = {"_raise_exceptions_for_missing_entries": False}
        path = load_part(self._source, cached_file, filename=name, **missing_is_none)
        return None if path is None else Path(path)

    @cached_property
    def _model(self) -> Any:
        library = _library()
        settings, source = self._settings, self._source
        place = source.name if source.path is None else str(source.path)
        options = {"model_kwargs": {"use_safetensors": True}, "revision": source.revision, "trust_remote_code": False}
        try:
            with quiet():
                if self._parts:
                    self.check()  # what is loaded now must have been looked at, whoever calls
                    model = library.SentenceTransformer(place, device=choose_device(settings.device), **options)
                else:
                    model = self._bare_model(place)
        except Exception as error:  # the library raises all kinds
            raise ModelError(
                f"The encoder {source.name} cannot be loaded: {brief(str(error))}", "", "Check its files"
            ) from error
        check_tensors(source, model[0].auto_model, self._parts[0].path if self._parts else "")
        if settings.max_tokens is not None:
            model.max_seq_length = settings.max_tokens
        return model.eval()

    def _bare_model(self, place: str) -> Any:
        from sentence_transformers.sentence_transformer import modules

        shared = {"revision": self._source.revision, "trust_remote_code": False}
        transformer = modules.Transformer(
            place, model_kwargs={"use_safetensors": True, **shared}, config_kwargs=shared, processor_kwargs=shared
        )
        pooling = modules.Pooling(self.dimension, pooling_mode=self._settings.pooling or "cls")
        return _library().SentenceTransformer(
            modules=[transformer, pooling], device=choose_device(self._settings.device)
        )

    def _encode(self, texts: list[str], prefix: str | None, side: str) -> Vectors:
        if not texts:
            return np.empty((0, self.dimension), dtype=np.float32)
        options: dict[str, Any] = {"batch_size": self._settings.batch_size, "show_progress_bar": False}
        if self._settings.normalise is not None:
            options["normalize_embeddings"] = self._settings.normalise
        if prefix is not None:
            options["prompt"] = prefix
        encode = self._model.encode_query if side == "query" else self._model.encode_document
        try:
            with quiet():
                return np.asarray(encode(texts, **options), dtype=np.float32)
        except (RuntimeError, MemoryError) as error:
            raise EncodingError(
                f"The encoder {self._source.name} failed: {brief(str(error))}",
                remedy="If memory ran out, lower --encoder-batch",
            ) from error


def _library() -> Any:
    with importing("hf", "An encoder hf:MODEL"):
        import sentence_transformers
    return sentence_transformers
