"""The screened output layer finds what the layer itself finds, whatever its scores say."""

from threading import get_ident

import pytest
import torch
from torch.nn.functional import linear

from tests.models import make_gemma
from xqg.ingest.generators import screening
from xqg.ingest.generators.decoding import SharedPrefixDecoder
from xqg.ingest.generators.packing import can_pack
from xqg.ingest.generators.sampling import row_seed
from xqg.ingest.generators.screening import (
    LEARNT_ROWS,
    MOST_WANTED,
    SMALLEST_VOCABULARY,
    Scores,
    ScreenedHead,
    can_screen,
)
from xqg.ingest.generators.trees import Limits, Prompt

SIZE, COUNT = 64, 10


def make_layer(seed=0):
    """Weights and states with a few columns that are much larger than the others, as those of real models are."""
    random = torch.Generator().manual_seed(seed)
    weight = torch.randn(SMALLEST_VOCABULARY, SIZE, generator=random) / SIZE**0.5
    states = torch.randn(LEARNT_ROWS + 200, SIZE, generator=random)
    states[:, :3] *= 20
    return weight.bfloat16(), states.bfloat16()


@pytest.fixture(scope="module", autouse=True)
def _can_multiply_bfloat16():
    if not can_pack(make_gemma(120).bfloat16()):
        pytest.skip("screening pays only where the CPU multiplies bfloat16")


def expected_values(weight, states):
    return torch.topk(linear(states, weight), COUNT).values


@torch.inference_mode()
def test_the_same_values_before_and_after_it_has_learnt():
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
def test_scores_that_are_wrong_cost_time_only(monkeypatch, error):
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
def test_of_equal_logits_the_lower_token_comes_first():
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


@torch.inference_mode()
def test_a_decoder_with_it_writes_the_same(monkeypatch):
    model = make_gemma(SMALLEST_VOCABULARY).bfloat16()
    assert can_screen(model, COUNT)
    prompts = [
        Prompt((1, 2, 3, passage, 9), passage, tuple(row_seed(0, str(passage), "fr", n) for n in range(4)))
        for passage in range(20, 26)
    ]
    limits = Limits(frozenset(range(2, SMALLEST_VOCABULARY, 9)), 10, 8, 12)
    monkeypatch.setattr("xqg.ingest.generators.decoding._PASSAGES_A_STREAM", 1)
    found, threads = [], []
    for learnt_rows in (20, 10**9):  # the second one never screens
        monkeypatch.setattr(screening, "LEARNT_ROWS", learnt_rows)
        head = ScreenedHead(model.get_output_embeddings().weight)
        decoder = SharedPrefixDecoder(model, limits, (1, 2, 3), head=head, streams=2)
        step, seen = decoder._step, set()
        monkeypatch.setattr(decoder, "_step", lambda rows, seen=seen, step=step: (seen.add(get_ident()), step(rows)))
        for _ in range(2):
            found.append([row for rows in decoder.decode(prompts) for row in rows])
            threads.append(set(seen))
            seen.clear()
        assert head.settled == (learnt_rows == 20)
    for other in found[1:]:
        same = sum(ours == theirs for ours, theirs in zip(found[0], other, strict=True))
        assert same >= 0.9 * len(found[0]), (same, len(found[0]))  # a logit may be rounded the other way
    assert [len(one) for one in threads] == [1, 2, 1, 1], "streams share the head only when it changes no more"


def test_what_screening_is_not_for_is_left_to_the_model():
    assert not can_screen(make_gemma(120).bfloat16(), COUNT)
    assert not can_screen(make_gemma(SMALLEST_VOCABULARY), COUNT)
    model = make_gemma(SMALLEST_VOCABULARY).bfloat16()
    assert can_screen(model, MOST_WANTED) and not can_screen(model, MOST_WANTED + 1)


@torch.inference_mode()
def test_a_machine_that_cannot_score_computes_all_logits(monkeypatch):
    def refuse(self, rows):
        raise RuntimeError("no 8-bit product here")

    monkeypatch.setattr(Scores, "of", refuse)
    weight, states = make_layer()
    head = ScreenedHead(weight)
    for rows in (states[:LEARNT_ROWS], states[LEARNT_ROWS:]):
        values, _ = head.largest(rows, COUNT)
        torch.testing.assert_close(values, expected_values(weight, rows), atol=0.03, rtol=0.01)
