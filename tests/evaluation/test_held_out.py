from __future__ import annotations

import pytest

from tests.evaluation.samples import make_store
from tests.fakes import FakeGenerator
from xqg.errors import SettingsError, StoreError
from xqg.evaluation.held_out import choose_seed, generate_queries, sample_passages, stored_languages
from xqg.protocols import Collection
from xqg.records import Passage

TEXTS = {f"p{number}": f"battery {number}" for number in range(20)}


def collection(**settings: object) -> Collection:
    return Collection(8, "dot", 0, {"settings": settings})


def test_the_seed_is_one_that_neither_collection_was_made_with() -> None:
    plain, augmented = collection(generator=None), collection(generator={"seed": 4})
    assert choose_seed(None, [augmented, plain]) == 5
    assert choose_seed(None, [plain]) == 0
    assert choose_seed(0, [augmented, plain]) == 0
    with pytest.raises(SettingsError, match="seed 4"):
        choose_seed(4, [plain, augmented])


def test_the_languages_are_those_of_the_augmented_collection() -> None:
    plain, augmented = collection(languages=[]), collection(languages=["fr", "ja"])
    assert stored_languages([plain, augmented]) == ("fr", "ja")
    assert stored_languages([plain]) == ()


def test_the_sample_is_seeded_and_holds_only_what_both_have_alike() -> None:
    first = make_store(TEXTS)
    second = make_store({"p3": "battery 3", "p7": "battery 7", "p9": "battery 9", "p11": "changed", "new": "wifi"})
    assert [passage.id for passage in sample_passages(first, second, 10, 0)] == ["p3", "p7", "p9"]
    few = [sample_passages(first, make_store(TEXTS), 5, seed) for seed in (0, 0, 1)]
    assert few[0] == few[1] != few[2]
    assert len(few[0]) == 5


def test_collections_that_share_nothing_cannot_be_compared() -> None:
    with pytest.raises(StoreError, match="share no passage"):
        sample_passages(make_store(TEXTS), make_store({"x": "wifi"}), 5, 0)


def test_every_query_finds_its_own_passage_and_stored_ones_are_left_out() -> None:
    # the generator writes "LANGUAGE NUMBER first-word"; one of these is stored, in other letters, with another passage
    passages = [Passage("a", "wifi", language="en"), Passage("b", "valve", language="fr")]
    stored = make_store({"z": "wifi"}, {"z": {"fr": ("FR  0 Wifi",)}})
    seen: list[int] = []
    queries = generate_queries(passages, FakeGenerator(2), ["fr", "de"], False, [make_store({}), stored], seen.append)
    assert [(query.id, query.language, query.text, dict(query.relevant)) for query in queries] == [
        ("a:fr:1", "fr", "fr 1 wifi", {"a": 1}),
        ("a:de:1", "de", "de 0 wifi", {"a": 1}),
        ("a:de:2", "de", "de 1 wifi", {"a": 1}),
        ("b:de:1", "de", "de 0 valve", {"b": 1}),
        ("b:de:2", "de", "de 1 valve", {"b": 1}),
    ]
    assert seen == [2]


def test_own_language_is_asked_for_only_where_wanted() -> None:
    passages = [Passage("a", "wifi", language="fr")]
    queries = generate_queries(passages, FakeGenerator(1), ["fr"], True, [])
    assert [query.language for query in queries] == ["fr"]
    with pytest.raises(StoreError, match="None of 0"):
        generate_queries(passages, FakeGenerator(1), ["fr"], False, [])


def test_where_all_queries_are_stored_nothing_can_be_compared() -> None:
    stored = make_store({"z": "wifi"}, {"z": {"fr": ("fr 0 wifi",)}})
    with pytest.raises(StoreError, match="None of 1 generated queries is new"):
        generate_queries([Passage("a", "wifi")], FakeGenerator(1), ["fr"], False, [stored])
