"""Which pairs are trained on, and how a batch of them is laid out."""

from collections import Counter

import numpy as np
import pytest
import torch
from torch.nn import functional

from tests.models import make_gemma, make_tokenizer
from xqg.records import Passage
from xqg.training.examples import CausalCollator, Example, dev_examples, draw_examples
from xqg.training.pairs import PassageGroup, TrainingQuery
from xqg.training.training_settings import TrainingSettings


def make_groups(counts, passages=30, languages=("en",)):
    """Passages that share out ``counts`` queries of each language."""
    groups = []
    for number in range(passages):
        queries = tuple(
            TrainingQuery(code, f"{code} {number} {index}")
            for code, count in counts.items()
            for index in range(count // passages)
        )
        texts = tuple(Passage(str(number), f"text {number}", "title", code) for code in languages)
        groups.append(PassageGroup(str(number), "question", texts, queries))
    return groups


@pytest.mark.parametrize(("balance", "danish"), [(1.0, 900), (0.5, 750), (0.0, 500)])
def test_languages_are_balanced(balance, danish):
    drawn = draw_examples(make_groups({"da": 900, "fi": 100}, passages=100), 1000, balance, seed=0)
    assert Counter(example.query.language for example in drawn) == {"da": danish, "fi": 1000 - danish}


def test_every_pair_is_drawn_equally_often_in_an_order_of_the_seed():
    groups = make_groups({"da": 60})
    drawn = [draw_examples(groups, 180, 0.3, seed) for seed in (1, 1, 2)]
    assert set(Counter(example.query for example in drawn[0]).values()) == {3}
    assert drawn[0] == drawn[1] != drawn[2]


def test_other_languages_of_a_passage_and_passages_without_title_are_read_too():
    drawn = draw_examples(make_groups({"da": 300}, languages=("en", "de", "fr")), 2000, 1.0, seed=0)
    languages = Counter(example.passage.language for example in drawn)
    assert languages["en"] / 2000 == pytest.approx(0.6 + 0.4 / 3, abs=0.03)
    assert languages["de"] / 2000 == pytest.approx(0.4 / 3, abs=0.03)
    assert np.mean([not example.passage.title for example in drawn]) == pytest.approx(0.2, abs=0.03)


def test_the_dev_loss_is_taken_on_the_same_pairs_each_time():
    groups = make_groups({"da": 60}, languages=("en", "de"))
    examples = dev_examples(groups, seed=0)
    assert examples == dev_examples(groups, seed=0)
    assert [example.query for example in examples] == [query for group in groups for query in group.queries]
    assert {(example.passage.language, example.passage.title) for example in examples} == {("en", "title")}


def test_the_loss_of_a_batch_is_that_of_its_queries_one_by_one():
    tokenizer = make_tokenizer()
    model = make_gemma(len(tokenizer)).eval()
    texts = [("The old bridge was opened in March.", "Quand ?"), ("A mill.", "Wann wurde die Brücke eröffnet?")]
    examples = [
        Example(Passage("1", text, language="en"), "question", TrainingQuery("fr", query)) for text, query in texts
    ]
    settings = TrainingSettings(data="a.jsonl", out="out", max_passage_tokens=16).completed(False)
    batch = CausalCollator(tokenizer, settings)(examples)

    assert batch["logits_to_keep"] == batch["labels"].shape[1] < batch["input_ids"].shape[1]
    losses = []
    for text, query in texts:
        passage = tokenizer(text).input_ids[:16]
        prompt = [*passage, *tokenizer("\n\nFrench question:", add_special_tokens=False).input_ids]
        target = [*tokenizer(f" {query}", add_special_tokens=False).input_ids, tokenizer.eos_token_id]
        with torch.no_grad():
            logits = model(input_ids=torch.tensor([prompt + target])).logits[0, len(prompt) - 1 : -1]
        losses += functional.cross_entropy(logits, torch.tensor(target), reduction="none").tolist()
    with torch.no_grad():
        found = model(**batch).loss.item()
    assert found == pytest.approx(np.mean(losses), rel=1e-4)
