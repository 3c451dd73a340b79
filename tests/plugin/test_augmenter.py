from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from tests.fakes import WORDS, FakeEncoder, FakeGenerator, fake_profile
from tests.plugin.fakes import FUSED, HALF, TEXTS, augmenter, counts
from xqg.encoders.profiles import probe_passages
from xqg.errors import EncodingError, GenerationError, SettingsError
from xqg.fusion.rules import Fusion
from xqg.plugin.augmenter import PROBE_QUESTIONS, Augmenter
from xqg.protocols import Generation
from xqg.records import FusionRule, Passage


def passages(made_by: Augmenter, texts: Sequence[str] = TEXTS) -> list[Passage]:
    return [made_by.passage(str(number), text) for number, text in enumerate(texts)]


def first_rows(rows: Sequence[Any]) -> Any:
    """The rows of passages that have one each."""
    assert {len(own) for own in rows} == {1}
    return np.concatenate(list(rows))


def embed(texts: Sequence[str]) -> list[list[float]]:
    return [counts(text) for text in texts]


class TestAugment:
    def test_fuses_half_of_the_mean_query(self) -> None:
        made = augmenter()
        np.testing.assert_allclose(first_rows(made.augment(passages(made), embed(TEXTS), counts)), FUSED)

    def test_asynchronously_the_same(self) -> None:
        made = augmenter()

        async def embed_one(text: str) -> list[float]:
            return counts(text)

        vectors = asyncio.run(made.augment_asynchronously(passages(made), embed(TEXTS), embed_one))
        np.testing.assert_allclose(first_rows(vectors), FUSED)

    def test_its_own_embedding_of_queries_comes_first(self) -> None:
        calls: list[list[str]] = []

        def all_at_once(texts: Sequence[str]) -> Any:
            calls.append(list(texts))
            return FakeEncoder().encode_queries(texts)

        made = augmenter(embed_queries=all_at_once, languages=["fr"])

        async def never(text: str) -> list[float]:
            raise AssertionError(text)

        np.testing.assert_allclose(first_rows(made.augment(passages(made), embed(TEXTS), lambda _: never)), FUSED)
        np.testing.assert_allclose(
            first_rows(asyncio.run(made.augment_asynchronously(passages(made), embed(TEXTS), never))), FUSED
        )
        asked = [f"fr {number} {text.split()[0]}" for text in TEXTS for number in (0, 1)]
        assert calls == [asked, asked]

    def test_no_queries_in_the_passages_own_language_unless_asked(self) -> None:
        generator = FakeGenerator()
        augmenter(generator, ["fr", "en"]).write_texts([Passage("a", "battery", language="en")])
        augmenter(generator, ["fr"], own_language=True).write_texts([Passage("a", "battery", language="en")])
        assert generator.asked == [("a", ("fr",)), ("a", ("fr", "en"))]

    def test_a_passage_given_twice_is_asked_for_once_and_fused_twice(self) -> None:
        generator = FakeGenerator()
        made = augmenter(generator)
        twice = [made.passage("a", TEXTS[0])] * 2
        np.testing.assert_allclose(first_rows(made.augment(twice, embed(TEXTS[:1] * 2), counts)), [FUSED[0]] * 2)
        assert len(generator.asked) == 1

    def test_a_blank_text_is_not_asked_for_and_keeps_its_vector(self) -> None:
        generator = FakeGenerator()
        made = augmenter(generator)
        given = passages(made, [" ", TEXTS[0]])
        np.testing.assert_allclose(
            made.augment(given, [counts("wifi"), counts(TEXTS[0])], counts)[0][0], counts("wifi")
        )
        assert [identifier for identifier, _ in generator.asked] == ["1"]

    def test_passages_without_queries_are_told_and_keep_their_vector(self, caplog: pytest.LogCaptureFixture) -> None:
        made = augmenter(FakeGenerator(silent=["fr"]), ["fr"])
        with caplog.at_level(logging.WARNING):
            np.testing.assert_allclose(first_rows(made.augment(passages(made), embed(TEXTS), counts)), embed(TEXTS))
        assert "nothing was written for 3 of 3 passages" in caplog.text

    def test_a_broken_query_vector_is_left_out(self) -> None:
        made = augmenter(languages=["fr"])
        asked: list[str] = []

        def first_is_broken(text: str) -> list[float]:
            asked.append(text)
            return counts(text) if len(asked) > 1 else [float("nan")] * 8

        np.testing.assert_allclose(first_rows(made.augment(passages(made), embed(TEXTS), first_is_broken)), FUSED)

    def test_a_failing_generator_fails_the_batch_and_the_next_one_works(self) -> None:
        class FailsOnce(FakeGenerator):
            def generate(self, requests: Sequence[tuple[Passage, Sequence[str]]]) -> Generation:
                if not self.asked:
                    self.asked.append(("failed", ()))
                    raise GenerationError("the endpoint is gone")
                return super().generate(requests)

        made = augmenter(FailsOnce())
        with pytest.raises(GenerationError):
            made.augment(passages(made), embed(TEXTS), counts)
        np.testing.assert_allclose(first_rows(made.augment(passages(made), embed(TEXTS), counts)), FUSED)

    @pytest.mark.parametrize(
        ("vectors", "message"),
        [
            ([[1.0, 2.0], [1.0], [3.0, 4.0]], "differ in length"),
            ([[1.0] * 8] * 2, r"passage vectors have shape \(2, 8\)"),
            ([[1.0, 2.0]] * 3, r"query vectors have shape \(12, 8\)"),
            ([[float("inf")] * 8] * 3, "passage vectors are not finite"),
        ],
    )
    def test_unusable_vectors_are_refused(self, vectors: list[list[float]], message: str) -> None:
        made = augmenter()
        with pytest.raises(EncodingError, match=message):
            made.augment(passages(made), vectors, counts)


class TestSettings:
    def test_languages_are_needed(self) -> None:
        with pytest.raises(SettingsError, match="no target languages"):
            augmenter(languages=())

    def test_a_rule_of_queries_needs_a_generator(self) -> None:
        with pytest.raises(SettingsError, match="adds generated queries only"):
            Augmenter(None, (), HALF)

    def test_another_models_profile_is_refused(self) -> None:
        made = Augmenter(None, (), Fusion(FusionRule.NEUTRAL, 0.2, profile=fake_profile()), passage_language="en")
        with pytest.raises(EncodingError, match="2 dimensions, the encoder's profile 8"):
            made.augment([made.passage("a", "battery")], [[1.0, 0.0]], lambda _: [1.0, 0.0])

    def test_identity_tells_other_weights_apart(self) -> None:
        assert augmenter().identity == augmenter().identity
        for other in (augmenter(languages=["fr"]), augmenter(FakeGenerator(count=3)), augmenter(own_language=True)):
            assert other.identity != augmenter().identity
        neutral = Fusion(FusionRule.NEUTRAL, HALF.alpha, profile=fake_profile())
        assert augmenter(fusion=neutral).identity != augmenter().identity

    def test_a_passages_language_is_given_set_or_detected(self) -> None:
        assert augmenter().passage("a", "Où est la pile ?").language == "en"
        detecting = augmenter(passage_language=None)
        assert detecting.passage("a", "Où est la pile de la télécommande ?").language == "fr"
        assert detecting.passage("a", "Where?", language="pt-BR").language == "pt"


VIEWS = Fusion(FusionRule.VIEWS, 0.5, 0.5, fake_profile())


class TestNeutral:
    def test_title_and_first_sentence_enter_the_row_without_a_generator(self) -> None:
        made = Augmenter(None, (), Fusion(FusionRule.NEUTRAL, 0.5, profile=fake_profile()), passage_language="en")
        given = [made.passage("a", "The valve is quite new. A refund is due.", "battery")]
        (row,) = first_rows(made.augment(given, [counts("battery valve refund language language")], counts))
        base = 0.5 * np.array([1, 0, 0, 1, 0, 1]) / np.sqrt(3) + 0.5 * np.array([1, 0, 0, 1, 0, 0]) / np.sqrt(2)
        np.testing.assert_allclose(row[:6], 0.8 * base / np.linalg.norm(base), atol=1e-6)
        assert row[WORDS.index("language")] == pytest.approx(0.6)

    def test_views_give_a_row_to_title_and_sentences(self) -> None:
        made = Augmenter(None, (), VIEWS, passage_language="en")
        given = [made.passage("a", "The valve is quite new. A refund is due.", "battery"), made.passage("b", "wifi")]
        rows = made.augment(given, embed(["battery valve refund", "wifi"]), counts)
        assert made.writes_rows
        assert [len(own) for own in rows] == [4, 2]

    def test_the_profile_is_measured_once_with_the_frameworks_own_model(self) -> None:
        made = Augmenter(None, (), Fusion(FusionRule.NEUTRAL, 0.3), passage_language="en")
        asked: list[int] = []

        def vector(text: str) -> list[float]:
            return [float(len(text)), 1.0, float(text.count("e"))]

        def embed_query(text: str) -> list[float]:
            asked.append(1)
            return vector(text)

        def embed_passages(texts: Sequence[str]) -> list[list[float]]:
            asked.append(len(texts))
            return [vector(text) for text in texts]

        given = [made.passage("a", "A battery that is full.")]
        for _ in range(2):
            made.augment(given, [[1.0, 2.0, 3.0]], embed_query, embed_passages)
        questions = 22 * PROBE_QUESTIONS
        assert asked == [questions + len(probe_passages()), *[1] * questions, 1, 1]

    def test_without_a_model_of_passages_there_is_no_profile(self) -> None:
        made = Augmenter(None, (), Fusion(FusionRule.NEUTRAL, 0.3), passage_language="en")
        with pytest.raises(SettingsError, match=r"\(like\)"):
            made.augment([made.passage("a", "battery")], embed(["battery"]), counts)
