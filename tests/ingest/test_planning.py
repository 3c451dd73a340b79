from __future__ import annotations

from dataclasses import replace

from xqg.ingest.plan import Target, by_passage, plan
from xqg.metadata import NOT_KEPT
from xqg.protocols import Generation
from xqg.records import GeneratedQuery, LedgerEntry, Passage, Texts, Translation, content_hash, record_hash

KEPT = Texts({"fr": ("q1",), "ja": ()}, {"fr": ("s1",)})
TARGET = Target(fingerprint="f", generation="g", languages=("fr", "ja"), own_language=False)
PASSAGE = Passage("a", "Reset the valve.", title="Valve", language="en", document_id="a", document_hash="h")


def entry(passage: Passage, **changes: object) -> LedgerEntry:
    stored = LedgerEntry(record_hash(passage), content_hash(passage), "g", "f", KEPT)
    return replace(stored, **changes)  # type: ignore[arg-type]


def test_an_unknown_passage_needs_everything() -> None:
    (work,) = plan([PASSAGE], {}, TARGET)
    assert (work.kept, work.missing) == (Texts(), ("fr", "ja"))


def test_an_unchanged_passage_needs_nothing_even_where_a_language_gave_no_query() -> None:
    assert plan([PASSAGE], {"a": entry(PASSAGE)}, TARGET) == []


def test_changed_text_is_generated_again() -> None:
    changed = replace(PASSAGE, text="Replace the valve.")
    (work,) = plan([changed], {"a": entry(PASSAGE)}, TARGET)
    assert (work.kept, work.missing) == (Texts(), ("fr", "ja"))


def test_changed_metadata_is_stored_again_but_not_generated_again() -> None:
    changed = replace(PASSAGE, metadata={"section": "new"})
    (work,) = plan([changed], {"a": entry(PASSAGE)}, TARGET)
    assert (work.kept, work.missing) == (KEPT, ())


def test_another_alpha_or_encoder_keeps_the_queries() -> None:
    (work,) = plan([PASSAGE], {"a": entry(PASSAGE, fingerprint="old")}, TARGET)
    assert (work.kept, work.missing) == (KEPT, ())


def test_another_generator_makes_new_queries() -> None:
    (work,) = plan([PASSAGE], {"a": entry(PASSAGE, generation="old")}, TARGET)
    assert work.missing == ("fr", "ja")


def test_a_new_language_costs_only_itself() -> None:
    target = replace(TARGET, languages=("fr", "de", "ja"), fingerprint="f2")
    (work,) = plan([PASSAGE], {"a": entry(PASSAGE)}, target)
    assert work.missing == ("de",)
    made = Texts({"de": ("q2",), "fr": ("not asked for",)}, {"de": ("s2",)})
    assert work.with_new(made) == Texts({"fr": ("q1",), "ja": (), "de": ("q2",)}, {"fr": ("s1",), "de": ("s2",)})
    assert work.with_new(Texts()) == Texts({"fr": ("q1",), "ja": (), "de": ()}, {"fr": ("s1",)})


def test_queries_in_a_language_no_longer_asked_for_are_kept() -> None:
    target = replace(TARGET, languages=("ja",), fingerprint="f2")
    (work,) = plan([PASSAGE], {"a": entry(PASSAGE)}, target)
    assert (work.kept, work.missing) == (KEPT, ())


def test_stored_queries_of_any_generation_can_be_taken_as_they_are() -> None:
    (work,) = plan(
        [PASSAGE], {"a": entry(PASSAGE, generation="old", fingerprint="f0")}, replace(TARGET, generation=None)
    )
    assert (work.kept, work.missing, work.generation) == (KEPT, (), "old")


def test_the_own_language_is_left_out_unless_asked() -> None:
    french = replace(PASSAGE, language="fr")
    assert TARGET.languages_for(french) == ("ja",)
    asking = replace(TARGET, own_language=True)
    assert asking.languages_for(french) == ("fr", "ja")
    assert asking.languages_for(PASSAGE) == ("fr", "ja", "en")


def test_queries_and_translations_are_grouped_in_order() -> None:
    queries = (GeneratedQuery("a", "fr", "1"), GeneratedQuery("b", "fr", "2"), GeneratedQuery("a", "fr", "3"))
    translations = (Translation("a", "de", ("s1", "s2")), Translation("c", "de", ("s3",)))
    assert by_passage(Generation(queries, {}, translations)) == {
        "a": Texts({"fr": ("1", "3")}, {"de": ("s1", "s2")}),
        "b": Texts({"fr": ("2",)}),
        "c": Texts({}, {"de": ("s3",)}),
    }


def test_texts_that_were_not_kept_are_written_again_only_where_they_are_needed() -> None:
    stored = entry(PASSAGE, generation=f"g{NOT_KEPT}", texts=Texts({"fr": (), "ja": ()}))
    assert plan([PASSAGE], {"a": stored}, TARGET) == []
    for target in (replace(TARGET, fingerprint="f2"), replace(TARGET, languages=("fr", "ja", "de"))):
        (work,) = plan([PASSAGE], {"a": stored}, target)
        assert (work.kept, work.missing, work.generation) == (Texts(), target.languages, "g")


def test_a_new_revision_of_the_generator_is_taken_for_new_texts_only() -> None:
    target = replace(TARGET, generation="g@2")
    old = entry(PASSAGE, generation="g@1")
    assert plan([PASSAGE], {"a": old}, target) == []
    (again,) = plan([PASSAGE], {"a": old}, replace(target, fingerprint="f2"))
    assert (again.missing, again.generation) == ((), "g@1")
    (new,) = plan([replace(PASSAGE, text="Replace the valve.")], {"a": old}, target)
    assert (new.missing, new.generation) == (("fr", "ja"), "g@2")
