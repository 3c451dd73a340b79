from __future__ import annotations

import numpy as np
import pytest

from tests.fakes import FakeEncoder
from xqg.errors import InputError
from xqg.evaluation.sweep.material import VectorCache
from xqg.records import Passage


def test_a_text_is_encoded_once_over_all_sweeps(tmp_path):
    encoder = FakeEncoder()
    first = VectorCache(encoder, tmp_path).queries(["valve", "wifi", "valve"])
    assert encoder.encoded_queries == 2
    again = VectorCache(encoder, tmp_path).queries(["wifi", "valve"])
    assert encoder.encoded_queries == 2
    np.testing.assert_array_equal(again, first[[1, 0]])


def test_a_passage_and_a_query_of_the_same_words_are_kept_apart(tmp_path):
    encoder = FakeEncoder()
    cache = VectorCache(encoder, tmp_path)
    cache.queries(["valve"])
    cache.passages([Passage("1", "valve")])
    assert (encoder.encoded_queries, encoder.encoded_passages) == (1, 1)


def test_another_encoder_has_a_file_of_its_own(tmp_path):
    VectorCache(FakeEncoder(), tmp_path).queries(["valve"])
    other = FakeEncoder(revision="2")
    VectorCache(other, tmp_path).queries(["valve"])
    assert other.encoded_queries == 1


def test_nothing_to_encode_gives_no_rows(tmp_path):
    assert VectorCache(FakeEncoder(), tmp_path).queries([]).shape == (0, FakeEncoder.dimension)


def test_a_damaged_file_is_refused(tmp_path):
    cache = VectorCache(FakeEncoder(), tmp_path)
    cache.path.write_bytes(b"no vectors")
    with pytest.raises(InputError, match="holds no vectors"):
        VectorCache(FakeEncoder(), tmp_path)
