"""Tokens as NLTK's word_tokenize, which XOR-Retrieve's script calls, splits them."""

from __future__ import annotations

import pytest

from xqg.evaluation.tokens import word_tokens


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("It cost $3.88 in New York.", "It cost $ 3.88 in New York ."),
        ("It ended. Then it began.", "It ended . Then it began ."),
        ("Dr. Smith met J. R. Brown.", "Dr. Smith met J. R. Brown ."),
        ("in 1,234 towns, villages: 3:15", "in 1,234 towns , villages : 3:15"),
        ("They don't, she's, we'll; cannot", "They do n't , she 's , we 'll ; can not"),
        ('He said "no" (twice)!', "He said `` no '' ( twice ) !"),
        ("1990–1995 -- and so on...", "1990 – 1995 -- and so on ..."),
        ("the students' well-known wi-fi", "the students ' well-known wi-fi"),
        ("3.5 files. - one", "3.5 files . - one"),
        ("a version no. later", "a version no. later"),
        ("日本語の文章です。", "日本語の文章です。"),
        ("", ""),
        (" \n\t ", ""),
    ],
)
def test_by_hand(text: str, tokens: str) -> None:
    assert word_tokens(text) == tokens.split()
