"""Top-k sampling whose randomness belongs to the query, not to the batch it is written in."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import torch

SEED_BITS = 63
"""What `torch.Generator.manual_seed` takes without wrapping."""

_CHUNK = 512


def row_seed(seed: int, content_hash: str, language: str, sample: int) -> int:
    """The seed of one query: the same for the same run seed, passage content, language and sample number."""
    text = f"{seed}\0{content_hash}\0{language}\0{sample}"
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> (64 - SEED_BITS)


def gumbel_noise(seeds: Sequence[int], steps: int, top_k: int, temperature: float = 1.0) -> torch.Tensor:
    """Gumbel noise, shape (len(seeds), steps, top_k), float32 on the CPU; row i depends on ``seeds[i]`` alone.

    The largest of logit + noise is a sample from the softmax of logit / temperature (the Gumbel-max trick).
    """
    uniform = torch.empty(len(seeds), steps, top_k)
    for row, seed in zip(uniform, seeds, strict=True):
        torch.rand(steps, top_k, generator=torch.Generator().manual_seed(seed), out=row)
    return -torch.log(-torch.log(uniform.clamp_min_(torch.finfo(torch.float32).tiny))) * temperature


def choose_tokens(values: torch.Tensor, tokens: torch.Tensor, noise: torch.Tensor) -> torch.Tensor:
    """One of the tokens of each row, sampled from the softmax over their logits, at the temperature of the noise.

    :param values: logits, largest first, shape (rows, k or less). :param tokens: their token ids, same shape.
    :param noise: Gumbel noise, shape (rows, k); column j goes to the j-th token.
    :returns: token ids, shape (rows,).
    """
    choice = (values.float() + noise[:, : values.shape[-1]]).argmax(dim=-1, keepdim=True)
    return tokens.gather(-1, choice).squeeze(-1)


def largest(logits: torch.Tensor, count: int) -> tuple[torch.Tensor, torch.Tensor]:
    """The ``count`` largest logits of each row with their columns, largest first, as `torch.topk` gives them.

    The largest values of a row lie in the ``count`` chunks with the largest maxima, so only those are
    sorted: on a CPU and with 262,144 tokens much faster than sorting the row.
    """
    rows, vocabulary = logits.shape
    count = min(count, vocabulary)
    chunks = vocabulary // _CHUNK
    if chunks <= 2 * count or vocabulary % _CHUNK:
        found = torch.topk(logits, count)
        return found.values, found.indices
    folded = logits.view(rows, chunks, _CHUNK)
    best = torch.topk(folded.amax(dim=-1), count).indices
    found = torch.topk(folded[torch.arange(rows, device=best.device)[:, None], best].flatten(1), count)
    columns = best.gather(1, found.indices // _CHUNK) * _CHUNK + found.indices % _CHUNK
    return found.values, columns
