"""The chunked cross entropy is the plain one; the sampled one estimates it."""

import pytest
import torch
from torch.nn import functional

from xqg.training import losses
from xqg.training.losses import draw_sample, token_log_probabilities


def query_loss(*given):
    return -token_log_probabilities(*given).mean()


def make_case(rows=7, width=5, vocabulary=40):
    generator = torch.Generator().manual_seed(0)
    hidden = torch.randn(rows, width, generator=generator, requires_grad=True)
    weight = torch.randn(vocabulary, width, generator=generator)
    return hidden, weight, torch.randint(0, 10, (rows,), generator=generator)


def plain(hidden, weight, targets, cap):
    logits = hidden @ weight.T
    return functional.cross_entropy(logits if cap is None else cap * torch.tanh(logits / cap), targets)


@pytest.mark.parametrize("cap", [None, 3.0])
@pytest.mark.parametrize("chunk", [2, 256])
def test_it_is_the_plain_cross_entropy(monkeypatch, cap, chunk):
    monkeypatch.setattr(losses, "CHUNK_ROWS", chunk)
    hidden, weight, targets = make_case()

    expected = plain(hidden, weight, targets, cap)
    (want,) = torch.autograd.grad(expected, hidden)
    found = query_loss(hidden, weight, targets, cap, None)
    (gradient,) = torch.autograd.grad(found * 2, hidden)

    assert torch.allclose(found, expected, atol=1e-6)
    assert torch.allclose(gradient, 2 * want, atol=1e-6)


def test_a_sample_of_everything_is_exact():
    hidden, weight, targets = make_case()
    sample = draw_sample(torch.arange(10), torch.arange(10, 40), 30, torch.Generator().manual_seed(1))

    assert torch.allclose(query_loss(hidden, weight, targets, None, sample), plain(hidden, weight, targets, None))


def test_a_small_sample_is_right_on_average():
    hidden, weight, targets = make_case()
    hidden = hidden * 0.3
    generator = torch.Generator().manual_seed(1)
    samples = [draw_sample(torch.arange(10), torch.arange(10, 40), 10, generator) for _ in range(400)]

    found = torch.stack([query_loss(hidden, weight, targets, None, sample) for sample in samples]).mean().detach()
    cut = query_loss(hidden, weight[:10], targets, None, None)

    expected = plain(hidden, weight, targets, None)
    assert abs(float(found - expected.detach())) < 0.02
    assert abs(float(cut.detach() - expected.detach())) > 0.5
