"""Data sets in their published formats become passages and queries of our own."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from tests.evaluation.datasets.samples import XOR_TYDI, lines, squad, write, write_lines
from xqg.cli import main
from xqg.errors import InputError, SettingsError
from xqg.evaluation.datasets.dataset import ReadingOptions
from xqg.evaluation.datasets.formats import read_dataset
from xqg.evaluation.datasets.pools import write_pool
from xqg.evaluation.queries import read_queries
from xqg.languages import LanguageDetector
from xqg.readers.corpus import Corpus
from xqg.settings import ReaderSettings

XQUAD = Path(__file__).parents[4] / "shared" / "data" / "xquad"


def test_a_pool_of_one_language_is_asked_in_all(xquad: Path, tmp_path: Path) -> None:
    report = write_pool(read_dataset(xquad), "en", tmp_path / "out")
    assert lines(tmp_path / "out/passages.jsonl") == [
        {"id": "1", "title": "T 0", "text": "A mill", "language": "en"},
        {"id": "2", "title": "T 1", "text": "A bridge", "language": "en"},
    ]
    assert lines(tmp_path / "out/queries.jsonl") == [
        {"id": "1-de", "language": "de", "query": "Wie alt?", "passage_id": "1", "answers": ["mill"]},
        {"id": "2-de", "language": "de", "query": "Wie lang?", "passage_id": "2", "answers": ["bridge"]},
        {"id": "1-en", "language": "en", "query": "How old?", "passage_id": "1", "answers": ["mill"]},
        {"id": "2-en", "language": "en", "query": "How long?", "passage_id": "2", "answers": ["bridge"]},
    ]
    assert (report.passages, report.queries, report.left_out) == ({"en": 2}, {"de": 2, "en": 2}, 0)


def test_in_the_mixed_pool_each_passage_exists_once_in_a_language_drawn_by_lot(tmp_path: Path) -> None:
    for code in ("en", "de", "fr"):
        paragraphs = [(f"{code} {number}", {f"q{number}": (f"{code}?", code)}) for number in range(60)]
        write(tmp_path / f"data/set.{code}.json", squad(*paragraphs))
    written = {}
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        write_pool(read_dataset(tmp_path / "data"), "mixed", tmp_path / name, seed)
        written[name] = (tmp_path / name / "passages.jsonl").read_text(encoding="utf-8")
    assert written["a"] == written["b"] != written["c"]
    passages = lines(tmp_path / "a/passages.jsonl")
    assert len({passage["id"] for passage in passages}) == len(passages) == 60
    counts = Counter(passage["language"] for passage in passages)
    assert all(10 < counts[code] < 30 for code in ("en", "de", "fr"))
    languages = {passage["id"]: passage["language"] for passage in passages}
    queries = lines(tmp_path / "a/queries.jsonl")
    assert Counter(query["language"] for query in queries) == {"en": 60, "de": 60, "fr": 60}
    assert all(query["answers"] == [languages[query["passage_id"]]] for query in queries)


def test_a_passages_language_does_not_depend_on_the_other_passages(xquad: Path, tmp_path: Path) -> None:
    write_pool(read_dataset(xquad), "mixed", tmp_path / "all")
    write_pool(read_dataset(xquad, options=ReadingOptions(articles=(1, 1))), "mixed", tmp_path / "one")
    assert lines(tmp_path / "one/passages.jsonl") == lines(tmp_path / "all/passages.jsonl")[1:]


def test_the_pool_of_all_holds_every_version(xquad: Path, tmp_path: Path) -> None:
    write_pool(read_dataset(xquad), "all", tmp_path / "out")
    assert [passage["id"] for passage in lines(tmp_path / "out/passages.jsonl")] == ["1-de", "1-en", "2-de", "2-en"]
    first = lines(tmp_path / "out/queries.jsonl")[0]
    assert (first["passage_id"], first["answers"]) == (["1-de", "1-en"], ["Mühle", "mill"])


def test_gold_paragraphs_of_xor_tydi_name_the_language_beside_the_question(tmp_path: Path) -> None:
    write(tmp_path / "gp_squad_dev_data.json", squad(("A mill", {"1": ("何歳？", "mill")}), lang="ja"))
    options = ReadingOptions(language="en")
    write_pool(read_dataset(tmp_path / "gp_squad_dev_data.json", options=options), "en", tmp_path / "out")
    (query,) = lines(tmp_path / "out/queries.jsonl")
    assert (query["language"], query["passage_id"]) == ("ja", "1")


def test_xor_tydi_with_the_wikipedia_beside_it(tmp_path: Path) -> None:
    folder = tmp_path / "xor"
    write_lines(folder / "xor_dev_retrieve_eng_span_v1_1.jsonl", *XOR_TYDI)
    rows = ["id\ttext\ttitle", '1\t"The ""tower"" of 1889"\tEiffel', "2\tA mill\tMill"]
    (folder / "psgs_w100.tsv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    write_pool(read_dataset(folder), "en", tmp_path / "out")
    assert lines(tmp_path / "out/passages.jsonl") == [
        {"id": "1", "title": "Eiffel", "text": 'The "tower" of 1889', "language": "en"},
        {"id": "2", "title": "Mill", "text": "A mill", "language": "en"},
    ]
    assert lines(tmp_path / "out/queries.jsonl")[0] == {
        "id": "7",
        "language": "ja",
        "query": "何歳？",
        "answers": ["1889", "in 1889"],
    }


def test_xor_tydi_alone_gives_queries_only(tmp_path: Path) -> None:
    write_lines(tmp_path / "xor/dev.jsonl", *XOR_TYDI)
    report = write_pool(read_dataset(tmp_path / "xor/dev.jsonl"), "en", tmp_path / "out")
    assert (report.passages, report.queries) == ({}, {"ja": 1, "fi": 1})
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["queries.jsonl"]


def test_beir_folders(beir: Path, tmp_path: Path) -> None:
    options = ReadingOptions(language="en", split="test")
    write_pool(read_dataset(beir, options=options), "mixed", tmp_path / "mixed")
    assert [line["language"] for line in lines(tmp_path / "mixed/passages.jsonl")] == ["en", "fr"]
    assert [line.get("passage_id") for line in lines(tmp_path / "mixed/queries.jsonl")] == [["a", "b"], "b"]
    report = write_pool(read_dataset(beir, options=options), "en", tmp_path / "en")
    assert (report.passages, report.queries, report.left_out) == ({"en": 1}, {"fr": 1}, 1)
    train = write_pool(read_dataset(beir, options=ReadingOptions(language="en", split="train")), "en", tmp_path / "t")
    assert train.queries == {"en": 1}
    everything = write_pool(
        read_dataset(beir, options=ReadingOptions(language="en", split="all")), "en", tmp_path / "e"
    )
    assert everything.queries == {"fr": 1, "en": 1}


def test_a_language_that_nobody_tells_is_an_error(beir: Path, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"queries.jsonl, line 2.*--language"):
        read_dataset(beir, options=ReadingOptions(split="test"))
    write(tmp_path / "data.json", squad(("A mill", {"1": ("Old?", "mill")})))
    with pytest.raises(SettingsError, match="--language"):
        read_dataset(tmp_path / "data.json")


def test_what_is_written_is_read_by_ingest_and_evaluate(xquad: Path, tmp_path: Path) -> None:
    write_pool(read_dataset(xquad), "en", tmp_path / "out")
    source = str(tmp_path / "out/passages.jsonl")
    passages = list(Corpus([source], ReaderSettings(), len, LanguageDetector()))
    assert [(passage.id, passage.language) for passage in passages] == [("1", "en"), ("2", "en")]
    assert [query.id for query in read_queries(tmp_path / "out/queries.jsonl").queries] == [
        "1-de",
        "2-de",
        "1-en",
        "2-en",
    ]


def test_a_pool_without_questions_leaves_nothing_behind(xquad: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="pool 'fr'"):
        write_pool(read_dataset(xquad), "fr", tmp_path / "out")
    assert list((tmp_path / "out").iterdir()) == []


def test_a_damaged_corpus_leaves_nothing_behind(beir: Path, tmp_path: Path) -> None:
    with (beir / "corpus.jsonl").open("a", encoding="utf-8") as file:
        file.write("{broken\n")
    with pytest.raises(InputError, match=r"corpus.jsonl, line 3: not JSON"):
        write_pool(read_dataset(beir, options=ReadingOptions(language="en", split="test")), "mixed", tmp_path / "out")
    assert list((tmp_path / "out").iterdir()) == []


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.json", "{}", "no SQuAD-format file"),
        ("a.en.json", json.dumps(squad(("x", {"1": ("", "x")}))), "line 1: the question is empty"),
        ("a.jsonl", '{"question": "Q", "lang": "ja", "answers": "x"}', "line 1: answers is no list"),
        ("a.jsonl", '{"lang": "ja", "answers": []}', "line 1: question is missing"),
    ],
)
def test_what_is_no_data_set_is_an_error_with_its_place(tmp_path: Path, name: str, content: str, message: str) -> None:
    (tmp_path / name).write_text(content, encoding="utf-8")
    with pytest.raises(InputError, match=message):
        read_dataset(tmp_path / name, options=ReadingOptions(language="en"))


def xqg(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["--quiet", *arguments], catch_exceptions=False)


class TestCommand:
    def test_it_tells_what_was_written(self, xquad: Path, tmp_path: Path) -> None:
        arguments = ("dataset", str(xquad), "--pool", "en", "--out", str(tmp_path / "out"))
        result = xqg(*arguments)
        assert result.exit_code == 0, result.output
        assert "passages.jsonl: 2 (en 2)" in result.output
        assert "queries.jsonl: 4 (de 2, en 2); 0 left out" in result.output
        value = json.loads(xqg(*arguments, "--articles", "0", "--json").stdout)
        assert (value["pool"], value["passages"], value["queries"]) == ("en", {"en": 1}, {"de": 1, "en": 1})

    @pytest.mark.parametrize(
        ("arguments", "code", "message"),
        [
            (("--pool", "xx"), 2, "Unknown language 'xx'"),
            (("--pool", "en", "--articles", "3-1"), 2, "no range"),
            (("--pool", "en", "--language", "xx"), 2, "Unknown language 'xx'"),
            (("--pool", "en", "--format", "xor-tydi"), 1, "JSON lines"),
            (("--pool", "en", "--format", "beir"), 1, "no whole BEIR folder"),
            (("--pool", "en", "--format", "beir", "--articles", "1"), 2, "--articles"),
            (("--pool", "en", "--split", "dev"), 2, "no splits"),
        ],
    )
    def test_mistakes_are_one_line(
        self, xquad: Path, tmp_path: Path, arguments: tuple[str, ...], code: int, message: str
    ) -> None:
        result = xqg("dataset", str(xquad), "--out", str(tmp_path / "out"), *arguments)
        assert (result.exit_code, result.output.count("\n")) == (code, 1), result.output
        assert message in result.output

    def test_a_folder_that_cannot_be_made(self, xquad: Path, tmp_path: Path) -> None:
        (tmp_path / "file").touch()
        result = xqg("dataset", str(xquad), "--pool", "en", "--out", str(tmp_path / "file" / "out"))
        assert (result.exit_code, "cannot be used" in result.output) == (2, True)

    def test_a_missing_path(self, tmp_path: Path) -> None:
        result = xqg("dataset", str(tmp_path / "nowhere"), "--pool", "en", "--out", str(tmp_path / "out"))
        assert (result.exit_code, "does not exist" in result.output) == (1, True)


@pytest.mark.skipif(not XQUAD.is_dir(), reason="XQuAD is not beside the project")
def test_the_real_xquad(tmp_path: Path) -> None:
    report = write_pool(read_dataset(XQUAD, options=ReadingOptions(articles=(0, 1))), "mixed", tmp_path / "out")
    assert sum(report.passages.values()) == 10
    assert len(set(report.queries.values())) == 1
    assert len(report.queries) == 12
    assert report.left_out == 0
