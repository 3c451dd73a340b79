import pytest
import torch

from tests.models import make_gemma
from xqg.generators.decoding import head
from xqg.generators.decoding.head import BlockedHead, blocked_head


def test_in_blocks_the_logits_are_those_of_the_whole(monkeypatch):
    monkeypatch.setattr(head, "_BLOCK", 50)  # the last block is shorter
    plain = torch.nn.Linear(16, 120, bias=False)
    blocked = BlockedHead(plain.weight.detach())
    for rows in (3, 7, 2):  # grows, then leaves memory over
        states = torch.randn(1, rows, 16)
        torch.testing.assert_close(blocked(states), plain(states).detach())


def test_inside_the_models_logits_stay_what_they_are(monkeypatch):
    monkeypatch.setattr(head, "_BLOCK", 50)
    model, tokens = make_gemma(120), torch.tensor([[5, 9, 2]])
    own, expected = model.get_output_embeddings(), model(tokens).logits
    with torch.inference_mode(), blocked_head(model):
        assert isinstance(model.get_output_embeddings(), BlockedHead)
        torch.testing.assert_close(model(tokens).logits, expected)
    assert model.get_output_embeddings() is own


def test_the_models_own_comes_back_after_an_error():
    model = make_gemma(120)
    own = model.get_output_embeddings()
    with pytest.raises(RuntimeError, match="out of memory"), blocked_head(model):
        raise RuntimeError("out of memory")
    assert model.get_output_embeddings() is own


@pytest.mark.parametrize("changed", ["bias", "bfloat16", "other"])
def test_what_it_does_not_compute_is_left_to_the_model(changed):
    model = make_gemma(120)
    if changed == "bias":
        model.set_output_embeddings(torch.nn.Linear(model.config.hidden_size, 120))
    elif changed == "bfloat16":
        model = model.to(torch.bfloat16)
    else:
        model.set_output_embeddings(torch.nn.Sequential(model.get_output_embeddings()))
    own = model.get_output_embeddings()
    with blocked_head(model):
        assert model.get_output_embeddings() is own
