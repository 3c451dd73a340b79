"""Pairs from a generator's own queries: what finds its passage, by the widest margin, and no near copies."""

import json
import math

import numpy as np
import pytest
from click.testing import CliRunner

from tests.fakes import FakeEncoder
from tests.models import make_gemma, make_tokenizer, save_model
from tests.training.samples import SUBJECTS, write_lines
from xqg.cli import main
from xqg.errors import EncodingError, InputError, SettingsError
from xqg.protocols import Generation
from xqg.records import GeneratedQuery, Passage, Reject
from xqg.training.measures import own_margins
from xqg.training.selection import WORSE_BY, PairSelector, Standards, likeness, no_words, write_pairs
from xqg.training.settings import DataSource
from xqg.training.sources import read_pairs

FIRST, SECOND = ("battery", "invoice", "password", "valve"), ("wifi", "refund", "language")
PASSAGES = [
    Passage(id=f"{first}-{second}", title=first, text=f"{first} {second}", language="en")
    for first in FIRST
    for second in SECOND
]


class Detector:
    """Takes what begins with "English" for English, and anything else for any language."""

    def is_language(self, text, language, rivals=()):
        assert rivals == ("en", "fr", "de"), "the passage's own and those of the run"
        return not text.startswith("English")


def french(passage):
    return ["fr"]


def standards(keep=4, unknown_words=no_words, **options):
    return Standards(keep, Detector(), ("fr", "de"), unknown_words, **options)


class Writer:
    """Writes the same few queries of each passage; ``asked`` are the ids it was asked for."""

    metered = False
    identity = {"kind": "writer"}  # noqa: RUF012

    def __init__(self):
        self.asked = []

    def languages(self):
        return ()

    def check(self):
        pass

    def generate(self, requests):
        found = []
        for passage, languages in requests:
            self.asked.append(passage.id)
            texts = [
                f"{passage.text} tell",  # the own one first
                f"{passage.text} tell!",  # a near copy of it
                f"why is the {passage.text} {passage.text} {passage.text}",  # the widest margin
                "password wifi wifi refund",  # another's
                "nothing at all",  # nobody's: a tie
            ]
            found += [GeneratedQuery(passage.id, language, text) for language in languages for text in texts]
        return Generation(tuple(found), {})


def select(keep=4):
    queries = Writer().generate([(PASSAGES[0], ["fr"]), (PASSAGES[5], ["fr", "de"])]).queries
    return PairSelector(PASSAGES, FakeEncoder(), standards(keep)).select(queries)


def test_margins_are_against_the_best_of_the_others():
    passages = np.array([[1, 0], [0, 1], [0.5, 0.5]], dtype=np.float32)
    queries = np.array([[1, 0], [1, 0], [0.2, 1]], dtype=np.float32)
    found = own_margins(queries, passages, np.array([0, 2, 1]))
    np.testing.assert_allclose(found, [0.5, -0.5, 0.4], atol=1e-6)


def test_the_widest_margin_first_and_no_near_copies():
    chosen = select()
    assert [(selected.query.passage_id, selected.query.language) for selected in chosen] == [
        (PASSAGES[0].id, "fr"), (PASSAGES[0].id, "fr"),
        (PASSAGES[5].id, "fr"), (PASSAGES[5].id, "fr"),
        (PASSAGES[5].id, "de"), (PASSAGES[5].id, "de"),
    ]  # fmt: skip
    assert chosen[0].query.text.startswith("why is the battery wifi")
    assert chosen[1].query.text == "battery wifi tell"


def test_what_is_rejected_is_worse_of_like_length_and_not_kept():
    chosen = select()[:2]
    assert [selected.rejected for selected in chosen] == ["", "password wifi wifi refund"]
    assert len(chosen[0].query.text) * 0.6 > len("password wifi wifi refund")
    query = GeneratedQuery(PASSAGES[0].id, "fr", "battery wifi tell")
    alone = PairSelector(PASSAGES, FakeEncoder(), standards()).select([query])
    assert [selected.rejected for selected in alone] == [""]


def test_words_that_nobody_writes_cost_a_query_its_place():
    def unknown(query, passage):
        assert passage.id == query.passage_id
        return 1000 if query.text.startswith("why") else 0

    queries = Writer().generate([(PASSAGES[0], ["fr"])]).queries
    first = PairSelector(PASSAGES, FakeEncoder(), standards(1, unknown)).select(queries)
    assert [selected.query.text for selected in first] == ["battery wifi tell"]
    last = PairSelector(PASSAGES, FakeEncoder(), standards(4, unknown)).select(queries)[-1]
    assert last.query.text.startswith("why"), "it still finds its passage, so it is kept, but last"
    assert last.rejected == "", "and nothing is worse"


def test_what_is_in_a_wrong_language_is_never_kept_and_the_first_to_be_rejected():
    texts = [
        "battery wifi tell",
        "English battery wifi",
        "who tells the battery of the wifi",
        "English battery wifi battery",
    ]
    chosen = PairSelector(PASSAGES, FakeEncoder(), standards()).select(
        [GeneratedQuery(PASSAGES[0].id, "fr", text) for text in texts]
    )
    assert [selected.query.text for selected in chosen] == ["battery wifi tell", "who tells the battery of the wifi"]
    assert {selected.rejected for selected in chosen} == {"English battery wifi", "English battery wifi battery"}


def test_only_what_is_in_a_wrong_language_can_be_what_is_rejected():
    def rejected(worse_by, *more):
        queries = [*Writer().generate([(PASSAGES[0], ["fr"])]).queries, *more]
        chosen = PairSelector(PASSAGES, FakeEncoder(), standards(worse_by=worse_by)).select(queries)
        return {selected.rejected for selected in chosen if selected.rejected}

    english = GeneratedQuery(PASSAGES[0].id, "fr", "English on wifi and battery")
    assert rejected(0.025) == {"password wifi wifi refund"}
    assert rejected(math.inf) == set()
    assert rejected(math.inf, english) == {english.text}


def test_the_command_asks_for_what_the_standards_do():
    options = {option.name: option.default for option in main.commands["train"].commands["pairs"].params}
    assert options["worse_by"] == WORSE_BY


def test_at_most_as_many_as_asked_for():
    assert [selected.query.text[:3] for selected in select(keep=1)] == ["why"] * 3


def test_likeness():
    assert likeness("How old is it?", "how  old is It?") == 1.0
    assert likeness("abcd", "wxyz") == 0.0
    assert likeness("", "") == 1.0
    assert 0.3 < likeness("When was the bridge built?", "When was the tower built?") < 0.7


def test_the_file_is_what_training_reads(tmp_path):
    out = tmp_path / "pairs.jsonl"
    report = write_pairs(
        [*PASSAGES, Reject("a.jsonl", 3, "bad", {})], Writer(), french, FakeEncoder(), standards(), out
    )
    assert (report.passages, report.rejected) == (12, 1)
    assert report.written == {"fr": 60} and report.kept == {"fr": 25}
    data = read_pairs([DataSource(path=out)])
    assert data.pairs == 25 and not data.rejects
    assert {group.passages[0].title for group in data.groups} == set(FIRST)
    assert any(query.rejected == "password wifi wifi refund" for group in data.groups for query in group.queries)


def test_an_interrupted_run_goes_on_behind_its_last_passage(tmp_path, monkeypatch):
    monkeypatch.setattr("xqg.training.selection._BATCH", 5)
    whole, out, writer = tmp_path / "whole.jsonl", tmp_path / "pairs.jsonl", Writer()
    write_pairs(PASSAGES, Writer(), french, FakeEncoder(), standards(), whole)
    first = write_pairs(PASSAGES, writer, french, FakeEncoder(), standards(), out, stopping=lambda: True)
    assert first.interrupted and first.passages == 5
    second = write_pairs(PASSAGES, writer, french, FakeEncoder(), standards(), out)
    assert not second.interrupted and second.passages == 12
    assert writer.asked == [passage.id for passage in PASSAGES]
    assert out.read_text(encoding="utf-8") == whole.read_text(encoding="utf-8")


def test_what_cannot_be_done_is_said(tmp_path):
    out = tmp_path / "pairs.jsonl"
    with pytest.raises(InputError, match="There are 2 passages"):
        write_pairs(PASSAGES[:2], Writer(), french, FakeEncoder(), standards(), out)
    write_lines(out, [{"title": "x", "text": "of others", "language": "fr", "query": "q"}])
    with pytest.raises(SettingsError, match="Name another --out"):
        write_pairs(PASSAGES, Writer(), french, FakeEncoder(), standards(), out)
    broken = FakeEncoder()
    broken.broken = {PASSAGES[0].content}
    with pytest.raises(EncodingError):
        write_pairs(PASSAGES, Writer(), french, broken, standards(), tmp_path / "other.jsonl")


def test_the_command(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    tokenizer = make_tokenizer()
    save_model(tmp_path / "tiny", make_gemma(len(tokenizer)), tokenizer)
    lines = [{"id": word, "text": f"The old {word} was built by the council.", "language": "en"} for word in SUBJECTS]
    write_lines(tmp_path / "corpus.jsonl", [*lines, {"id": "bad"}])
    command = "-q train pairs corpus.jsonl --generator hf:tiny --languages fr --queries-per-language 3 --out p.jsonl"
    result = CliRunner().invoke(main, [*command.split(), "--max-new-tokens", "6", "--json"])
    assert result.exit_code == 3, result.output
    found = json.loads(result.stdout)
    assert found["passages"] == 10 and found["rejected"] == 1 and found["interrupted"] is False
    assert (tmp_path / "xqg-rejects.jsonl").exists()
    assert len((tmp_path / "p.jsonl").read_text().splitlines()) == sum(found["kept"].values())

    none = CliRunner().invoke(main, ["-q", "train", "pairs", "corpus.jsonl", "--generator", "none", "--out", "p.jsonl"])
    assert none.exit_code == 2 and "Name another generator" in none.output
