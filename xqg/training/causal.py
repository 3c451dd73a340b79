"""Loss of causal language models on packed queries."""

from __future__ import annotations

from typing import Any

import torch

from xqg.errors import ModelError
from xqg.training.losses import OutputSample, query_loss
from xqg.training.packing import Batch


def packed_loss(model: Any, batch: Batch, sample: OutputSample | None = None) -> torch.Tensor:
    """Mean cross entropy of a batch's target tokens, a scalar.

    :param model: a causal model of transformers with its layers in ``model.model``, adapters injected or not.
    :param sample: estimates the softmax from a part of the vocabulary; None: exact.
    """
    device = model.get_input_embeddings().weight.device
    tokens, positions = (torch.from_numpy(array).to(device) for array in (batch.tokens, batch.positions))
    output = model.model(
        input_ids=tokens, position_ids=positions, attention_mask=_masks(model.config, batch, device), use_cache=False
    )
    hidden = output.last_hidden_state
    rows, targets = (torch.from_numpy(array).to(device) for array in (batch.rows, batch.targets))
    cap = getattr(model.config, "final_logit_softcapping", None)
    return query_loss(
        hidden.reshape(-1, hidden.shape[-1])[rows], model.get_output_embeddings().weight, targets, cap, sample
    )


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


def _masks(config: Any, batch: Batch, device: torch.device) -> torch.Tensor | dict[str, torch.Tensor]:
    """The mask of each kind of layer, or the one mask of a model that has one kind."""
    kinds = set(getattr(config, "layer_types", None) or ())
    full = torch.from_numpy(batch.mask()).to(device)
    if not kinds:
        window = getattr(config, "sliding_window", None)
        return full if window is None else torch.from_numpy(batch.mask(window)).to(device)
    masks = {"full_attention": full}
    if "sliding_attention" in kinds:
        masks["sliding_attention"] = torch.from_numpy(batch.mask(config.sliding_window)).to(device)
    return masks
