from __future__ import annotations

from dataclasses import replace

from xqg.ingest.planning import Target, by_passage, flatten, plan
from xqg.records import GeneratedQuery, LedgerEntry, Passage, content_hash, record_hash

TARGET = Target(fingerprint="f", generation="g", languages=("fr", "ja"), own_language=False)
PASSAGE = Passage("a", "Reset the valve.", title="Valve", document_id="a", document_hash="h")


def entry(passage: Passage, **changes: object) -> LedgerEntry:
    stored = LedgerEntry(record_hash(passage), content_hash(passage), "g", "f", {"fr": ("q1",), "ja": ()})
    return replace(stored, **changes)  # type: ignore[arg-type]


def test_an_unknown_passage_needs_everything() -> None:
    (work,) = plan([PASSAGE], {}, TARGET)
    assert (dict(work.kept), work.missing) == ({}, ("fr", "ja"))


def test_an_unchanged_passage_needs_nothing_even_where_a_language_gave_no_query() -> None:
    assert plan([PASSAGE], {"a": entry(PASSAGE)}, TARGET) == []


def test_changed_text_is_generated_again() -> None:
    changed = replace(PASSAGE, text="Replace the valve.")
    (work,) = plan([changed], {"a": entry(PASSAGE)}, TARGET)
    assert (dict(work.kept), work.missing) == ({}, ("fr", "ja"))


def test_changed_metadata_is_stored_again_but_not_generated_again() -> None:
    changed = replace(PASSAGE, metadata={"section": "new"})
    (work,) = plan([changed], {"a": entry(PASSAGE)}, TARGET)
    assert (dict(work.kept), work.missing) == ({"fr": ("q1",), "ja": ()}, ())


def test_another_alpha_or_encoder_keeps_the_queries() -> None:
    (work,) = plan([PASSAGE], {"a": entry(PASSAGE, fingerprint="old")}, TARGET)
    assert (dict(work.kept), work.missing) == ({"fr": ("q1",), "ja": ()}, ())


def test_another_generator_makes_new_queries() -> None:
    (work,) = plan([PASSAGE], {"a": entry(PASSAGE, generation="old")}, TARGET)
    assert work.missing == ("fr", "ja")


def test_a_new_language_costs_only_itself() -> None:
    target = replace(TARGET, languages=("fr", "de", "ja"), fingerprint="f2")
    (work,) = plan([PASSAGE], {"a": entry(PASSAGE)}, target)
    assert work.missing == ("de",)
    assert work.queries({"de": ("q2",)}) == {"fr": ("q1",), "ja": (), "de": ("q2",)}


def test_queries_in_a_language_no_longer_asked_for_are_kept() -> None:
    target = replace(TARGET, languages=("ja",), fingerprint="f2")
    (work,) = plan([PASSAGE], {"a": entry(PASSAGE)}, target)
    assert (dict(work.kept), work.missing) == ({"fr": ("q1",), "ja": ()}, ())


def test_stored_queries_of_any_generation_can_be_taken_as_they_are() -> None:
    (work,) = plan(
        [PASSAGE], {"a": entry(PASSAGE, generation="old", fingerprint="f0")}, replace(TARGET, generation=None)
    )
    assert (dict(work.kept), work.missing, work.generation) == ({"fr": ("q1",), "ja": ()}, (), "old")


def test_the_own_language_is_left_out_unless_asked() -> None:
    french = replace(PASSAGE, language="fr")
    assert TARGET.languages_for(french) == ("ja",)
    asking = replace(TARGET, own_language=True)
    assert asking.languages_for(french) == ("fr", "ja")
    assert asking.languages_for(PASSAGE) == ("fr", "ja", "en")


def test_queries_are_grouped_and_flattened_in_order() -> None:
    queries = [GeneratedQuery("a", "fr", "1"), GeneratedQuery("b", "fr", "2"), GeneratedQuery("a", "fr", "3")]
    grouped = by_passage(queries)
    assert grouped == {"a": {"fr": ("1", "3")}, "b": {"fr": ("2",)}}
    assert list(flatten(PASSAGE, grouped["a"], ("ja", "fr"))) == [queries[0], queries[2]]
    assert list(flatten(PASSAGE, grouped["a"], ("ja",))) == []
