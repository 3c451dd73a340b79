"""How long and in what way the fuzzing tests look for what breaks a reader or a parser.

``XQG_FUZZ_EXAMPLES=5000 pytest tests -k fuzz`` looks longer, and elsewhere each time.
"""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

EXAMPLES = int(os.environ.get("XQG_FUZZ_EXAMPLES", "0"))

fuzzed = settings(
    max_examples=EXAMPLES or 40,
    derandomize=not EXAMPLES,
    database=None,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
"""A decorator for tests with ``given``: few examples, the same ones in every run, unless more are asked for."""

NASTY = ["\x00", "\x1b[1m", '"', "'", "\\", "\\\"", ",", ";", "\t", "|", "\r", "\n", "\r\n", "\u2028", "\x85", "\ufeff",
         "\u200b", "\ud800", "\udcff", "e\u0301", "😀", "中", "#", "```", "---", "+++", "[", "{", "]", "}", ":", "NaN",
         "1e999", " ", "=", "<b>", "[/x]"]  # fmt: skip

texts = st.lists(st.one_of(st.sampled_from(NASTY), st.text(max_size=4)), max_size=12).map("".join)
"""Strings with much that means something to some format, halves of characters included."""

numbers = st.one_of(st.integers(-(2**70), 2**70), st.floats())

values = st.recursive(
    st.one_of(st.none(), st.booleans(), numbers, texts),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(texts, inner, max_size=4)),
    max_leaves=8,
)
"""What JSON as Python writes it can hold."""

records = st.one_of(
    values,
    st.fixed_dictionaries(
        {"id": values, "text": st.one_of(texts, values)},
        optional={"title": values, "language": values, "lang": values, "metadata": values, "x": values},
    ),
)
"""What may stand where a record should: some of them are one."""
