"""Whatever other software stored, in payloads and metadata, is read as it is, or refused in one sentence."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tests.fuzzing import fuzzed, texts, values
from xqg.errors import XqgError
from xqg.known_layouts import LAYOUTS, choose_layout
from xqg.metadata import check_metadata, noted_encoder


@fuzzed
@given(values, st.dictionaries(st.sampled_from(["encoder", "settings", "profile", "state", "spec", "rule"]), values))
def test_fuzz_metadata_of_collections(value: object, made: dict[str, object]) -> None:
    for metadata in (made, {**made, "settings": {"encoder": {}, "rule": value}}, {"encoder": {"spec": value, **made}}):
        for read in (lambda: check_metadata(metadata, "c"), lambda: noted_encoder(metadata, {}, "c")):  # noqa: B023
            try:
                read()
            except XqgError as error:
                assert str(error).count("\n") == 0


KEYS = sorted({key for layout in LAYOUTS for key in (*layout.marks, layout.text_key, layout.metadata_key) if key})


@fuzzed
@given(st.dictionaries(st.one_of(st.sampled_from([*KEYS, "xqg", "title", "language"]), texts), values, max_size=6))
def test_fuzz_payloads_of_other_software(payload: dict[str, object]) -> None:
    for layout in LAYOUTS:
        passage = layout.passage("a", payload, lambda text: "en")
        assert isinstance(passage.text, str) and isinstance(passage.title, str)
        assert all(isinstance(text, str) for text in layout.embedded_texts(payload))
        assert isinstance(layout.without_own(payload), dict)
    try:
        choose_layout([payload])
    except XqgError as error:
        assert str(error).count("\n") == 0
