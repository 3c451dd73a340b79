"""Files of the same name in several folders, and queries that belong to nobody."""

import json
import logging

import pytest

from tests.fakes import FakeEncoder, FakeGenerator, FakeStore, fake_profile
from xqg.generators.file import FileGenerator
from xqg.ingest.job import IngestJob
from xqg.languages import LanguageDetector
from xqg.records import Reject
from xqg.settings import GeneratorSettings, IngestSettings, validated


def settings(**changes):
    values = {
        "store": {"spec": "edge:unused", "collection": "c"},
        "generator": {"spec": "hf:unused", "languages": ("fr", "ja"), "queries_per_language": 2},
        **changes,
    }
    return validated(IngestSettings, values)


class Place:
    """A store with what it takes to run jobs on it."""

    def __init__(self):
        self.store, self.encoder, self.generator = FakeStore(), FakeEncoder(), FakeGenerator()

    def run(self, source, rejects, options=None):
        chosen = settings() if options is None else options
        job = IngestJob(chosen, self.generator, self.encoder, self.store, LanguageDetector(), fake_profile)
        return job.run([source], rejects)


@pytest.fixture
def place():
    return Place()


def folder(path, **files):
    path.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (path / f"{name}.md").write_text(text)
    return str(path)


def rejects(path):
    return [Reject(**json.loads(line)) for line in path.read_text().splitlines()] if path.exists() else []


def test_a_file_does_not_replace_one_of_another_folder(tmp_path, place):
    long = " ".join(f"battery{number}" for number in range(1000))
    first = folder(tmp_path / "a/docs", x="valve one", long=long, only="wifi")
    second = folder(tmp_path / "b/docs", x="valve two", long="short now", other="refund")
    out = tmp_path / "rejects.jsonl"
    assert place.run(first, out).rejected == 0
    job = IngestJob(settings(), place.generator, place.encoder, place.store, LanguageDetector(), fake_profile)
    plan = job.estimate([second])
    assert (plan.read, plan.rejected, plan.to_store) == (1, 2, 1), "the plan knows what the run will reject"
    before = {key: point.passage.text for key, point in place.store.stored.items()}
    report = place.run(second, out)
    assert report.rejected == 2
    assert {key: point.passage.text for key, point in place.store.stored.items()} == {**before, "other.md": "refund"}
    assert [(item.file, item.record["id"]) for item in rejects(out)] == [
        ("b/docs/long.md", "long.md"),
        ("b/docs/x.md", "x.md"),
    ]
    assert "is that of a/docs/x.md, which is stored" in rejects(out)[1].reason
    assert place.run(first, out).upserted == 0
    assert place.run(second, out, settings(update=True)).rejected == 0
    assert place.store.stored["x.md"].passage.text == "valve two"


def test_a_file_replaces_itself_also_where_its_folder_was_moved(tmp_path, place):
    first = folder(tmp_path / "one/a/docs", x="valve one")
    place.run(first, tmp_path / "rejects.jsonl")
    moved = folder(tmp_path / "two/a/docs", x="valve two")
    assert place.run(moved, tmp_path / "rejects.jsonl").rejected == 0
    assert place.store.stored["x.md"].passage.text == "valve two"


def test_records_that_name_a_source_of_their_own_are_replaced_as_ever(tmp_path, place):
    source = tmp_path / "c.jsonl"
    for name in ("a.pdf", "b.pdf"):
        source.write_text(json.dumps({"id": "1", "text": f"valve {name}", "metadata": {"source": name}}))
        assert place.run(str(source), tmp_path / "rejects.jsonl").rejected == 0
    assert place.store.stored["1"].passage.text == "valve b.pdf"


def test_queries_that_belong_to_no_passage_are_told(tmp_path, place, caplog):
    source = folder(tmp_path / "docs", a="battery", b="valve")
    queries = tmp_path / "q.jsonl"
    lines = [
        {"passage_id": key, "language": language, "query": f"{language} {key} ?"}
        for key in ("a.md", "nobody", "b", 7)
        for language in ("fr", "en")
    ]
    queries.write_text("".join(json.dumps(line) + "\n" for line in lines))
    spec = {"spec": f"file:{queries}", "queries_per_language": 2}
    place.generator = FileGenerator(GeneratorSettings(**spec))
    with caplog.at_level(logging.WARNING):
        place.run(source, tmp_path / "rejects.jsonl", settings(generator=spec))
    expected = (
        f"6 of 8 queries in {queries} belong to no passage of this run: passage_id 'nobody', 'b', '7'; "
        "ids of passages are like 'a.md'"
    )
    assert [record.getMessage() for record in caplog.records if "belong" in record.getMessage()] == [expected]
    # that the passage is in English itself is no reason to leave out what somebody wrote
    assert place.store.stored["a.md"].entry.texts.queries == {"en": ("en a.md ?",), "fr": ("fr a.md ?",)}
    caplog.clear()
    with caplog.at_level(logging.WARNING):
        place.run(source, tmp_path / "rejects.jsonl", settings(generator=spec))  # nothing is asked for any more
    assert [record.getMessage() for record in caplog.records if "belong" in record.getMessage()] == [expected]
