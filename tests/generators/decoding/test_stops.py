"""The tokens that end a query: looked up when drawn, or all of them for transformers."""

from types import SimpleNamespace

from tests.models import make_tokenizer
from xqg.generators.decoding.decoder import StopTokens

MODEL = SimpleNamespace(config=SimpleNamespace(eos_token_id=[4]), generation_config=SimpleNamespace(eos_token_id=None))


def test_ends_and_line_breaks_end_a_query_and_nothing_else():
    tokenizer = make_tokenizer()
    stops = StopTokens(tokenizer, MODEL)
    drawn = [token for token in range(len(tokenizer)) if token in stops]
    eos = tokenizer.convert_tokens_to_ids("<eos>")
    assert {4, eos} < set(drawn)
    assert all("\n" in tokenizer.decode([token]) for token in set(drawn) - {4, eos})
    assert tokenizer("\n").input_ids[0] in drawn
    assert tokenizer("a").input_ids[0] not in drawn
    assert sorted(StopTokens(tokenizer, MODEL)) == drawn, "gone through, they are the same"
    assert len(stops) == len(drawn)


def test_a_token_that_only_the_model_knows_ends_nothing():
    tokenizer = make_tokenizer()
    assert len(tokenizer) + 7 not in StopTokens(tokenizer, MODEL)


def test_the_vocabulary_is_gone_through_once(monkeypatch):
    tokenizer = make_tokenizer()
    vocabulary, asked = tokenizer.get_vocab(), []
    monkeypatch.setattr(tokenizer, "get_vocab", lambda: asked.append(1) or vocabulary)
    stops = StopTokens(tokenizer, MODEL)
    assert tokenizer("a").input_ids[0] not in stops
    assert not asked, "not for the tokens that are drawn"
    assert sorted(stops) == sorted(stops) and min(stops) >= 0
    assert len(asked) == 1
