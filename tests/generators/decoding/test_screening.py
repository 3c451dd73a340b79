"""The screened output layer finds what the layer itself finds, whatever its scores say."""

from types import SimpleNamespace

import pytest
import torch
from torch.nn.functional import linear

from tests.models import make_gemma
from xqg.generators.decoding import screening
from xqg.generators.decoding.decoder import Limits, Prompt
from xqg.generators.decoding.screening import (
    LEARNT_ROWS,
    MOST_WANTED,
    SMALLEST_VOCABULARY,
    Scores,
    ScreenedHead,
    screened_head,
)
from xqg.generators.decoding.shared_prefix import SharedPrefixDecoder
from xqg.generators.decoding.top_k import row_seed

SIZE, COUNT = 64, 10


def make_layer(seed=0):
    """Weights and states with a few columns that are much larger than the others, as those of real models are."""
    random = torch.Generator().manual_seed(seed)
    weight = torch.randn(SMALLEST_VOCABULARY, SIZE, generator=random) / SIZE**0.5
    states = torch.randn(LEARNT_ROWS + 200, SIZE, generator=random)
    states[:, :3] *= 20
    return weight.bfloat16(), states.bfloat16()


@pytest.fixture
def operators():
    """Skips where this torch has no 8-bit products."""
    try:
        Scores(torch.ones(64, 64).bfloat16(), torch.ones(4, 64).bfloat16()).of(torch.ones(4, 64).bfloat16())
    except (AttributeError, RuntimeError) as error:
        pytest.skip(f"nothing is screened here: {error}")


def expected_values(weight, states):
    return torch.topk(linear(states, weight), COUNT).values


@torch.inference_mode()
def test_the_same_values_before_and_after_it_has_learnt(operators):
    weight, states = make_layer()
    head = ScreenedHead(weight)
    first, rest = states[:LEARNT_ROWS], states[LEARNT_ROWS:]
    for rows in (first, rest):
        values, tokens = head.largest(rows, COUNT)
        torch.testing.assert_close(values, expected_values(weight, rows), atol=0.03, rtol=0.01)
        torch.testing.assert_close(values, linear(rows, weight).gather(1, tokens), atol=0.03, rtol=0.01)
        assert all(len(set(row)) == COUNT for row in tokens.tolist())
    assert head._scores is not None


@torch.inference_mode()
@pytest.mark.parametrize("error", [0.0, 0.5, 8.0])
def test_scores_that_are_wrong_cost_time_only(monkeypatch, operators, error):
    """The further the scores are off, the more rows get more candidates, and at last all logits."""
    weight, states = make_layer()
    head = ScreenedHead(weight)
    head.largest(states[:LEARNT_ROWS], COUNT)
    random, of, full = torch.Generator().manual_seed(1), Scores.of, []

    def wrong(self, rows):
        scores, ranges = of(self, rows)
        noise = torch.randn(scores.shape, generator=random) * error
        return scores + (noise / ranges).to(scores.dtype), ranges

    among_all = ScreenedHead._among_all
    monkeypatch.setattr(Scores, "of", wrong)
    monkeypatch.setattr(
        ScreenedHead, "_among_all", lambda self, rows, count: full.append(len(rows)) or among_all(self, rows, count)
    )
    rest = states[LEARNT_ROWS:]
    values, _ = head.largest(rest, COUNT)
    torch.testing.assert_close(values, expected_values(weight, rest), atol=0.03, rtol=0.01)
    assert (sum(full) == 0) == (error == 0.0), full


@torch.inference_mode()
def test_of_equal_logits_the_lower_token_comes_first(operators):
    weight, states = make_layer()
    weight[20_000:20_020] = weight[5]  # twenty-one equal tokens
    states[:] = 0.0
    states[:, 5] = 1.0
    weight[:, 5] = 0.0
    weight[[5, *range(20_000, 20_020)], 5] = 4.0
    head = ScreenedHead(weight)
    _, early = head.largest(states[:LEARNT_ROWS], COUNT)
    _, late = head.largest(states[LEARNT_ROWS:], COUNT)
    expected = [5, *range(20_000, 20_009)]
    assert early[0].tolist() == late[0].tolist() == expected


def decode(model, head):
    """Twice the same prompts: what a head has learnt by then, if anything, is used for the second."""
    prompts = [
        Prompt((1, 2, 3, passage, 9), passage, tuple(row_seed(0, str(passage), "fr", n) for n in range(4)))
        for passage in range(20, 26)
    ]
    limits = Limits(frozenset(range(2, SMALLEST_VOCABULARY, 9)), COUNT, 8, 12)
    decoder = SharedPrefixDecoder(model, limits, (1, 2, 3), head=head)
    return [row for _ in range(2) for rows in decoder.decode(prompts) for row in rows]


def test_a_decoder_with_it_writes_the_same(monkeypatch, operators):
    model = make_gemma(SMALLEST_VOCABULARY).bfloat16()
    expected = decode(model, screened_head(model, COUNT))  # has not learnt enough to screen
    monkeypatch.setattr(screening, "LEARNT_ROWS", 20)
    head = screened_head(model, COUNT)
    found = decode(model, head)
    assert head._scores is not None
    same = sum(ours == theirs for ours, theirs in zip(found, expected, strict=True))
    assert same >= 0.9 * len(expected), (same, len(expected))  # a logit may be rounded the other way


def refuse(*arguments):
    raise RuntimeError("no 8-bit product here")


@torch.inference_mode()
@pytest.mark.parametrize("operators", [{}, {"qlinear_prepack": lambda *_: None}, {"qlinear_prepack": refuse}])
def test_a_torch_without_the_private_operators_computes_all_logits(monkeypatch, operators):
    weight, states = make_layer()
    model = make_gemma(SMALLEST_VOCABULARY).bfloat16()
    written = decode(model, screened_head(model, COUNT))
    monkeypatch.setattr(torch.ops, "onednn", SimpleNamespace(**operators))
    head = ScreenedHead(weight)
    for rows in (states[:LEARNT_ROWS], states[LEARNT_ROWS:]):
        values, _ = head.largest(rows, COUNT)
        torch.testing.assert_close(values, expected_values(weight, rows), atol=0.03, rtol=0.01)
    assert head._scores is None
    monkeypatch.setattr(screening, "LEARNT_ROWS", 20)
    assert decode(model, screened_head(model, COUNT)) == written


def test_what_screening_is_not_for_is_left_to_the_model():
    assert screened_head(make_gemma(120).bfloat16(), COUNT) is None
    assert screened_head(make_gemma(SMALLEST_VOCABULARY), COUNT) is None
    model = make_gemma(SMALLEST_VOCABULARY).bfloat16()
    assert screened_head(model, MOST_WANTED) is not None and screened_head(model, MOST_WANTED + 1) is None
