"""What prompts share: a common prefix, and the tree that the prompts of one passage make."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch


def common_prefix(sequences: Iterable[Sequence[int]]) -> tuple[int, ...]:
    """The tokens that all sequences begin with, but never a whole sequence, so that each has a token left to read."""
    ordered = [tuple(sequence) for sequence in sequences]
    if not ordered:
        return ()
    first, last = min(ordered), max(ordered)
    longest = min(len(sequence) for sequence in ordered) - 1
    for index in range(longest):
        if first[index] != last[index]:
            return first[:index]
    return first[: max(longest, 0)]


class PromptTree:
    """The prompts of one passage without the prefix they share with others: a trunk, then branches.

    ``tokens`` holds the trunk, what follows of each prompt but its last token, and at the end the last token of each
    prompt, so that the logits wanted are those of the last tokens. ``places`` has their positions, shape (tokens,),
    ``all_places`` the prefix's before them, and ``visible`` which of all of these each token may look at, shape
    (tokens, prefix + tokens).
    """

    def __init__(self, sequences: Sequence[Sequence[int]], prefix: int, device: torch.device) -> None:
        trunk = common_prefix(sequences)
        bodies = [(branch, sequence[len(trunk) : -1]) for branch, sequence in enumerate(sequences)]
        parts: list[tuple[int, int, int]] = [(-1, depth, token) for depth, token in enumerate(trunk)]
        for branch, body in bodies:
            parts += [(branch, len(trunk) + depth, token) for depth, token in enumerate(body)]
        parts += [(branch, len(sequence) - 1, sequence[-1]) for branch, sequence in enumerate(sequences)]
        branches = torch.tensor([branch for branch, _, _ in parts], device=device)
        depths = torch.tensor([depth for _, depth, _ in parts], device=device)
        self.tokens = [token for _, _, token in parts]
        self.places = depths + prefix
        self.all_places = torch.cat([torch.arange(prefix, device=device), self.places])
        related = (branches[None, :] == branches[:, None]) | (branches[None, :] == -1)
        own = related & (depths[None, :] <= depths[:, None])
        self.visible = torch.cat([own.new_ones(len(parts), prefix), own], dim=1)
