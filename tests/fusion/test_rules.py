"""Every formula against numbers computed by hand, in three dimensions of which the third is the language subspace."""

from __future__ import annotations

import numpy as np
import pytest

from xqg.errors import EncodingError, SettingsError
from xqg.fusion.pieces import Piece, PieceKind
from xqg.fusion.profile import EncoderProfile
from xqg.fusion.rules import Fusion, PieceVectors, fuse, limit_views, piece_vectors, select_pieces
from xqg.records import FusionRule

PROFILE = EncoderProfile(
    ("en", "fr"),
    basis=np.array([[0, 0, 1]], dtype=np.float32),
    direction=np.array([0, 0, 1], dtype=np.float32),
    share=0.6,
    scale=1.0,
)
ROOT = np.sqrt(0.5)


def pieces(*rows: tuple[int, bool, bool, list[list[float]]]) -> PieceVectors:
    """Pieces as (owner, whole, viewed, versions)."""
    vectors = [version for *_, versions in rows for version in versions]
    numbers = [number for number, row in enumerate(rows) for _ in row[3]]
    return PieceVectors(
        np.array(vectors, dtype=np.float32).reshape(-1, 3),
        np.array(numbers, dtype=np.int64),
        np.zeros(len(vectors), dtype=np.bool_),
        np.array([row[0] for row in rows], dtype=np.int64),
        np.array([row[1] for row in rows], dtype=np.bool_),
        np.array([row[2] for row in rows], dtype=np.bool_),
    )


def passages(*rows: list[float]) -> np.ndarray:
    return np.array(rows, dtype=np.float32)


def test_plain_leaves_passages_as_they_are() -> None:
    found = fuse(passages([3, 4, 0]), pieces((0, True, True, [[1, 0, 0]])), Fusion(FusionRule.PLAIN))
    assert found.vectors.tolist() == [[3, 4, 0]]


def test_sum_is_the_papers_and_is_not_renormalised() -> None:
    queries = pieces((0, True, False, [[1, 0, 0]]), (0, True, False, [[0, 2, 0]]))
    found = fuse(passages([4, 0, 0], [0, 0, 5]), queries, Fusion(FusionRule.SUM, 0.25))
    # 0.75 · (4, 0, 0) + 0.25 · ((1, 0, 0) + (0, 2, 0)); the second passage has no queries and keeps its vector
    assert found.vectors.tolist() == [[3.25, 0.5, 0], [0, 0, 5]]
    assert found.owners.tolist() == [0, 1]


def test_mean_does_not_depend_on_the_number_of_queries() -> None:
    one = pieces((0, True, False, [[2, 2, 0]]))
    three = pieces(*[(0, True, False, [[2, 2, 0]])] * 3)
    fusion = Fusion(FusionRule.MEAN, 0.5)
    expected = [[3, 1, 0]]  # 0.5 · (4, 0, 0) + 0.5 · (2, 2, 0)
    assert fuse(passages([4, 0, 0]), one, fusion).vectors.tolist() == expected
    assert fuse(passages([4, 0, 0]), three, fusion).vectors.tolist() == expected


def test_neutral_removes_the_subspace_and_gives_a_constant_part_back() -> None:
    whole = pieces((0, True, False, [[0, 3, 9]]))
    found = fuse(passages([5, 0, 7]), whole, Fusion(FusionRule.NEUTRAL, 0.5, profile=PROFILE))
    # p̂ = (1, 0, 0), ŵ = (0, 1, 0): base = (√½, √½, 0); then 0.8 · base + 0.6 · m
    np.testing.assert_allclose(found.vectors, [[0.8 * ROOT, 0.8 * ROOT, 0.6]], atol=1e-7)


def test_views_give_every_viewed_piece_a_row_and_only_whole_pieces_enter_the_first() -> None:
    parts = pieces((1, False, True, [[0, 1, 5]]), (0, True, False, [[0, 2, 0]]))
    fusion = Fusion(FusionRule.VIEWS, 0.5, 0.5, PROFILE)
    found = fuse(passages([1, 0, 3], [2, 0, 0]), parts, fusion)
    # first passage: base (√½, √½, 0), no view; second: base (1, 0, 0) and unit(½(1, 0, 0) + ½(0, 1, 0))
    assert found.owners.tolist() == [0, 1, 1]
    expected = np.array([[ROOT, ROOT, 0], [1, 0, 0], [ROOT, ROOT, 0]]) * 0.8 + [0, 0, 0.6]
    np.testing.assert_allclose(found.vectors, expected, atol=1e-7)
    first, second = found.by_passage(2)
    assert (first.shape, second.shape) == ((1, 3), (2, 3))


def test_versions_of_a_piece_share_its_row() -> None:
    parts = pieces((0, False, True, [[1, 0, 4], [0, 6, 0]]))
    found = fuse(passages([0, 1, 0]), parts, Fusion(FusionRule.VIEWS, 0.5, 1.0, PROFILE))
    # both versions count the same: unit((1, 0, 0) + (0, 1, 0))
    np.testing.assert_allclose(found.vectors[1], [0.8 * ROOT, 0.8 * ROOT, 0.6], atol=1e-7)


def piece(kind: PieceKind, whole: bool = False) -> Piece:
    return Piece(kind, "", "en", whole, viewed=kind is not PieceKind.TRANSLATION)


def test_a_translation_shares_the_row_of_the_piece_nearest_to_it() -> None:
    """Passage (1, 0), its sentence (0, 1) with translations at 4:3 of both axes; α = 0, β = 1."""
    sentence, translation = piece(PieceKind.SENTENCE), piece(PieceKind.TRANSLATION)
    vectors = passages([1, 0, 0], [0, 1, 0], [3, 4, 9], [3, 4, -9])
    parts = piece_vectors([[sentence, sentence, translation, translation]], vectors, PROFILE)
    assert (parts.pieces.tolist(), parts.translated.tolist()) == ([0, 1, 1, 1], [False, False, True, True])
    assert parts.owners.tolist() == [0, 0]
    found = fuse(passages([1, 0, 0]), parts, Fusion(FusionRule.VIEWS, 0.0, 1.0, PROFILE))
    both = np.array([0.65 * 0.6, 0.35 + 0.65 * 0.8])
    expected = [[0.8, 0, 0.6], [0.8, 0, 0.6], [*(0.8 * both / np.linalg.norm(both)), 0.6]]
    np.testing.assert_allclose(found.vectors, expected, atol=1e-7)


def test_translations_find_their_pieces_within_their_passage() -> None:
    title, translation = piece(PieceKind.TITLE, whole=True), piece(PieceKind.TRANSLATION)
    vectors = passages([1, 0, 0], [0, 1, 0], [1, 0, 0], [np.nan, 0, 0])
    parts = piece_vectors([[title, translation], [title, translation]], vectors, PROFILE)
    assert (parts.pieces.tolist(), parts.owners.tolist()) == ([0, 0, 1, 1], [0, 1])
    sound = select_pieces(parts, np.array([True, True, True, False]))
    found = fuse(passages([1, 0, 0], [1, 0, 0]), sound, Fusion(FusionRule.NEUTRAL, 1.0, profile=PROFILE))
    np.testing.assert_allclose(found.vectors, [[0.8 * ROOT, 0.8 * ROOT, 0.6], [0.8, 0, 0.6]], atol=1e-7)


@pytest.mark.parametrize(
    ("rows", "numbers", "owners"),
    [("whole", [0, 1, 2, 2, 3, 4, 5, 5], [0, 0, 0, 0, 1, 1]), ("language", list(range(8)), [0, 0, 0, 0, 0, 1, 1, 1])],
)
def test_translations_get_rows_of_their_own(rows, numbers, owners) -> None:
    """Of each passage a sentence and translations: two French and a German one, then two German ones."""
    sentence = piece(PieceKind.SENTENCE)
    french, german = (Piece(PieceKind.TRANSLATION, "", code, False, viewed=False) for code in ("fr", "de"))
    found = [[sentence, sentence, french, french, german], [sentence, german, german]]
    vectors = passages(*([[1, 0, 0]] * 2), [0, 1, 0], [1, 0, 0], *([[0, 1, 0]] * 4))
    parts = piece_vectors(found, vectors, PROFILE, rows)
    assert (parts.pieces.tolist(), parts.owners.tolist()) == (numbers, owners)
    assert parts.viewed.all() and not parts.translated.any() and not parts.whole.any()
    stored = fuse(passages([1, 0, 0], [1, 0, 0]), parts, Fusion(FusionRule.VIEWS, 0.0, 1.0, PROFILE)).by_passage(2)
    both = [0.8 * ROOT, 0.8 * ROOT, 0.6]
    third = [both] if rows == "whole" else [[0, 0.8, 0.6], [0.8, 0, 0.6]]
    np.testing.assert_allclose(stored[0], [*[[0.8, 0, 0.6]] * 3, *third, [0, 0.8, 0.6]], atol=1e-7)


def test_the_constant_part_changes_no_order_and_adds_the_same_to_every_score() -> None:
    random = np.random.default_rng(0)
    own, query = random.normal(size=(6, 3)).astype(np.float32), random.normal(size=3)
    bare = EncoderProfile(("en", "fr"), PROFILE.basis, PROFILE.direction, 0.0, 1.0)
    nothing = pieces()
    anchored = fuse(own, nothing, Fusion(FusionRule.NEUTRAL, 0.3, profile=PROFILE)).vectors @ query
    free = fuse(own, nothing, Fusion(FusionRule.NEUTRAL, 0.3, profile=bare)).vectors @ query
    np.testing.assert_allclose(anchored, 0.8 * free + 0.6 * query[2], atol=1e-6)


def test_rows_have_the_length_of_the_encoders_passages() -> None:
    long = EncoderProfile(("en", "fr"), PROFILE.basis, PROFILE.direction, 0.6, 12.5)
    found = fuse(passages([0, 2, 1]), pieces(), Fusion(FusionRule.NEUTRAL, 0.3, profile=long))
    np.testing.assert_allclose(np.linalg.norm(found.vectors, axis=1), 12.5, rtol=1e-6)


def test_a_passage_that_lies_in_the_subspace_keeps_a_finite_row() -> None:
    found = fuse(passages([0, 0, 2]), pieces(), Fusion(FusionRule.VIEWS, 0.3, 0.3, PROFILE))
    np.testing.assert_allclose(found.vectors, [[0, 0, 0.6]], atol=1e-7)


@pytest.mark.parametrize("rule", list(FusionRule))
def test_what_is_not_finite_is_refused(rule: FusionRule) -> None:
    fusion = Fusion(rule, 0.3, 0.3, PROFILE)
    with pytest.raises(EncodingError, match="1 of 2 passage vectors are not finite, the first at row 1"):
        fuse(passages([1, 0, 0], [np.nan, 0, 0]), pieces(), fusion)
    with pytest.raises(EncodingError, match="piece vectors are not finite"):
        fuse(passages([1, 0, 0]), pieces((0, True, True, [[np.inf, 0, 0]])), fusion)


@pytest.mark.parametrize("rule", [FusionRule.NEUTRAL, FusionRule.VIEWS])
def test_rules_without_the_language_need_a_profile(rule: FusionRule) -> None:
    with pytest.raises(SettingsError, match="the encoder's profile"):
        fuse(passages([1, 0, 0]), pieces(), Fusion(rule, 0.3))


def test_pieces_that_lost_all_their_versions_are_left_out() -> None:
    parts = pieces(
        (0, True, False, [[1, 0, 0]]), (1, False, True, [[2, 0, 0], [3, 0, 0]]), (1, True, True, [[4, 0, 0]])
    )
    kept = select_pieces(parts, np.array([False, False, True, True]))
    assert kept.vectors[:, 0].tolist() == [3, 4]
    assert (kept.pieces.tolist(), kept.owners.tolist()) == ([0, 1], [1, 1])
    assert (kept.whole.tolist(), kept.viewed.tolist()) == ([False, True], [True, True])


def test_too_many_sentences_are_merged_with_their_neighbours() -> None:
    sentences = [(1, False, True, [[float(number), 0, 0]]) for number in range(5)]
    limited = limit_views(pieces((0, False, True, [[9, 0, 0]]), (1, True, True, [[7, 0, 0]]), *sentences), 3)
    # the title keeps its row, so five sentences share two
    assert limited.owners.tolist() == [0, 1, 1, 1]
    assert limited.whole.tolist() == [False, True, False, False]
    assert limited.viewed.all()
    assert limited.pieces.tolist() == [0, 1, 2, 2, 2, 3, 3]


def test_a_title_gives_its_row_up_where_there_is_one_only() -> None:
    limited = limit_views(pieces((0, True, True, [[7, 0, 0]]), *[(0, False, True, [[1, 0, 0]])] * 3), 1)
    assert limited.viewed.tolist() == [False, True]
    assert limited.whole.tolist() == [True, False]
    assert limited.pieces.tolist() == [0, 1, 1, 1]


def test_pieces_within_the_limit_stay_as_they_are() -> None:
    parts = pieces((0, True, True, [[7, 0, 0]]), (0, False, True, [[1, 0, 0]]), (2, False, True, [[2, 0, 0]]))
    limited = limit_views(parts, 2)
    for name in ("vectors", "pieces", "owners", "whole", "viewed"):
        np.testing.assert_array_equal(getattr(limited, name), getattr(parts, name))
