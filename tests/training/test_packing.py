"""Packed queries are exactly separate examples, read once."""

import numpy as np
import pytest
import torch
from torch.nn import functional

from tests.models import make_gemma, make_llama
from xqg.training.causal import packed_loss
from xqg.training.packing import Pack, Segment, make_batch

PACKS = [
    Pack(
        (1, 5, 6, 7, 8, 9, 10, 11),
        (Segment((20, 21), (30, 31, 2)), Segment((22,), (32, 2)), Segment((20, 23), (33, 2))),
    ),
    Pack((1, 12, 13), (Segment((20, 21), (34, 35, 36, 37, 38, 39, 2)), Segment((22, 24, 25), (30, 2)))),
]


def separate_loss(model, packs):
    """The loss of one plain forward pass for each query, with the labels of transformers' own convention."""
    total, count = torch.zeros(()), 0
    for pack in packs:
        for segment in pack.segments:
            tokens = torch.tensor([[*pack.passage, *segment.line, *segment.target]])
            logits = model(input_ids=tokens).logits[0, -len(segment.target) - 1 : -1]
            total = total + functional.cross_entropy(logits, torch.tensor(segment.target), reduction="sum")
            count += len(segment.target)
    return total / count


@pytest.mark.parametrize("window", [4, 16, 512])
@pytest.mark.parametrize("attention", ["eager", "sdpa"])
def test_the_loss_and_its_gradients_are_those_of_separate_examples(window, attention):
    model = make_gemma(64, window=window)
    model.set_attn_implementation(attention)
    model.lm_head.weight.requires_grad_(False)
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]

    expected = separate_loss(model, PACKS)
    wanted = torch.autograd.grad(expected, trained)
    found = packed_loss(model, make_batch(PACKS, padding=0))
    gradients = torch.autograd.grad(found, trained)

    assert abs(found.item() - expected.item()) < 1e-5
    for gradient, want in zip(gradients, wanted, strict=True):
        assert float((gradient - want).abs().max()) < 1e-5 * max(1.0, float(want.abs().max()))


def test_models_with_one_kind_of_layer_take_one_mask():
    model = make_llama(64)

    assert abs(packed_loss(model, make_batch(PACKS, 0)).item() - separate_loss(model, PACKS).item()) < 1e-5


def test_a_query_sees_the_passage_and_itself_alone():
    pack = Pack((1, 2), (Segment((3,), (4, 9)), Segment((5,), (6, 9))))

    batch = make_batch([pack], padding=0)

    assert batch.tokens.tolist() == [[1, 2, 3, 4, 5, 6]]
    assert batch.positions.tolist() == [[0, 1, 2, 3, 2, 3]]
    assert batch.mask().astype(int).tolist() == [[[
        [1, 0, 0, 0, 0, 0],
        [1, 1, 0, 0, 0, 0],
        [1, 1, 1, 0, 0, 0],
        [1, 1, 1, 1, 0, 0],
        [1, 1, 0, 0, 1, 0],
        [1, 1, 0, 0, 1, 1],
    ]]]  # fmt: skip
    assert batch.rows.tolist() == [2, 3, 4, 5]
    assert batch.targets.tolist() == [4, 9, 6, 9]


def test_the_window_counts_positions_and_not_places():
    pack = Pack((1, 2), (Segment((3,), (4, 9)), Segment((5,), (6, 9))))

    mask = make_batch([pack], padding=0).mask(window=2)[0, 0]

    assert mask[4].astype(int).tolist() == [0, 1, 0, 0, 1, 0]
    assert mask[5].astype(int).tolist() == [0, 0, 0, 0, 1, 1]


def test_loss_counts_the_query_tokens_only():
    batch = make_batch(PACKS, padding=0)

    assert sorted(batch.targets.tolist()) == sorted(
        token for pack in PACKS for segment in pack.segments for token in segment.target
    )


def test_every_row_sees_at_least_itself_so_that_padding_gives_no_nan():
    batch = make_batch(PACKS, padding=0)

    mask = batch.mask(window=3)
    assert np.diagonal(mask[:, 0], axis1=1, axis2=2).all()
    assert len(batch.tokens[0]) == max(len(pack) for pack in PACKS)
