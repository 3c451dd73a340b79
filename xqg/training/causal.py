"""Loss of causal language models on packed queries."""

from __future__ import annotations

from typing import Any

import torch

from xqg.errors import ModelError
from xqg.training.losses import OutputSample, token_log_probabilities
from xqg.training.packing import Batch


def packed_loss(model: Any, batch: Batch, sample: OutputSample | None = None) -> torch.Tensor:
    """Mean cross entropy of the target tokens, a scalar.

    :param model: a causal model of transformers with its layers in ``model.model``, adapters injected or not.
    :param sample: estimates the softmax from a part of the vocabulary; None: exact.
    """
    device = model.get_input_embeddings().weight.device
    tokens, positions = (torch.from_numpy(array).to(device) for array in (batch.tokens, batch.positions))
    output = model.model(
        input_ids=tokens, position_ids=positions, attention_mask=_masks(model, batch, device), use_cache=False
    )
    hidden = output.last_hidden_state
    rows, targets = (torch.from_numpy(array).to(device) for array in (batch.rows, batch.targets))
    cap = getattr(model.config, "final_logit_softcapping", None)
    return -token_log_probabilities(
        hidden.reshape(-1, hidden.shape[-1])[rows], model.get_output_embeddings().weight, targets, cap, sample
    ).mean()


def check_packable(model: Any) -> None:
    """Refuse models whose attention cannot be told who sees whom.

    :raises ModelError: if the layers or the output layer are not of the usual kind.
    """
    head = model.get_output_embeddings()
    if not hasattr(model, "model") or head is None or getattr(head, "bias", None) is not None:
        name = type(model).__name__
        raise ModelError(
            f"{name} is not built like the causal models that can be trained here", "", "take another base"
        )
    kinds = set(getattr(model.config, "layer_types", None) or ["full_attention"])
    unknown = sorted(kinds - {"full_attention", "sliding_attention"})
    if unknown:
        raise ModelError(
            f"the base has layers of kind {', '.join(unknown)}",
            "queries packed behind one passage need attention that takes a mask",
            "take another base",
        )


def _masks(model: Any, batch: Batch, device: torch.device) -> torch.Tensor | dict[str, torch.Tensor]:
    """The mask of each kind of layer, or the one mask of a model that has one kind."""
    config = model.config

    def mask(window: int | None) -> torch.Tensor:
        allowed = torch.from_numpy(batch.mask(window)).to(device)
        # Eager attention adds its mask to the scores instead of choosing by it.
        return _additive(allowed, model.dtype) if config._attn_implementation == "eager" else allowed

    kinds = set(getattr(config, "layer_types", None) or ())
    window = getattr(config, "sliding_window", None)
    if not kinds:
        return mask(window)
    windows = {"full_attention": None, "sliding_attention": window}
    return {kind: mask(windows[kind]) for kind in sorted(kinds)}


def _additive(allowed: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    return torch.zeros_like(allowed, dtype=dtype).masked_fill_(~allowed, torch.finfo(dtype).min)
