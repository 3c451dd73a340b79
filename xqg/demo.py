"""The demo: the sample help centre, plain against xqg, with the bundled encoder in a fresh embedded store."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any

from xqg.assembly import open_ingestion, open_searcher
from xqg.console import print_hits, print_json, print_lines, print_table
from xqg.errors import SettingsError
from xqg.evaluation.evaluate import MACRO, Evaluation, evaluate
from xqg.evaluation.queries import LabelledQuery, read_queries
from xqg.ingest.ingest_report import IngestReport
from xqg.languages import language_name
from xqg.options import split_codes
from xqg.records import Hit
from xqg.search.searcher import Explanation, Searcher
from xqg.settings import IngestSettings, SearchSettings, StoreSettings, validated

QUERIES_PER_LANGUAGE = 2
PLAIN, AUGMENTED = "plain", "xqg"
EXAMPLE_LANGUAGES = ("fr", "ja", "ar")
OWN_LANGUAGE = "en"
MEASURES: Mapping[str, str] = {"recall@1": "R@1", "MRR@10": "MRR@10"}
"""What is measured, and what it is called here."""
DEPTH = 10


@dataclass(frozen=True)
class Example:
    """A question, what xqg finds with the piece that found it, and where plain vectors have the right page."""

    question: LabelledQuery
    hits: list[Hit]
    explanations: list[Explanation | None]
    plain_rank: int | None


@dataclass(frozen=True)
class DemoResult:
    """What the demo measured, and searches to look at."""

    path: Path
    languages: tuple[str, ...]
    report: IngestReport
    plain: Evaluation
    augmented: Evaluation
    examples: list[Example]

    def print(self, as_json: bool) -> None:
        """Print the table, the examples and what to try next; or the table as JSON."""
        if as_json:
            print_json(self.to_json())
            return
        self._print_table()
        for example in self.examples:
            print_lines("")
            print_hits(example.question.text, example.hits, example.explanations)
            found = f"rank {example.plain_rank}" if example.plain_rank else f"not among the first {DEPTH}"
            print_lines(f"     (with plain vectors the first hit above is {found})")
        self._print_next()

    def to_json(self) -> dict[str, object]:
        """The measures by language, and the report of the ingestion."""
        return {
            "languages": self.languages,
            "plain": _to_json(self.plain),
            "xqg": _to_json(self.augmented),
            "ingestion": self.report.to_json(),
        }

    def _print_table(self) -> None:
        foreign = [language for language in self.plain.languages() if language != OWN_LANGUAGE]
        plain, augmented = self.plain.only(foreign), self.augmented.only(foreign)
        rows = [self._row(language, plain, augmented) for language in [*foreign, MACRO]]
        if OWN_LANGUAGE in self.plain.languages():
            rows.append(self._row(OWN_LANGUAGE, self.plain, self.augmented))
        columns = ["questions in", "n", "R@1 plain", "R@1 xqg", "MRR@10 plain", "MRR@10 xqg", "change"]
        print_table("English passages, questions in other languages", columns, rows, rules=[len(foreign) - 1])
        if self.languages:
            print_lines(f"* queries were generated in this language ({self.report.generated} in all)")

    def _row(self, language: str, plain: Evaluation, augmented: Evaluation) -> list[str]:
        mark = " *" if language in self.languages else ""
        name = "macro average" if language == MACRO else language_name(language) + mark
        count = plain.languages().get(language, len(plain.results))
        pairs = [(plain.means(measure)[language], augmented.means(measure)[language]) for measure in MEASURES]
        change = pairs[-1][1] - pairs[-1][0]
        return [name, str(count), *(f"{value:.3f}" for pair in pairs for value in pair), f"{change:+.3f}"]

    def _print_next(self) -> None:
        place = f"--store edge:{self.path} --collection {AUGMENTED}"
        print_lines(
            "",
            "Try next:",
            f'  xqg search "comment couper le chauffage pendant les vacances ?" {place} --explain',
            f"  xqg show {place}",
            f"  xqg show {next(iter(self.plain.results[0].query.relevant))} {place}",
            "  xqg ingest YOUR.jsonl --store edge:./data --collection help",
            "  xqg doctor",
        )


def run_demo(
    path: Path,
    progress: Callable[[IngestReport], None],
    languages: str = "",
    queries_per_language: int = QUERIES_PER_LANGUAGE,
    passages: int | None = None,
) -> DemoResult:
    """Ingest the sample twice, plain and with views, and search both with the same questions.

    :param path: folder of the store; the demo's own collections of an earlier run in it are replaced.
    :param languages: comma-separated, to generate queries in with the bundled generator; "" generates none.
    :param passages: take only the first of them, None for all.
    :raises SettingsError: if ``path`` holds something else.
    """
    _clear(path)
    codes = split_codes(languages)
    with as_file(files("xqg") / "sample") as sample:
        lines = (sample / "corpus.jsonl").read_text(encoding="utf-8").splitlines()
        asked = read_queries(sample / "questions.jsonl").queries
    pages = [json.loads(line) for line in lines[:passages]]
    known = {page["id"] for page in pages}
    questions = [question for question in asked if known.issuperset(question.relevant)]
    _ingest(pages, path, PLAIN, {"fusion": {"rule": "plain"}}, progress)
    generator = {"languages": codes, "queries_per_language": queries_per_language} if codes else {}
    report = _ingest(pages, path, AUGMENTED, {"generator": generator}, progress)
    with closing(_open(path, PLAIN)) as plain, closing(_open(path, AUGMENTED)) as augmented:
        before, after = (evaluate(one, questions, DEPTH, exact=True) for one in (plain, augmented))
        examples = [_example(question, plain, augmented) for question in _gained(before, after)]
    return DemoResult(path, codes, report, before, after, examples)


def _gained(plain: Evaluation, augmented: Evaluation) -> Iterator[LabelledQuery]:
    """In each example language the first question whose page only xqg has in front."""
    for language in EXAMPLE_LANGUAGES:
        for before, after in zip(plain.results, augmented.results, strict=True):
            only_xqg = after.values["recall@1"] > before.values["recall@1"]
            if before.query.language == language and only_xqg:
                yield before.query
                break


def _example(question: LabelledQuery, plain: Searcher, augmented: Searcher) -> Example:
    hits = augmented.search(question.text, 2)
    ranks = [hit.rank for hit in plain.search(question.text, DEPTH) if hit.passage.id == hits[0].passage.id]
    return Example(question, hits, augmented.explain(question.text, hits), next(iter(ranks), None))


def _clear(path: Path) -> None:
    """Remove the collections of an earlier demo."""
    for name in (PLAIN, AUGMENTED):
        folder = path / name
        if not folder.exists():
            continue
        if not (folder / "xqg.json").is_file():
            raise SettingsError(f"{folder} exists and is no xqg collection", remedy="Give another --path")
        shutil.rmtree(folder)


def _ingest(
    pages: list[Any], path: Path, collection: str, options: dict[str, object], progress: Callable[[IngestReport], None]
) -> IngestReport:
    store = {"spec": f"edge:{path}", "collection": collection}
    with open_ingestion(validated(IngestSettings, {"store": store, **options})) as job:
        return job.ingest(pages, progress=progress)


def _open(path: Path, collection: str) -> Searcher:
    return open_searcher(SearchSettings(store=StoreSettings(spec=f"edge:{path}", collection=collection)))


def _to_json(evaluation: Evaluation) -> dict[str, dict[str, float]]:
    means = {label: evaluation.means(measure) for measure, label in MEASURES.items()}
    return {
        language: {"questions": count, **{label: values[language] for label, values in means.items()}}
        for language, count in evaluation.languages().items()
    }
