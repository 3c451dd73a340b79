"""Measures of one query: recall, MRR and nDCG of a ranked list of ids, and R@kt of the retrieved text.

No hits count 0. A measure that a query has no label for has no value.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from functools import cache, lru_cache
from typing import Any

TOKEN_CUTS = {"R@2kt": 2000, "R@5kt": 5000}
RECALL_CUTS = {"recall@1": 1, "recall@5": 5, "recall@10": 10, "recall@100": 100}
MRR, NDCG = "MRR@10", "nDCG@10"
CUT = 10
MEASURES = (*TOKEN_CUTS, *RECALL_CUTS, MRR, NDCG)
"""All of them; the first two need answers, the others need relevant passages."""

CLOSED_ANSWERS = ("yes", "no")
"""XOR-Retrieve leaves questions out that have no other answers: no span of text can be looked for."""


def recall(ranked: Sequence[str], relevant: Collection[str], k: int) -> float:
    """Share of ``relevant`` among the first ``k`` of ``ranked``, 0 to 1.

    :raises ValueError: if nothing is relevant, where recall has no value.
    """
    if not relevant:
        raise ValueError("recall needs at least one relevant id")
    return len(set(ranked[:k]) & set(relevant)) / len(set(relevant))


def reciprocal_rank(ranked: Sequence[str], relevant: Collection[str], k: int) -> float:
    """1 / rank of the first relevant id among the first ``k`` of ``ranked``; 0 if there is none (MRR@k is its mean)."""
    for rank, identifier in enumerate(ranked[:k], start=1):
        if identifier in relevant:
            return 1.0 / rank
    return 0.0


def ndcg(ranked: Sequence[str], gains: Mapping[str, int], k: int) -> float:
    """nDCG@k as in trec_eval: the sum of gain / log2(rank + 1) of the first ``k``, over that of the best order.

    :param gains: of the relevant ids, above 0; at least one.
    """
    found = _discounted([gains.get(identifier, 0) for identifier in ranked[:k]])
    return found / _discounted(sorted(gains.values(), reverse=True)[:k])


def _discounted(gains: Sequence[int]) -> float:
    return math.fsum(gain / math.log2(rank + 1) for rank, gain in enumerate(gains, start=1))


def rank_measures(ranked: Sequence[str], relevant: Mapping[str, int]) -> dict[str, float]:
    """All measures of a ranked list against the gains of at least one relevant id."""
    recalls = {name: recall(ranked, relevant, cut) for name, cut in RECALL_CUTS.items()}
    return {**recalls, MRR: reciprocal_rank(ranked, relevant, CUT), NDCG: ndcg(ranked, relevant, CUT)}


def spans(answers: Sequence[str]) -> list[str]:
    """The answers that can be looked for in a text: all but "yes" and "no"."""
    return [answer for answer in answers if answer not in CLOSED_ANSWERS]


def token_recall(texts: Iterable[str], answers: Sequence[str], tokens: int) -> float | None:
    """R@kt of XOR-Retrieve: 1 if an answer stands in the first ``tokens`` tokens of the texts, best first, else 0.

    The tokens are joined by spaces and the answer is looked for as it is, capitals and all, as the task's script does
    (``evals/eval_xor_retrieve.py``, Asai et al. 2021). So an answer with a comma, a token of its own, is not found.

    :returns: None where there are no answers but "yes" and "no".
    """
    wanted = spans(answers)
    if not wanted:
        return None
    kept: list[str] = []
    for text in texts:
        kept += word_tokens(text)
        if len(kept) >= tokens:
            break
    retrieved = " ".join(kept[:tokens])
    return float(any(answer in retrieved for answer in wanted))


@lru_cache(maxsize=10_000)  # good passages come back for many queries
def word_tokens(text: str) -> tuple[str, ...]:
    """The tokens in which XOR-Retrieve counts text: English words and punctuation, as the Penn Treebank splits.

    The task's script calls NLTK's ``word_tokenize``, whose model of sentences has to be downloaded; here sentencex
    splits sentences and NLTK their words. Where a script has no spaces a whole sentence is one token.
    """
    import sentencex

    sentences = sentencex.segment("en", text)
    return tuple(token for sentence in sentences for token in _tokenizer().tokenize(sentence))


@cache
def _tokenizer() -> Any:
    from nltk.tokenize.destructive import NLTKWordTokenizer

    return NLTKWordTokenizer()
