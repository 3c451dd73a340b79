"""The Python interface, as someone with a list of dicts meets it."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.fakes import FakeEncoder, FakeGenerator
from xqg import (
    EncoderSettings,
    GeneratorSettings,
    IngestSettings,
    Passage,
    SearchSettings,
    StoreSettings,
    XqgError,
    open_augmenter,
    open_ingestion,
    open_searcher,
)
from xqg.errors import FingerprintError, SettingsError, StoreError
from xqg.stores.edge import EdgeStore

PAGES = [
    {"id": "wifi", "text": "Press the button until the wifi lamp blinks.", "section": "Network"},
    {"id": "refund", "text": "The refund is on your account within ten days.", "title": "Refunds"},
]


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    monkeypatch.chdir(tmp_path)
    return {"store": "edge:data", "collection": "help", "encoder": FakeEncoder(), "rule": "plain"}


def test_a_list_of_dicts_is_ingested_searched_and_explained_with_the_bundled_encoder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with open_ingestion(store="edge:data", collection="help") as job:
        report = job.ingest(PAGES)
    with open_searcher(store="edge:data", collection="help") as searcher:
        hits = searcher.search("Quand serai-je remboursé ?", limit=2)
        pieces = [found.piece.text for found in searcher.explain("Quand serai-je remboursé ?", hits) if found]
        filtered = searcher.search("Comment faire ?", filters={"section": "Network"})
    assert (report.read, report.upserted, report.rejected) == (2, 2, 0)
    assert [hit.passage.id for hit in hits] == ["refund", "wifi"]
    assert hits[0].passage.title == "Refunds"
    assert pieces[0] in ("Refunds", PAGES[1]["text"])
    assert [hit.passage.id for hit in filtered] == ["wifi"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data"]


class TestPassages:
    def test_any_iterable_of_records_and_dicts_and_a_second_time_nothing_is_done(self, place: dict[str, Any]) -> None:
        def stream() -> Iterator[Passage | dict[str, Any]]:
            yield Passage("a", "battery valve")
            yield {"id": 2, "text": "invoice", "metadata": {"year": 2024}}

        with open_ingestion(**place) as job:
            assert job.ingest(stream()).upserted == 2
            assert (again := job.ingest(stream())).skipped == again.read == 2
        with open_searcher(store="edge:data", collection="help", encoder=FakeEncoder()) as searcher:
            (hit, *_) = searcher.search("invoice")
        assert (hit.passage.id, dict(hit.passage.metadata), hit.score) == ("2", {"year": 2024}, 1.0)

    def test_the_language_is_detected_where_none_is_named(self, place: dict[str, Any]) -> None:
        french = "Appuyez sur le bouton jusqu'à ce que la lampe clignote, puis choisissez votre réseau."
        with open_ingestion(**place) as job:
            job.ingest([Passage("a", french), Passage("b", french, language="de"), {"id": "c", "text": french}])
        with open_searcher(store="edge:data", collection="help", encoder=FakeEncoder()) as searcher:
            found = [searcher.look_up(key) for key in "abc"]
        assert [point.passage.language for point in found if point] == ["fr", "de", "fr"]

    def test_what_cannot_be_taken_is_in_the_rejects_with_its_number(self, place: dict[str, Any]) -> None:
        bad: list[Any] = [
            {"id": "a"},
            "text",
            {"id": "b", "text": 7},
            {"id": "c", "text": "wifi"},
            {"id": "c", "text": "valve"},
            Passage("d#2", "wifi", document_id="d", chunk=2, chunks=2),
        ]
        with open_ingestion(**place) as job:
            report = job.ingest(bad, Path("bad.jsonl"))
        lines = [json.loads(line) for line in Path("bad.jsonl").read_text("utf-8").splitlines()]
        assert (report.read, report.upserted, report.rejected) == (1, 1, 5)
        assert [(line["file"], line["line"]) for line in lines] == [("passages", n) for n in (1, 2, 3, 5, 6)]
        assert "text is missing" in lines[0]["reason"]
        assert "a chunk of 'd'" in lines[4]["reason"]

    @pytest.mark.parametrize("one", ["corpus.jsonl", {"id": "a", "text": "b"}, Passage("a", "b"), 7])
    def test_one_passage_or_a_name_is_no_list(self, place: dict[str, Any], one: Any) -> None:
        with open_ingestion(**place) as job, pytest.raises(SettingsError, match=r"iterable of xqg\.Passage"):
            job.ingest(one)

    def test_long_ones_are_split(self, place: dict[str, Any]) -> None:
        text = " ".join(f"The valve number {number} is here." for number in range(20))
        with open_ingestion(**place, chunk_tokens=30, chunk_overlap=0) as job:
            assert job.ingest([Passage("a", text)]).upserted == 4


class TestParts:
    def test_parts_of_ones_own(self, tmp_path: Path) -> None:
        generator, encoder = FakeGenerator(), FakeEncoder()
        store = EdgeStore(tmp_path, "mine")
        with open_ingestion(
            store=store, encoder=encoder, generator=generator, languages=["fr", "ja"], rule="mean"
        ) as job:
            report = job.ingest([Passage("a", "battery valve", language="en")])
        assert report.generated == 4
        with open_searcher(store=EdgeStore(tmp_path, "mine"), encoder=encoder) as searcher:
            found = searcher.look_up(searcher.search("battery")[0].passage.id)
        assert found is not None and found.entry.texts.queries["fr"]

    def test_beside_settings(self, tmp_path: Path) -> None:
        settings = IngestSettings(
            store=StoreSettings(spec=f"edge:{tmp_path}", collection="a"), fusion={"rule": "plain"}
        )
        with open_ingestion(settings, encoder=FakeEncoder()) as job:
            job.ingest(PAGES)
        with open_searcher(SearchSettings(store=settings.store), encoder=FakeEncoder()) as searcher:
            assert searcher.search("wifi")[0].passage.id == "wifi"
        with pytest.raises(SettingsError, match=r"reader\.chunk_tokens"):
            open_ingestion(settings, chunk_tokens=20)

    def test_an_encoder_of_ones_own_has_to_be_handed_in_again(self, place: dict[str, Any]) -> None:
        with open_ingestion(**place) as job:
            job.ingest(PAGES)
        with pytest.raises(SettingsError, match="encoder=… from Python"):
            open_searcher(store="edge:data", collection="help")
        with pytest.raises(FingerprintError, match="another encoder"):
            open_searcher(store="edge:data", collection="help", encoder="bundled")

    def test_what_lacks_members_is_no_part(self, place: dict[str, Any]) -> None:
        with pytest.raises(SettingsError, match=r"PosixPath has no .*upsert.*xqg\.VectorStore"):
            open_ingestion(store=Path("data"), collection="help")  # type: ignore[arg-type]

    def test_a_generator_without_languages(self, place: dict[str, Any]) -> None:
        with pytest.raises(SettingsError, match="no target languages"):
            open_ingestion(**place | {"rule": "mean"}, generator=FakeGenerator())


class TestClosing:
    @pytest.fixture
    def filled(self, place: dict[str, Any]) -> dict[str, Any]:
        with open_ingestion(**place) as job:
            job.ingest(PAGES)
        return place

    def test_an_error_inside_lets_go_of_the_folder(self, filled: dict[str, Any]) -> None:
        with pytest.raises(ZeroDivisionError), open_ingestion(**filled) as job:
            job.ingest(PAGES)
            raise ZeroDivisionError
        with (
            pytest.raises(ZeroDivisionError),
            open_searcher(store="edge:data", collection="help", encoder=FakeEncoder()),
        ):
            raise ZeroDivisionError
        open_searcher(store="edge:data", collection="help", encoder=FakeEncoder()).close()

    def test_an_error_after_opening_lets_go_of_the_folder(self, filled: dict[str, Any]) -> None:
        held: list[BaseException] = []
        for encoder in ("bundled", "hf:./nowhere", None):
            with pytest.raises(XqgError) as caught:
                open_searcher(store="edge:data", collection="help", encoder=encoder)
            held.append(caught.value)  # with its frames, so that nothing is closed by going out of reach
        with open_ingestion(**filled | {"encoder": FakeEncoder(revision="2")}) as job, pytest.raises(StoreError):
            job.ingest(PAGES)
        store = EdgeStore(Path("data"), "help")
        assert store.describe() is not None
        store.close()


class TestSettings:
    @pytest.mark.parametrize(
        "wrong",
        [
            lambda: StoreSettings(spec="nowhere", collection="a"),
            lambda: GeneratorSettings(languages=["xx-unknown"]),
            lambda: EncoderSettings(bacth_size=3),
            lambda: IngestSettings(store={"collection": "a"}, fusion={"alpha": 3}),
            lambda: open_ingestion(collection="a", alpha="high"),
            lambda: open_ingestion(),
            lambda: open_searcher(collection=""),
            lambda: open_augmenter(rule="sum"),
            lambda: open_augmenter(beta=0.3),
        ],
    )
    def test_wrong_ones_are_one_kind_of_error(self, wrong: Any) -> None:
        with pytest.raises(SettingsError):
            wrong()

    def test_the_place_is_told(self) -> None:
        with pytest.raises(SettingsError, match=r"fusion\.alpha: .*less than or equal to 1"):
            IngestSettings(store={"collection": "a"}, fusion={"alpha": 3})

    def test_a_misspelt_keyword_is_told_with_its_neighbours(self) -> None:
        with pytest.raises(SettingsError, match=r"no option 'chunk_token'; expected 'chunk_tokens'"):
            open_ingestion(collection="a", chunk_token=3)
        with pytest.raises(SettingsError, match="chunk_tokens changes nothing in a search"):
            open_searcher(collection="a", chunk_tokens=30)

    def test_groups_of_settings_as_keywords(self, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
        caplog.set_level(logging.WARNING)
        store = StoreSettings(spec=f"edge:{tmp_path}", collection="a")
        with open_ingestion(store=store, encoder=FakeEncoder(), fusion={"rule": "plain"}, batch_size=1) as job:
            assert job.ingest(PAGES).upserted == 2

    def test_the_key_of_a_server_comes_from_the_environment(self, monkeypatch: pytest.MonkeyPatch) -> None:
        from xqg.config import ingest_settings

        monkeypatch.setenv("QDRANT_API_KEY", "a-secret")
        made = ingest_settings(None, {"store": "http://localhost:6333", "collection": "a"})
        assert made.store.api_key is not None
        assert made.store.api_key.get_secret_value() == "a-secret"
        assert "a-secret" not in repr(made)
