"""From the command line: translated, stored, explained, re-fused without translating."""

import json
from contextlib import closing

import pytest
from click.testing import CliRunner

from xqg import models
from xqg.assembly import build_store
from xqg.cli import main
from xqg.errors import SettingsError
from xqg.generators.translation.firefox import FirefoxTranslator
from xqg.settings import GeneratorSettings, StoreSettings, validated

PLACE = ("--store", "edge:data", "--collection", "help")
CORPUS = [
    {"id": "luggage", "title": "Luggage", "text": "Each guest may leave two bags. They are kept until the evening."},
    {"id": "pool", "title": "Swimming pool", "text": "The pool is open until nine. Children swim with their parents."},
]


@pytest.fixture
def run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(models, "cache_folder", lambda: tmp_path / "cache")
    (tmp_path / "corpus.jsonl").write_text("".join(json.dumps(record) + "\n" for record in CORPUS))

    def invoke(*arguments, code=0):
        result = CliRunner().invoke(main, arguments)
        assert result.exit_code == code, result.output
        return result.stdout

    return invoke


def test_a_collection_is_translated_explained_and_fused_anew(run, monkeypatch):
    ingest = ("ingest", "corpus.jsonl", *PLACE, "--json")
    translating = ("--generator", "translate", "--languages", "pt")
    report = json.loads(run(*ingest, *translating))
    assert (report["upserted"], report["translations"]["made"], report["queries"]["made"]) == (2, 6, 0)
    assert json.loads(run(*ingest, *translating))["skipped"] == 2

    shown = json.loads(run("show", "luggage", *PLACE, "--json"))
    assert shown["queries"] == {"pt": []}
    assert [len(texts) for texts in shown["translations"].values()] == [3]
    assert json.loads(run("show", *PLACE, "--json"))["translations"] == {"pt": 6}
    found = run("search", shown["translations"]["pt"][1], *PLACE, "--explain")
    assert f"closest translation in pt (1.000): {shown['translations']['pt'][1]}" in found

    def refuse(*_):
        raise AssertionError("translated again")

    monkeypatch.setattr(FirefoxTranslator, "translate", refuse)
    report = json.loads(run(*ingest, *translating, "--views", "0", "--collection", "other"))
    assert (report["upserted"], report["translations"]["made"]) == (2, 6)  # from the memory
    report = json.loads(run(*ingest, *translating, "--beta", "0.2", "--update"))
    assert (report["upserted"], report["translations"]["made"], report["queries"]["reused"]) == (2, 0, 6)

    exported = run("show", *PLACE, "--queries")
    lines = [json.loads(line) for line in exported.splitlines()]
    assert [line["text"] for line in lines if line["passage_id"] == "luggage"] == shown["translations"]["pt"]


def test_translations_get_rows_of_their_own_where_asked(run):
    counts = {}
    translating = ("--generator", "translate", "--languages", "pt")
    for rows in ("merged", "whole", "language"):
        run("ingest", "corpus.jsonl", *PLACE[:3], rows, *translating, "--rows", rows)
        with closing(build_store(StoreSettings(spec="edge:data", collection=rows))) as store:
            counts[rows] = [len(point.rows) for point in store.points(with_vectors=True)]
    assert counts == {"merged": [4, 4], "whole": [5, 5], "language": [7, 7]}  # the first, title, two sentences, theirs
    run("ingest", "corpus.jsonl", *PLACE[:3], "whole", *translating, code=1)  # these would be merged


@pytest.mark.parametrize(
    "spec",
    ["translate", "translate:firefox", "translate:hf:a/b", "translate:ct2:a/b", "translate:openai:m", "translate:libretranslate:http://h/",
     "translate+bundled", "translate:hf:a/b+openai:m", "translate+file:q.jsonl"],
)  # fmt: skip
def test_generators_that_translate(spec):
    assert validated(GeneratorSettings, {"spec": spec, "languages": ("pt",)}).spec == spec


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("translate:deepl", "'deepl' is not known; choose firefox, hf:MODEL"),
        ("translate+deepl", "'deepl' is not known; choose bundled"),
        ("translator", "'translator' is not known"),
        ("translate", "no target languages"),
    ],
)
def test_wrong_ones_name_the_choices(spec, message):
    languages = () if message.startswith("no target") else ("pt",)
    with pytest.raises(SettingsError, match=message):
        validated(GeneratorSettings, {"spec": spec, "languages": languages})
