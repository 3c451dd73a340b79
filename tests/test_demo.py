"""What the demo shows of two evaluations."""

from __future__ import annotations

from pathlib import Path

import pytest

from xqg.demo import DemoResult, Example
from xqg.evaluation.evaluate import Evaluation, QueryResult
from xqg.evaluation.queries import LabelledQuery
from xqg.fusion.pieces import Piece, PieceKind
from xqg.ingest.ingest_report import IngestReport
from xqg.records import Hit, Passage
from xqg.search.searcher import Explanation


def evaluation(*values: tuple[str, float]) -> Evaluation:
    return Evaluation(
        tuple(
            QueryResult(
                LabelledQuery(str(number), language, "Quoi ?", {"p": 1}), (), {"recall@1": value, "MRR@10": value}
            )
            for number, (language, value) in enumerate(values)
        )
    )


@pytest.fixture
def result() -> DemoResult:
    plain = evaluation(("fr", 0.0), ("fr", 0.5), ("ja", 0.25), ("en", 1.0))
    augmented = evaluation(("fr", 1.0), ("fr", 0.5), ("ja", 0.25), ("en", 0.5))
    passage = Passage("p", "The text that was found.", "Title")
    hit, piece = Hit(1, 0.9, passage), Piece(PieceKind.TITLE, "Title", "en", whole=True, viewed=True)
    example = Example(plain.results[0].query, [hit], [Explanation(piece, 0.8)], None)
    return DemoResult(Path("data"), ("fr",), IngestReport(), plain, augmented, [example])


def test_the_json(result: DemoResult) -> None:
    value = result.to_json()
    assert value["plain"] == {
        "fr": {"questions": 2, "R@1": 0.25, "MRR@10": 0.25},
        "ja": {"questions": 1, "R@1": 0.25, "MRR@10": 0.25},
        "en": {"questions": 1, "R@1": 1.0, "MRR@10": 1.0},
    }


def test_the_passages_own_language_stands_below_the_average_of_the_others(
    result: DemoResult, capsys: pytest.CaptureFixture[str]
) -> None:
    result.print(as_json=False)
    rows = [line.split("│")[1:-1] for line in capsys.readouterr().out.splitlines() if line.startswith("│")]
    assert [[cell.strip() for cell in row] for row in rows] == [
        ["French *", "2", "0.250", "0.750", "0.250", "0.750", "+0.500"],
        ["Japanese", "1", "0.250", "0.250", "0.250", "0.250", "+0.000"],
        ["macro average", "3", "0.250", "0.500", "0.250", "0.500", "+0.250"],
        ["English", "1", "1.000", "0.500", "1.000", "0.500", "-0.500"],
    ]


def test_an_example_shows_the_piece_that_was_met_and_where_plain_vectors_have_the_page(
    result: DemoResult, capsys: pytest.CaptureFixture[str]
) -> None:
    result.print(as_json=False)
    shown = capsys.readouterr().out
    assert "closest title (0.800): Title" in shown
    assert "with plain vectors the first hit above is not among the first 10" in shown
