"""Pairs are read from three kinds of files; what cannot be used is named with its place."""

import gzip
import json

import pytest

from tests.training.samples import pair_lines, write_lines
from xqg.errors import InputError
from xqg.training.pairs import read_pairs, require_enough
from xqg.training.training_settings import DataSource


def read(path, **options):
    return read_pairs([DataSource(path=path, **options)])


def squad(articles):
    return {
        "data": [
            {
                "title": title,
                "paragraphs": [
                    {"context": context, "qas": [{"id": id_, "question": question} for id_, question in questions]}
                ],
            }
            for title, context, questions in articles
        ]
    }


def test_jsonl_pairs_with_their_passage_on_the_line(tmp_path):
    data = read(write_lines(tmp_path / "pairs.jsonl", pair_lines(passages=2)))

    assert [len(group.queries) for group in data.groups] == [6, 6]
    assert data.groups[0].passages[0].title == "bridge"
    assert data.groups[0].queries[2].text == "Quand bridge ?"
    assert data.languages() == {"de": 4, "en": 4, "fr": 4}
    assert data.pairs == 12


def test_jsonl_pairs_that_name_passages_of_another_file(tmp_path):
    passages = write_lines(tmp_path / "passages.jsonl", [{"id": "a", "title": "T", "text": "Some text"}])
    pairs = write_lines(
        tmp_path / "pairs.jsonl",
        [{"passage_id": "a", "language": "fr", "query": "Quoi ?"}, {"passage_id": "b", "language": "fr", "query": "Q"}],
    )

    data = read(pairs, passages=passages, style="search")

    assert [(group.id, group.style) for group in data.groups] == [("a", "search")]
    assert [(reject.file, reject.line, reject.reason) for reject in data.rejects] == [
        (str(pairs), 2, "passage 'b' is missing")
    ]


def test_bad_pairs_are_rejected_with_file_and_line(tmp_path):
    good = {"text": "Some text", "title": "Title", "language": "fr", "query": "Quoi ?"}
    path = tmp_path / "pairs.jsonl"
    lines = [
        json.dumps(good),
        json.dumps(good | {"query": "  "}),
        json.dumps(good | {"language": "xx"}),
        json.dumps({"language": "fr", "query": "Quoi ?"}),
        "{broken",
        "[1]",
        json.dumps(good | {"query": "Some  text"}),
        json.dumps({"text": "Some text", "query": "Quoi ?"}),
        json.dumps(good | {"query": "title"}),
    ]
    path.write_text("\n".join(lines), encoding="utf-8")

    data = read(path)

    assert data.pairs == 1
    assert {reject.file for reject in data.rejects} == {str(path)}
    found = {reject.line: reject.reason for reject in data.rejects}
    assert sorted(found) == [2, 3, 4, 5, 6, 7, 8, 9]
    assert found[2] == "the query is empty"
    assert "xx" in found[3]
    assert "text" in found[4]
    assert found[5].startswith("not JSON")
    assert found[6] == "no JSON object"
    assert "copy" in found[7] and "copy" in found[9]
    assert found[8] == "the query has no language"


def test_squad_files_of_several_languages_are_joined_by_question_id(tmp_path):
    english = squad([("The_Bridge", "An old bridge", [("1", "How old?")]), ("Mill", "A mill", [("2", "What?")])])
    greek = squad([("Γέφυρα", "Μια γέφυρα", [("1", "Πόσο παλιά;")]), ("Μύλος", "Ένας μύλος", [("2", "Τι;")])])
    (tmp_path / "set.el.json").write_text(json.dumps(greek), encoding="utf-8")
    with gzip.open(tmp_path / "set.en.json.gz", "wt", encoding="utf-8") as file:
        json.dump(english, file)

    data = read(tmp_path, articles="0-0")

    (group,) = data.groups
    assert [(passage.language, passage.title) for passage in group.passages] == [("en", "The Bridge"), ("el", "Γέφυρα")]
    assert {(query.language, query.text) for query in group.queries} == {("en", "How old?"), ("el", "Πόσο παλιά;")}
    assert read(tmp_path, home="el").groups[0].passages[0].language == "el"


def test_squad_rejects_name_the_line_of_the_question(tmp_path):
    path = tmp_path / "set.en.json"
    content = squad([("T", "text", [("q1", "Why?"), ("q2", "")])])
    path.write_text(json.dumps(content, indent=1), encoding="utf-8")
    line = 1 + path.read_text(encoding="utf-8").split('"q2"')[0].count("\n")

    (reject,) = read(path).rejects

    assert (reject.line, reject.reason) == (line, "the query is empty")


def test_files_named_after_two_languages(tmp_path):
    path = tmp_path / "dev-context-en-question-es.json"
    path.write_text(json.dumps(squad([("T", "text", [("1", "¿Qué?")])])), encoding="utf-8")

    (group,) = read(path).groups

    assert (group.passages[0].language, group.queries[0].language) == ("en", "es")


def test_beir_folders(tmp_path):
    write_lines(tmp_path / "corpus.jsonl", [{"_id": "d1", "title": "T", "text": "text"}])
    write_lines(
        tmp_path / "queries.jsonl",
        [{"_id": "q1", "text": "Quoi ?", "metadata": {"language": "fr"}}, {"_id": "q2", "text": "What?"}],
    )
    (tmp_path / "qrels").mkdir()
    rows = "query-id\tcorpus-id\tscore\nq1\td1\t1\nq2\td1\t1\nq3\td1\t1\nq1\td9\t0\n"
    (tmp_path / "qrels" / "train.tsv").write_text(rows, encoding="utf-8")

    data = read(tmp_path, language="en")

    assert {(query.language, query.text) for query in data.groups[0].queries} == {("fr", "Quoi ?"), ("en", "What?")}
    assert [(reject.line, reject.reason) for reject in data.rejects] == [(4, "query 'q3' is missing")]


def test_files_that_hold_no_pairs_are_errors(tmp_path):
    (tmp_path / "set.json").write_text('{"data": 3}', encoding="utf-8")
    (tmp_path / "empty").mkdir()

    for path, found in ((tmp_path / "set.json", "SQuAD"), (tmp_path / "empty", "JSON"), (tmp_path / "none", "exist")):
        with pytest.raises(InputError, match=found):
            read(path)


def test_too_little_data_is_refused_with_the_number_needed(tmp_path):
    data = read(write_lines(tmp_path / "pairs.jsonl", pair_lines(passages=8)))

    with pytest.raises(InputError, match=r"48 usable pairs.*at least 50"):
        require_enough(data)
