"""Options of a training run, and what is wrong with them, before anything is read."""

from pathlib import Path

import pytest

from xqg.errors import SettingsError
from xqg.generators.prompts import trained_line, trained_passage, trained_prompt
from xqg.records import Passage
from xqg.settings import validated
from xqg.training.training_settings import TrainingSettings


def settings(**options):
    return validated(TrainingSettings, {"data": ["pairs.jsonl"], "out": "out"} | options)


def test_a_source_carries_its_options():
    source = settings(data=["folder/xquad?style=search&articles=0-23&home=de"]).data[0]

    assert source.path == Path("folder/xquad")
    assert (source.style, source.articles, source.home) == ("search", (0, 23), "de")


@pytest.mark.parametrize(
    ("options", "found"),
    [
        ({"data": []}, "data"),
        ({"data": ["a?style=poem"]}, "style"),
        ({"data": ["a?articles=7-3"]}, "FIRST-LAST"),
        ({"data": ["a?articles=²"]}, "FIRST-LAST"),
        ({"data": ["a?colour=red"]}, "colour"),
        ({"data": ["a?home=xx"]}, "xx"),
        ({"base": "gemma"}, "bundled"),
        ({"epochs": 2, "max_steps": 5}, "max_steps"),
        ({"rank": 0}, "rank"),
        ({"data": ["a?style"]}, "style"),
    ],
)
def test_wrong_options_are_named(options, found):
    with pytest.raises(SettingsError, match=found):
        settings(**options)


def test_defaults_depend_on_the_kind_of_model_and_what_was_given_stays():
    causal, seq2seq = (settings(epochs=2).completed(seq2seq=kind) for kind in (False, True))

    assert (causal.learning_rate, causal.max_passage_tokens, causal.epochs) == (5e-4, 320, 2)
    assert (seq2seq.learning_rate, seq2seq.max_passage_tokens, seq2seq.epochs) == (1e-4, 128, 2)
    assert settings(max_passage_tokens=64).completed(seq2seq=True).max_passage_tokens == 64
    assert settings(method="full").completed(seq2seq=False).learning_rate == pytest.approx(5e-5)


def test_the_prompt_of_a_trained_generator_is_passage_first():
    passage = Passage(id="1", text="It is old. ", title="Bridge")

    assert trained_prompt(passage, "fr", "question") == "Bridge\nIt is old.\n\nFrench question:"
    assert trained_prompt(passage, "ja", "search").endswith("\n\nJapanese search:")
    assert trained_prompt(passage, "fr", "search") == trained_passage(passage) + trained_line("fr", "search")
