"""Whole runs on tiny random models: what they leave behind can be used, resumed and read."""

import json

import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, AutoModelForSeq2SeqLM, AutoTokenizer

from tests.training.samples import pair_lines, save_gemma, save_mt5, tiny_settings, write_lines
from xqg.errors import InputError, MissingDependencyError, ModelError, SettingsError
from xqg.generators.adapters import merge_adapter
from xqg.generators.causal import CausalGenerator
from xqg.records import Passage
from xqg.settings import GeneratorSettings
from xqg.training.evaluation import EveryLanguage
from xqg.training.train import train_generator


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    return save_gemma(tmp_path_factory.mktemp("models") / "tiny-gemma")


def adapter_of(folder):
    return load_file(folder / "adapter_model.safetensors")


def test_sixty_pairs_train_an_adapter_that_loads(tmp_path, base):
    from peft import PeftModel

    seen = []
    report = train_generator(tiny_settings(tmp_path, base), seen.append)

    assert (report.steps, report.interrupted, report.rejects) == (3, False, ())
    assert report.pairs + report.dev_pairs == 60
    assert len(report.dev_losses) == 1
    assert seen[-1].share == 1.0 and seen[-1].dev_loss == pytest.approx(report.dev_losses[-1][1])
    assert {tensor.dtype for tensor in adapter_of(report.out).values()} == {torch.bfloat16}
    layers = json.loads((report.out / "adapter_config.json").read_text(encoding="utf-8"))["target_modules"]
    assert layers == sorted(layers) and any(layer.endswith("q_proj") for layer in layers)
    tokens = torch.tensor([[1, 9, 10, 11]])
    plain, merged = (AutoModelForCausalLM.from_pretrained(base) for _ in range(2))
    merge_adapter(merged, report.out)
    adapted = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(base), report.out)
    with torch.no_grad():
        before, ours, theirs = (model(input_ids=tokens).logits for model in (plain, merged, adapted))
    assert torch.allclose(ours, theirs, atol=1e-4)
    assert not torch.allclose(before, ours, atol=1e-3)


def test_training_goes_on_from_an_adapter(tmp_path, base):
    first = train_generator(tiny_settings(tmp_path, base, max_steps=8, learning_rate=0.02, out=tmp_path / "first"))
    sample_at(first.out, 0.7)
    (tmp_path / "search.jsonl").write_bytes((tmp_path / "pairs.jsonl").read_bytes())
    barely = {"learning_rate": 1e-12, "data": [f"{tmp_path}/search.jsonl?style=search"], "max_steps": 1}
    second = train_generator(tiny_settings(tmp_path, base, **barely, start=str(first.out), out=tmp_path / "second"))
    fresh = train_generator(tiny_settings(tmp_path, base, **barely, out=tmp_path / "fresh"))

    before, after, other = (adapter_of(report.out) for report in (first, second, fresh))
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert not all(torch.equal(before[name], other[name]) for name in before)
    card = json.loads((second.out / "xqg_generator.json").read_text())
    assert card["styles"] == ["question", "search"]
    assert card["sampling"]["temperature"] == 0.7
    assert "Goes on from" in (second.out / "README.md").read_text()


def sample_at(folder, temperature):
    """Change the temperature that the card of an adapter in ``folder`` gives: 1 where training began from a base."""
    path = folder / "xqg_generator.json"
    facts = json.loads(path.read_text())
    assert facts["sampling"]["temperature"] == 1.0
    facts["sampling"]["temperature"] = temperature
    path.write_text(json.dumps(facts))


def test_an_adapter_is_sampled_at_its_own_temperature_unless_another_is_asked_for(tmp_path, base):
    def written(**options):
        settings = {
            "spec": f"hf:{report.out}",
            "base": f"hf:{base}",
            "languages": ("fr",),
            "queries_per_language": 4,
            "max_new_tokens": 8,
        }
        generator = CausalGenerator(GeneratorSettings(**settings | options), EveryLanguage())
        passage = Passage(id="mill", text="The old mill was built in 1701 by the council.")
        found = generator.generate([(passage, ("fr",))])
        return [query.text for query in found.queries], generator.identity["temperature"]

    report = train_generator(tiny_settings(tmp_path, base, max_steps=2))
    warm = written()
    sample_at(report.out, 0.0)
    cold = written()
    assert (warm[1], cold[1]) == (1.0, 0.0)
    assert len(cold[0]) < 2 <= len(warm[0])  # the likeliest tokens are four times the same
    assert written(temperature=1.0) == warm


def test_an_adapter_that_does_not_fit_is_no_start(tmp_path, base):
    first = train_generator(tiny_settings(tmp_path, base, max_steps=1, out=tmp_path / "first"))
    start = {"start": str(first.out), "out": tmp_path / "second"}
    again = train_generator(tiny_settings(tmp_path, base, **(start | {"out": tmp_path / "again"}), rank=8))
    assert "| rank | 4 |" in (again.out / "README.md").read_text(encoding="utf-8")
    with pytest.raises(SettingsError, match="was trained on the base"):
        train_generator(tiny_settings(tmp_path, save_gemma(tmp_path / "other"), **start))
    with pytest.raises(SettingsError, match="holds no adapter"):
        train_generator(tiny_settings(tmp_path, base, start=str(tmp_path), out=tmp_path / "second"))
    with pytest.raises(SettingsError, match="drop one of them"):
        tiny_settings(tmp_path, base, **start, method="full")


def test_training_lowers_the_dev_loss(tmp_path, base):
    settings = tiny_settings(tmp_path, base, max_steps=16, learning_rate=0.02, evaluations=2)

    losses = [loss for _, loss in train_generator(settings).dev_losses]

    assert losses[-1] < 0.95 * losses[0]


def test_a_resumed_run_ends_with_the_weights_of_an_uninterrupted_one(tmp_path, base):
    whole = train_generator(tiny_settings(tmp_path, base, max_steps=6, evaluations=3, out=tmp_path / "whole"))

    seen = []
    settings = tiny_settings(tmp_path, base, max_steps=6, evaluations=3, out=tmp_path / "parts")
    first = train_generator(settings, seen.append, stopped=lambda: bool(seen) and seen[-1].step >= 2)
    assert first.interrupted and first.steps < 6 and "--resume" in first.remedy
    assert not (settings.out / "adapter_model.safetensors").exists()
    second = train_generator(settings.model_copy(update={"resume": True}))

    assert second.steps == 6 and second.minutes > first.minutes
    wanted, found = adapter_of(whole.out), adapter_of(second.out)
    assert wanted.keys() == found.keys()
    assert all(torch.equal(wanted[name], found[name]) for name in wanted)


def test_the_same_seed_gives_the_same_weights_and_another_one_others(tmp_path, base):
    first, again, other = (
        adapter_of(train_generator(tiny_settings(tmp_path, base, out=tmp_path / name, seed=seed)).out)
        for name, seed in (("a", 3), ("b", 3), ("c", 4))
    )

    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not all(torch.equal(first[name], other[name]) for name in first)


def test_the_run_ends_by_the_clock_with_the_learning_rate_at_zero(tmp_path, base):
    settings = tiny_settings(tmp_path, base, max_steps=10_000, max_minutes=0.02, evaluations=1)

    report = train_generator(settings)

    assert 0 < report.steps < 10_000
    assert report.minutes < 1
    assert (report.out / "adapter_model.safetensors").exists()


def test_training_stops_when_the_dev_loss_no_longer_falls(tmp_path, base):
    settings = tiny_settings(tmp_path, base, max_steps=9, evaluations=9, patience=2, learning_rate=1e-12)

    report = train_generator(settings)

    assert report.steps == 3


def test_the_weights_kept_are_those_of_the_lowest_dev_loss(tmp_path, base, monkeypatch):
    # after four steps the learning rate is negative, so that the loss rises
    monkeypatch.setattr("xqg.training.run.Schedule.factor", lambda self, step: 1.0 if step < 4 else -1.0)
    settings = tiny_settings(tmp_path, base, max_steps=8, evaluations=8, learning_rate=0.02)

    report = train_generator(settings)

    losses = dict(report.dev_losses)
    best = min(losses, key=losses.get)
    assert report.kept_step == best < report.steps, "the loss must rise in the end for this to test anything"
    kept = adapter_of(report.out / "checkpoints" / f"checkpoint-{best}")
    assert all(torch.equal(value.bfloat16(), adapter_of(report.out)[name]) for name, value in kept.items())
    card = (report.out / "README.md").read_text(encoding="utf-8")
    assert f"| {best} | {losses[best]:.4f} | kept |" in card and card.count("| kept |") == 1


def test_the_card_names_base_data_licences_settings_and_dev_results(tmp_path, base):
    settings = tiny_settings(
        tmp_path, base, base_licence="Gemma Terms of Use", data_licence=("XQuAD: CC BY-SA 4.0", "Debian: free")
    )
    report = train_generator(settings)

    card = (report.out / "README.md").read_text(encoding="utf-8")
    for text in ("tiny-gemma", "Gemma Terms of Use", "XQuAD: CC BY-SA 4.0", "Debian: free", "pairs.jsonl", "French"):
        assert text in card
    assert f"| 3 | {report.dev_losses[-1][1]:.4f} |" in card
    assert "| rank | 4 |" in card
    facts = json.loads((report.out / "xqg_generator.json").read_text(encoding="utf-8"))
    assert facts["prompt"] == "trained" and facts["styles"] == ["question"]
    assert facts["base"]["name"] == "tiny-gemma" and facts["languages"] == ["de", "en", "fr"]
    assert facts["max_passage_tokens"] == 320
    assert facts["base"]["spec"] == str(base)
    assert str(tmp_path) not in card and str(base) not in card


def test_full_training_of_an_encoder_decoder(tmp_path):
    mt5 = save_mt5(tmp_path / "tiny-mt5")
    report = train_generator(tiny_settings(tmp_path, mt5, method="full"))

    trained = AutoModelForSeq2SeqLM.from_pretrained(report.out)
    tokenizer = AutoTokenizer.from_pretrained(report.out)
    assert trained.generate(**tokenizer("Generate a French question", return_tensors="pt"), max_new_tokens=4).shape[0]
    facts = json.loads((report.out / "xqg_generator.json").read_text(encoding="utf-8"))
    assert (facts["prompt"], facts["method"]) == ("seq2seq", "full")
    before = AutoModelForSeq2SeqLM.from_pretrained(mt5).get_input_embeddings().weight
    assert not torch.equal(before, trained.get_input_embeddings().weight)


def test_an_adapter_for_an_encoder_decoder(tmp_path):
    report = train_generator(tiny_settings(tmp_path, save_mt5(tmp_path / "tiny-mt5")))

    merge_adapter(AutoModelForSeq2SeqLM.from_pretrained(tmp_path / "tiny-mt5"), report.out)


def test_full_training_of_a_causal_model(tmp_path, base):
    report = train_generator(tiny_settings(tmp_path, base, method="full"))

    trained, before = (AutoModelForCausalLM.from_pretrained(folder).state_dict() for folder in (report.out, base))
    changed = {name for name in before if not torch.equal(before[name], trained[name])}
    assert "model.layers.0.mlp.up_proj.weight" in changed


def test_rejects_are_reported(tmp_path, base):
    settings = tiny_settings(tmp_path, base)
    write_lines(tmp_path / "pairs.jsonl", [{"text": "t", "language": "fr", "query": ""}, *pair_lines()])

    (reject,) = train_generator(settings).rejects

    assert (reject.line, reject.reason) == (1, "the query is empty")


def test_what_cannot_be_trained_is_refused_before_a_model_loads(tmp_path, base, monkeypatch):
    settings = tiny_settings(tmp_path, base)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "file").write_text("x", encoding="utf-8")

    with pytest.raises(SettingsError, match="not empty"):
        train_generator(settings.model_copy(update={"out": tmp_path / "full"}))
    with pytest.raises(SettingsError, match="no checkpoint"):
        train_generator(settings.model_copy(update={"resume": True}))
    with pytest.raises(ModelError):
        train_generator(settings.model_copy(update={"base": f"hf:{tmp_path}/absent"}))
    write_lines(tmp_path / "pairs.jsonl", pair_lines(passages=2))
    with pytest.raises(InputError, match="at least 50"):
        train_generator(settings)
    monkeypatch.setattr("xqg.extras.find_spec", lambda name: None)
    with pytest.raises(MissingDependencyError, match=r"pip install .xqg\[train\]"):
        train_generator(settings)


def test_an_adapter_of_another_base_is_refused(tmp_path, base):
    report = train_generator(tiny_settings(tmp_path, base))
    other = AutoModelForSeq2SeqLM.from_pretrained(save_mt5(tmp_path / "tiny-mt5"))

    with pytest.raises(ModelError, match="does not fit"):
        merge_adapter(other, report.out)
    (report.out / "adapter_config.json").unlink()
    with pytest.raises(ModelError, match="cannot be read"):
        merge_adapter(other, report.out)
