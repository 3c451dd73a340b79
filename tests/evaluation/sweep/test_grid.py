from __future__ import annotations

import csv
import json

import pytest

from tests.evaluation.sweep.samples import generated, material
from xqg.errors import SettingsError
from xqg.evaluation.measures import MRR
from xqg.evaluation.sweep.grid import PLAIN, Cell, Grid, draw_languages, make_cells, run_sweep
from xqg.evaluation.sweep.output import COLUMNS, table_rows, write_sweep
from xqg.records import FusionRule

GRID = Grid((FusionRule.SUM,), (0.1, 0.5), (1, None), (1, 2), ("queries",), draws=2, seed=0)


def test_every_combination_is_a_cell_and_all_languages_are_drawn_once():
    cells = list(make_cells(GRID, ["fr", "ja"]))
    assert len(cells) == 2 * 2 * 2 + 2 * 2  # two draws of one language, one of both
    assert {cell.languages for draw, cell in cells if draw == 1} <= {("fr",), ("ja",)}


def test_fewer_languages_are_a_part_of_more_and_the_draw_is_the_same_every_time():
    languages = ["fr", "ja", "de", "ar"]
    for draw in range(3):
        few, more = (draw_languages(languages, count, draw, 7) for count in (2, 3))
        assert set(few) < set(more)
        assert few == draw_languages(reversed(languages), 2, draw, 7)


def test_nothing_generated_is_one_more_number_of_languages():
    grid = Grid((FusionRule.VIEWS,), (None,), (None,), (0, 2), ("queries",), draws=3, seed=0)
    assert list(make_cells(grid, ["fr", "ja"])) == [
        (0, Cell(FusionRule.VIEWS, ())),
        (0, Cell(FusionRule.VIEWS, ("fr", "ja"))),
    ]


def test_more_languages_than_there_are_is_an_error():
    with pytest.raises(SettingsError, match="5 target languages"):
        list(make_cells(Grid((FusionRule.SUM,), (None,), (None,), (5,), ("queries",), 1, 0), ["fr", "ja"]))


def test_plain_comes_first_and_the_macro_average_leaves_the_own_language_out(tmp_path):
    rows = run_sweep(material(tmp_path), GRID)
    assert rows[0].cell is PLAIN
    assert rows[0].means[MRR] == {"macro": 1.0, "en": 1.0, "fr": 1.0, "ja": 1.0}
    assert all(row.p is not None for row in rows[1:])


def test_a_query_that_was_generated_for_the_wrong_passage_costs(tmp_path):
    found = material(tmp_path, generated(("b", "ja", "invoice"), ("b", "ja", "invoice invoice invoice")))
    plain, fused = run_sweep(found, Grid((FusionRule.SUM,), (0.5,), (None,), (), ("queries",), 1, 0))
    # passage b now has 0.5 · 1 + 0.5 · 4 invoices, i has 2 and no query
    assert (plain.means[MRR]["ja"], fused.means[MRR]["ja"]) == (1.0, 0.5)
    assert fused.means[MRR]["macro"] < plain.means[MRR]["macro"]


def test_the_folder_holds_rows_table_and_plots_of_what_was_varied(tmp_path):
    rows = run_sweep(material(tmp_path), GRID)
    names = sorted(path.name for path in write_sweep(rows, "en", tmp_path / "out"))
    assert names == ["alpha.png", "sweep.csv", "sweep.json", "sweep.md", "target-languages.png"]
    values = json.loads((tmp_path / "out" / "sweep.json").read_text("utf-8"))
    assert (values[0]["rule"], values[1]["rule"], values[1]["alpha"]) == ("plain", "sum", 0.1)
    with (tmp_path / "out" / "sweep.csv").open(encoding="utf-8") as file:
        lines = list(csv.DictReader(file))
    assert len(lines) == len(rows)
    assert lines[0][f"{MRR} macro"] == "1.0"
    assert f"| {' | '.join(COLUMNS)} |" in (tmp_path / "out" / "sweep.md").read_text("utf-8")


def test_draws_are_averaged_in_the_table(tmp_path):
    rows = run_sweep(material(tmp_path), GRID)
    lines = table_rows(rows, "en")
    assert len(lines) == 1 + 2 * 2 * 2
    assert lines[0] == ["plain", "–", "–", "0", "0", "1.000", "1.000", "1.000", "1.000", "1.000", "–"]
    assert [line[-1] == "–" for line in lines[1:]] == [True] * 4 + [False] * 4
