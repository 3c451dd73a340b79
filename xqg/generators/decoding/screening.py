"""The likeliest next tokens without all logits in full precision: 8 bits choose candidates, exact logits decide.

All that uses private operators of torch is here; where they are missing, all logits are computed.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch.nn.functional import linear

from xqg.generators.decoding.top_k import largest

SMALLEST_VOCABULARY = 2**15
"""Smaller output layers are cheap enough."""

LEARNT_ROWS = 2048
"""Rows that are computed in full first: they tell which columns are large, and small jobs are spared the set-up."""

_CERTAINTY = 1.5
"""The last logit taken has to stand above the best score left out by so many times the largest error seen."""

MOST_WANTED = 32
"""For a larger k the candidates cost too much."""

_MORE = 8
"""Rows whose first candidates leave doubt get so many times as many; where these do too, all logits are computed."""

_LEVELS = 127
_ROWS_AT_ONCE = 8192
_BLOCK = 64
_SMALLEST = 1e-12

Likeliest = tuple[torch.Tensor, torch.Tensor]
"""The largest logits of each row, largest first, and their tokens."""


def screened_head(model: Any, top_k: int) -> ScreenedHead | None:
    """What finds the likeliest tokens faster than the output layer of ``model``, None where nothing does.

    It pays for weights in bfloat16 on a CPU, a large vocabulary, a small k, and a layer that is a plain product.
    """
    layer = model.get_output_embeddings()
    pays = (
        model.device.type == "cpu"
        and model.dtype == torch.bfloat16
        and top_k <= MOST_WANTED
        and type(layer) is torch.nn.Linear
        and layer.bias is None
        and layer.out_features >= SMALLEST_VOCABULARY
        and getattr(model.config.get_text_config(), "final_logit_softcapping", None) is None
    )
    return ScreenedHead(layer.weight) if pays else None


class Scores:
    """Logits computed from weights and states of 8 bits, for half of the price.

    Columns with large states would take the 8 bits from the others, so each column's range is first shared between
    weights and states (SmoothQuant, Xiao et al. 2023, with strength 1/2); then blocks of columns are mixed by a
    Hadamard matrix in both, which leaves the product as it is and spreads what is large (QuaRot, Ashkboos et al. 2024).

    :param weight: of the output layer, shape (vocabulary, size), bfloat16 on a CPU.
    :param states: some of what will be asked for, shape (n, size).
    :raises AttributeError, RuntimeError: if this torch has no such 8-bit products; they are private.
    """

    def __init__(self, weight: torch.Tensor, states: torch.Tensor) -> None:
        prepack = torch.ops.onednn.qlinear_prepack
        usual, columns = (torch.linalg.vector_norm(part, dim=0, dtype=torch.float32) for part in (states, weight))
        self._balance = (columns / usual.clamp_min(_SMALLEST)).sqrt().clamp_min(_SMALLEST)
        self._mixer = _hadamard(math.gcd(weight.shape[1], _BLOCK))
        mixer = self._mixer.to(weight.dtype)
        self._scales, self._zeros = torch.empty(len(weight)), torch.zeros(len(weight), dtype=torch.long)
        whole = torch.empty(weight.shape, dtype=torch.int8)
        for start in range(0, len(weight), _ROWS_AT_ONCE):
            balanced = weight[start : start + _ROWS_AT_ONCE] / self._balance.to(weight.dtype)
            part = _mixed(balanced, mixer).float()
            scales = part.abs().amax(dim=1).clamp_min_(_SMALLEST).div_(_LEVELS)
            self._scales[start : start + len(part)] = scales
            whole[start : start + len(part)] = part.div_(scales[:, None]).round_()
        self._packed = prepack(whole, None)

    def of(self, states: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Scores, shape (rows, vocabulary), and what each row of them is to be multiplied with to give logits."""
        balanced = _mixed(states.float() * self._balance, self._mixer)
        ranges = balanced.abs().amax(dim=1, keepdim=True).clamp_min_(_SMALLEST).div_(_LEVELS)
        rounded = balanced.div_(ranges).round_().add_(_LEVELS + 1).to(torch.uint8)
        scores: torch.Tensor = torch.ops.onednn.qlinear_pointwise(
            rounded, 1.0, _LEVELS + 1, self._packed, self._scales, self._zeros, None, 1.0, 0, torch.bfloat16,
            "none", [], "",
        )  # fmt: skip
        return scores, ranges


class ScreenedHead:
    """The output layer of a model, asked for the largest logits only.

    `Scores` choose candidates, and the logits of those are computed as the layer computes them. What is left out has
    no exact logit, but the errors of the scores are known for every candidate: a row is done when no error of
    up to `_CERTAINTY` times the largest of them could bring a token left out among its largest; else it gets more
    candidates, and at last all logits. That is no proof: a token left out whose score is further off than that is
    missed. Of equal logits the lower token comes first, on every one of these ways.

    :param weight: of the output layer, shape (vocabulary, size), bfloat16 on a CPU.
    """

    def __init__(self, weight: torch.Tensor) -> None:
        self._weight = weight
        self._seen: list[torch.Tensor] = []
        self._scores: Scores | None = None
        self._hopeless = False

    def largest(self, states: torch.Tensor, count: int) -> Likeliest:
        """The ``count`` largest logits of each row with their tokens.

        :param states: what the layer is given, shape (rows, size). :param count: at most `MOST_WANTED`.
        :returns: two tensors of shape (rows, count).
        """
        if self._scores is None:
            self._learn(states)
            return self._among_all(states, count)
        scores, ranges = self._scores.of(states)
        candidates = _candidates(count)
        values, tokens, certain = self._among_candidates(scores, ranges, states, count, candidates)
        rest = (~certain).nonzero().squeeze(-1)
        if len(rest):
            values[rest], tokens[rest], certain[rest] = self._among_candidates(
                scores[rest], ranges[rest], states[rest], count, _MORE * candidates
            )
            rest = (~certain).nonzero().squeeze(-1)
        if len(rest):
            values[rest], tokens[rest] = self._among_all(states[rest], count)
        return values, tokens

    def _learn(self, states: torch.Tensor) -> None:
        """Set the scores up once enough was seen; where this torch cannot compute them, all logits stay the way."""
        if self._hopeless:
            return
        self._seen.append(states)
        if sum(map(len, self._seen)) < LEARNT_ROWS:
            return
        try:
            scores = Scores(self._weight, torch.cat(self._seen))
            scores.of(states)
            self._scores = scores
        except (RuntimeError, AttributeError):
            self._hopeless = True
        self._seen.clear()

    def _among_all(self, states: torch.Tensor, count: int) -> Likeliest:
        return _ordered(*largest(linear(states, self._weight), _candidates(count)), count)

    def _among_candidates(
        self, scores: torch.Tensor, ranges: torch.Tensor, states: torch.Tensor, count: int, candidates: int
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """The largest logits among the candidates with their tokens, and of which rows they are certain."""
        guesses, tokens = largest(scores, candidates)
        guesses = guesses.float() * ranges
        exact = torch.bmm(self._weight[tokens], states[:, :, None]).squeeze(-1)
        errors = (guesses - exact.float()).abs().amax(dim=1)
        values, tokens = _ordered(exact, tokens, count)
        return values, tokens, values[:, -1].float() - guesses[:, -1] > _CERTAINTY * errors


def _candidates(count: int) -> int:
    """For so many tokens the exact logits are computed, where ``count`` are wanted."""
    return max(32, 3 * count)


def _hadamard(size: int) -> torch.Tensor:
    """The orthogonal matrix of this size, a power of two, whose entries are all equally large (Sylvester)."""
    matrix = torch.ones(1, 1)
    while len(matrix) < size:
        matrix = torch.kron(torch.tensor([[1.0, 1.0], [1.0, -1.0]]), matrix)
    return matrix / math.sqrt(size)


def _mixed(rows: torch.Tensor, mixer: torch.Tensor) -> torch.Tensor:
    """Blocks of columns, as many as the ``mixer`` is large, multiplied with it."""
    return (rows.reshape(-1, len(mixer)) @ mixer).view(rows.shape)


def _ordered(values: torch.Tensor, tokens: torch.Tensor, count: int) -> Likeliest:
    """The ``count`` largest values, the lower token first where values are equal."""
    tokens, order = tokens.sort(dim=1)
    values, order = values.gather(1, order).sort(dim=1, descending=True, stable=True)
    return values[:, :count], tokens.gather(1, order[:, :count])
