from concurrent.futures import ThreadPoolExecutor

import pytest
import torch

from tests.models import make_gemma, make_llama
from xqg.generators.decoding.attention import FOLDED, folded_attention
from xqg.generators.decoding.decoder import GenerateDecoder, Limits, Prompt
from xqg.generators.decoding.rows import common_prefix
from xqg.generators.decoding.shared_prefix import SharedPrefixDecoder, agrees, choose_decoder
from xqg.generators.decoding.top_k import choose_tokens, gumbel_noise, largest, row_seed

VOCABULARY = 120
STOPS = frozenset(range(2, VOCABULARY, 7))
PREFIX = [1, *range(50, 62)]
TRIED = [(7 * number * number + 3) % VOCABULARY for number in range(1, 25)]


def make_prompts(samples=3):
    """Three passages of different lengths; languages of one and of several tokens; one prompt ends inside another."""
    passages = [[70, 71, 72], list(range(20, 45)), [70, 71, 80, 81, 82, 83]]
    languages = [[90], [91, 92, 93], [91, 94]]
    prompts = []
    for number, passage in enumerate(passages):
        for place, language in enumerate(languages[: 3 - number % 2]):
            seeds = tuple(row_seed(7, str(number), str(place), sample) for sample in range(samples))
            prompts.append(Prompt((*PREFIX, *passage, *language), number, seeds))
    return prompts


def decode_naively(model, prompt, limits):
    """One row at a time, one full forward pass for every token."""
    found = []
    for seed in prompt.seeds:
        noise = gumbel_noise([seed], limits.max_new_tokens, limits.top_k)[0]
        written = []
        for step in range(limits.max_new_tokens):
            logits = model(torch.tensor([[*prompt.tokens, *written]])).logits[0, -1]
            values, tokens = torch.topk(logits, limits.top_k)
            token = int(tokens[(values + noise[step]).argmax()])
            if token in limits.stops:
                break
            written.append(token)
        found.append(written)
    return found


@pytest.fixture(params=["gemma", "llama"], scope="module")
def model(request):
    return (make_gemma if request.param == "gemma" else make_llama)(VOCABULARY)


@pytest.fixture(scope="module")
@torch.inference_mode()
def expected(model):
    limits = Limits(STOPS, top_k=5, max_new_tokens=12, rows=1)
    return [decode_naively(model, prompt, limits) for prompt in make_prompts()]


@pytest.mark.parametrize("rows", [1, 4, 7, 100])
@pytest.mark.parametrize("prefix", [[], PREFIX, [*PREFIX, 70, 71]])
@pytest.mark.parametrize("attention", [None, FOLDED])
def test_the_same_as_one_row_at_a_time(model, expected, rows, prefix, attention):
    limits = Limits(STOPS, top_k=5, max_new_tokens=12, rows=rows)
    prompts = make_prompts()
    lengths = {len(written) for samples in expected for written in samples}
    assert len(lengths) > 3, "rows must end at different times for this to test anything"
    decoder = SharedPrefixDecoder(model, limits, prefix, attention)
    assert decoder.decode(prompts) == expected
    assert decoder.decode(prompts[3:4]) == expected[3:4]  # alone, and with the kept prefix


def test_threads_that_share_a_decoder_write_what_each_would_alone(model, expected):
    prompts = make_prompts()
    decoder = SharedPrefixDecoder(model, Limits(STOPS, top_k=5, max_new_tokens=12, rows=7), PREFIX, FOLDED)
    with ThreadPoolExecutor(8) as threads:
        assert list(threads.map(lambda _: decoder.decode(prompts), range(16))) == [expected] * 16
    assert model.config._attn_implementation != FOLDED


@pytest.mark.parametrize(("top_k", "same"), [(1, True), (5, False)])
def test_samples_are_one_row_until_they_differ(model, monkeypatch, top_k, same):
    prompts = make_prompts()[3:5]  # of one passage, so that all are under way together
    decoder = SharedPrefixDecoder(model, Limits(STOPS, top_k, max_new_tokens=12, rows=100), PREFIX, FOLDED)
    counts = []
    step = decoder._step
    monkeypatch.setattr(decoder, "_step", lambda rows: (counts.append((rows.count, rows.samples)), step(rows)))
    decoder.decode(prompts)
    assert counts
    assert all(rows <= samples for rows, samples in counts)
    assert all(samples == 3 * rows for rows, samples in counts) is same


@torch.inference_mode()
@pytest.mark.parametrize("attention", [None, FOLDED])
def test_logits_at_every_step_are_those_of_a_plain_pass(model, monkeypatch, attention):
    limits = Limits(STOPS, top_k=5, max_new_tokens=12, rows=10)
    seen = []

    def record(values, tokens, noise):
        seen.append((values.clone(), noise.clone()))
        return choose_tokens(values, tokens, noise)

    monkeypatch.setattr("xqg.generators.decoding.rows.choose_tokens", record)
    prompts = make_prompts()
    found = SharedPrefixDecoder(model, limits, PREFIX, attention).decode(prompts)
    rows = {}  # noise is a row's own, so it tells which row and step some values belong to
    for values, noise in seen:
        for one, key in zip(values, noise, strict=True):
            rows[tuple(key.tolist())] = one
    compared = 0
    for prompt, samples in zip(prompts, found, strict=True):
        for seed, written in zip(prompt.seeds, samples, strict=True):
            plain = model(torch.tensor([[*prompt.tokens, *written]])).logits[0, len(prompt.tokens) - 1 :]
            noise = gumbel_noise([seed], limits.max_new_tokens, limits.top_k)[0]
            for step in range(min(len(written) + 1, limits.max_new_tokens)):
                largest_plain = plain[step].topk(limits.top_k).values
                torch.testing.assert_close(rows[tuple(noise[step].tolist())], largest_plain, atol=1e-4, rtol=0)
                compared += 1
    assert compared == len(rows) > 100


def test_frequencies_are_the_softmax_over_the_top_k():
    logits = torch.tensor([1.0, 3.0, -2.0, 2.5, 0.0, 2.9])
    draws, top_k = 20_000, 4
    noise = gumbel_noise(range(draws), 1, top_k)[:, 0]
    counts = torch.bincount(choose_tokens(*largest(logits.expand(draws, -1), top_k), noise), minlength=6)
    kept = logits.topk(top_k).indices
    expected = torch.zeros(6)
    expected[kept] = logits[kept].softmax(dim=0) * draws
    assert counts[expected == 0].sum() == 0
    chi_square = ((counts[kept] - expected[kept]) ** 2 / expected[kept]).sum()
    assert chi_square < 16.3  # 3 degrees of freedom, p = 0.001


@pytest.mark.parametrize("apart", [0, 528])
@pytest.mark.parametrize("vocabulary", [5, 512, 2048, 512 * 64, 512 * 64 + 1])
def test_the_largest_are_those_of_topk(vocabulary, apart):
    logits = torch.randn(3, vocabulary + apart, generator=torch.Generator().manual_seed(1))[:, :vocabulary]
    values, columns = largest(logits, 10)
    expected = torch.topk(logits, min(10, vocabulary))
    assert torch.equal(values, expected.values)
    assert torch.equal(columns, expected.indices)


def test_noise_belongs_to_the_row():
    together, alone = gumbel_noise([5, 6, 7], 4, 3), gumbel_noise([6], 4, 3)
    assert torch.equal(together[1], alone[0])
    assert not torch.equal(together[0], together[1])
    seeds = {row_seed(0, "a", "fr", 0), row_seed(1, "a", "fr", 0), row_seed(0, "b", "fr", 0), row_seed(0, "a", "ja", 0)}
    assert len(seeds | {row_seed(0, "a", "fr", 1)}) == 5
    assert row_seed(0, "a", "fr", 0) == row_seed(0, "a", "fr", 0) < 2**63


@torch.inference_mode()
def test_the_global_random_state_is_left_alone(model):
    before = torch.random.get_rng_state()
    SharedPrefixDecoder(model, Limits(STOPS, 5, 4, 10), PREFIX).decode(make_prompts())
    assert torch.equal(torch.random.get_rng_state(), before)


@pytest.mark.parametrize(
    ("sequences", "prefix"),
    [
        ([], ()),
        ([[1, 2, 3]], (1, 2)),
        ([[1, 2, 3], [1, 2, 4, 5]], (1, 2)),
        ([[1, 2], [1, 2, 3]], (1,)),
        ([[1], [1, 2]], ()),
        ([[3, 1], [4, 1]], ()),
        ([[1, 2, 3], [1, 2, 3]], (1, 2)),
    ],
)
def test_common_prefix(sequences, prefix):
    assert common_prefix(sequences) == prefix


def test_generate_writes_the_same(model):
    limits = Limits(STOPS, top_k=5, max_new_tokens=12, rows=10)
    prompts = make_prompts()
    assert GenerateDecoder(model, limits).decode(prompts) == SharedPrefixDecoder(model, limits).decode(prompts)


def test_a_model_that_ignores_the_mask_is_noticed(model):
    own = model.config._attn_implementation
    assert agrees(model, TRIED) and agrees(model, TRIED, FOLDED)
    assert model.config._attn_implementation == own
    assert isinstance(choose_decoder(model, "tiny", Limits(STOPS, 5, 4, 10), PREFIX, TRIED), SharedPrefixDecoder)
    forward = model.forward

    def forget_mask(*args, **kwargs):
        return forward(*args, **{**kwargs, "attention_mask": None})

    model.forward = forget_mask
    try:
        assert not agrees(model, TRIED) and not agrees(model, TRIED, FOLDED)
        assert isinstance(choose_decoder(model, "tiny", Limits(STOPS, 5, 4, 10), PREFIX, TRIED), GenerateDecoder)
    finally:
        del model.forward


def test_folded_attention_is_attention():
    random = torch.Generator().manual_seed(1)
    query, key, value = (
        torch.randn(1, heads, tokens, 8, generator=random) for heads, tokens in ((4, 5), (2, 9), (2, 9))
    )
    mask = torch.zeros(1, 1, 5, 9).masked_fill_(torch.rand(1, 1, 5, 9, generator=random) < 0.5, -1e30)
    mask[..., 0] = 0.0  # every row sees something
    expected = torch.nn.functional.scaled_dot_product_attention(
        query, key.repeat_interleave(2, 1), value.repeat_interleave(2, 1), attn_mask=mask, scale=0.3
    )
    found, _ = folded_attention(None, query, key, value, mask, scaling=0.3)
    torch.testing.assert_close(found, expected.transpose(1, 2))
