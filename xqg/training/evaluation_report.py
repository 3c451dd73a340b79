"""What an evaluation of generators says: as rows for a terminal, Markdown, JSON, and lines of queries."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from xqg.languages import language_name
from xqg.messages import markdown_table
from xqg.training.evaluation import HUMAN, SAMPLES, GeneratorEvaluation, Writer, draw_samples
from xqg.training.query_measures import DEPTH, QueryMeasures, macro_average
from xqg.training.training_report import source_line

COLUMNS = ("n", "kept", "right language", "top 1", f"top {DEPTH}", "top 1 of human", "distinct-2", "characters")

EXPLANATION = (
    "Shares in %. Kept: outputs left when empty, repeated and copied ones are dropped, those in a wrong language not. "
    f"Top 1 and top {DEPTH}: queries that bring back their own passage at that rank or better; ties go to the earlier "
    "passage. Distinct-2: different pairs of neighbouring words among all, on equally many queries of each writer in a "
    "language. Characters: mean length."
)


def describe(evaluation: GeneratorEvaluation) -> str:
    """One paragraph: what was measured on."""
    settings, data = evaluation.settings, evaluation.data
    names = "; ".join(source_line(source) for source in settings.data)
    wider = f" (with {'; '.join(source_line(source) for source in settings.pool)})" if settings.pool else ""
    speeds = [
        f"{writer.name} {len(writer.queries) / writer.seconds:.1f}" for writer in evaluation.writers if writer.seconds
    ]
    return (
        f"{len(data.passages)} passages ({names}), {settings.queries_per_language} outputs for each in each of "
        f"{len(data.languages)} languages, seed {settings.seed}; pool of {len(data.pool)} passages{wider}. "
        f"Queries/s: {', '.join(speeds)}."
    )


def macro_averages(evaluation: GeneratorEvaluation) -> dict[str, QueryMeasures]:
    """The mean over languages by writer, over the same languages for all: those with people's queries, if any are."""
    measures = evaluation.measures
    languages = tuple(measures[HUMAN]) or evaluation.data.languages
    return {name: macro_average([own[language] for language in languages]) for name, own in measures.items() if own}


def macro_rows(evaluation: GeneratorEvaluation) -> list[list[str]]:
    """Writer and `COLUMNS`, a row for each writer."""
    averages = macro_averages(evaluation)
    return [[name, *_numbers(own, averages.get(HUMAN))] for name, own in averages.items()]


def language_rows(evaluation: GeneratorEvaluation) -> list[list[str]]:
    """Language, writer and `COLUMNS`, a row for each writer in each language."""
    rows = []
    for language in evaluation.data.languages:
        human = evaluation.measures[HUMAN].get(language)
        for name, own in evaluation.measures.items():
            if language in own:
                rows.append([language_name(language), name, *_numbers(own[language], human)])
    return rows


def to_json(evaluation: GeneratorEvaluation) -> dict[str, Any]:
    """All numbers, shares from 0 to 1."""
    data = evaluation.data
    return {
        "data": [source_line(source) for source in evaluation.settings.data],
        "pool": [source_line(source) for source in evaluation.settings.pool],
        "passages": len(data.passages),
        "pool_passages": len(data.pool),
        "queries_per_language": evaluation.settings.queries_per_language,
        "seed": evaluation.settings.seed,
        "rejected": data.rejected,
        "seconds": {writer.name: writer.seconds for writer in evaluation.writers if writer.seconds is not None},
        "macro": {name: asdict(own) for name, own in macro_averages(evaluation).items()},
        "languages": {
            language: {name: asdict(own[language]) for name, own in evaluation.measures.items() if language in own}
            for language in data.languages
        },
    }


def write_report(evaluation: GeneratorEvaluation, folder: Path) -> None:
    """Write ``report.md`` (tables, random outputs), ``report.json`` and a file of queries for each generator."""
    folder.mkdir(parents=True, exist_ok=True)
    lines = [
        "# Query generators",
        "",
        f"{describe(evaluation)} {EXPLANATION}",
        "",
        *markdown_table(("macro average", *COLUMNS), macro_rows(evaluation)),
        "",
        *markdown_table(("language", "writer", *COLUMNS), language_rows(evaluation)),
        "",
        *_samples(evaluation),
    ]
    (folder / "report.md").write_text("\n".join(lines) + "\n", encoding="utf-8")
    values = json.dumps(to_json(evaluation), ensure_ascii=False, indent=1)
    (folder / "report.json").write_text(values + "\n", encoding="utf-8")
    for writer in evaluation.writers:
        if writer.name != HUMAN:
            (folder / f"{writer.name.replace(':', '-').replace('/', '-')}.jsonl").write_text(
                "".join(_query_lines(writer)), encoding="utf-8"
            )


def _query_lines(writer: Writer) -> Iterator[str]:
    """Lines that a ``file:`` generator reads, with the rank of the own passage beside them."""
    for ranked in writer.queries:
        query = ranked.query
        value = {"passage_id": query.passage_id, "language": query.language, "query": query.text, "rank": ranked.rank}
        yield json.dumps(value, ensure_ascii=False) + "\n"


def _samples(evaluation: GeneratorEvaluation) -> list[str]:
    titles = {passage.id: passage.title or passage.id for passage in evaluation.data.passages}
    lines = [
        f"## {SAMPLES} outputs in each language",
        "",
        "Drawn at random, not picked; with the rank of their passage.",
    ]
    for writer in evaluation.writers:
        if writer.name == HUMAN:
            continue
        for language in evaluation.data.languages:
            lines += ["", f"### {writer.name}, {language_name(language)}", ""]
            lines += [
                f"- {titles[ranked.query.passage_id]} ({ranked.rank}): {ranked.query.text}"
                for ranked in draw_samples(writer, language, evaluation.settings.seed)
            ]
    return lines


def _numbers(own: QueryMeasures, human: QueryMeasures | None) -> list[str]:
    of_human = None if human is None or not human.first else own.first / human.first
    shares: Sequence[float | None] = (own.kept, own.right_language, own.first, own.first_ten, of_human)
    return [
        str(own.queries),
        *("–" if share is None else f"{100 * share:.1f}" for share in shares),
        f"{own.distinct_2:.2f}",
        f"{own.characters:.0f}",
    ]
