"""The demo: the sample help centre, plain against xQG, with the bundled models in a fresh embedded store."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from importlib.resources import as_file, files
from pathlib import Path
from tempfile import TemporaryDirectory

from xqg.assembly import open_ingestion, open_searcher
from xqg.console import print_hits, print_json, print_lines, print_table
from xqg.errors import SettingsError
from xqg.evaluation.evaluate import MACRO, Evaluation, evaluate
from xqg.evaluation.queries import LabelledQuery, read_queries
from xqg.ingest.report import IngestReport
from xqg.languages import language_name
from xqg.records import Hit
from xqg.settings import IngestSettings, SearchSettings, StoreSettings, validated

LANGUAGES = "fr,ar,ja,de"
QUERIES_PER_LANGUAGE = 2
"""Few enough for five minutes on two cores; more languages and more queries gain more."""
PLAIN, AUGMENTED = "plain", "xqg"
EXAMPLE_LANGUAGES = ("fr", "ja", "ar")
OWN_LANGUAGE = "en"
MEASURES: Mapping[str, str] = {"recall@1": "R@1", "MRR@10": "MRR@10"}
"""What is measured, and what it is called here."""
DEPTH = 10


@dataclass(frozen=True)
class DemoResult:
    """What the demo measured, and three searches to look at."""

    path: Path
    languages: tuple[str, ...]
    report: IngestReport
    plain: Evaluation
    augmented: Evaluation
    examples: list[tuple[LabelledQuery, list[Hit]]]

    def print(self, as_json: bool) -> None:
        """Print the table, the examples and what to try next; or the table as JSON."""
        if as_json:
            print_json(self.to_json())
            return
        self._print_table()
        for question, hits in self.examples:
            print_lines("")
            print_hits(question.text, hits)
            print_lines(f"     (asked for: {', '.join(question.relevant)})")
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
        plain, augmented = _without_own(self.plain), _without_own(self.augmented)
        rows = [self._row(language, plain, augmented) for language in [*foreign, MACRO]]
        if OWN_LANGUAGE in self.plain.languages():
            rows.append(self._row(OWN_LANGUAGE, self.plain, self.augmented))
        columns = ["questions in", "n", "R@1 plain", "R@1 xqg", "MRR@10 plain", "MRR@10 xqg", "change"]
        print_table("English passages, questions in other languages", columns, rows, rules=[len(foreign) - 1])
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
            f"  xqg show {next(iter(self.examples[0][0].relevant))} {place}",
            "  xqg ingest YOUR.jsonl --store edge:./data --collection help --languages fr,ja,ar",
            "  xqg doctor",
        )


def run_demo(
    path: Path,
    progress: Callable[[IngestReport], None],
    languages: str = LANGUAGES,
    queries_per_language: int = QUERIES_PER_LANGUAGE,
    passages: int | None = None,
) -> DemoResult:
    """Ingest the sample twice, plain and with queries, and search both with the same questions.

    :param path: folder of the store; the demo's own collections of an earlier run in it are replaced.
    :param languages: comma-separated; :param passages: take only the first of them, None for all.
    :raises SettingsError: if ``path`` holds something else.
    """
    _clear(path)
    codes = tuple(languages.split(","))
    with as_file(files("xqg") / "sample") as sample, TemporaryDirectory() as scratch:
        lines = (sample / "corpus.jsonl").read_text(encoding="utf-8").splitlines()[:passages]
        corpus = Path(scratch) / "corpus.jsonl"
        corpus.write_text("\n".join(lines) + "\n", encoding="utf-8")
        known = {json.loads(line)["id"] for line in lines}
        asked = read_queries(sample / "questions.jsonl").queries
        questions = [question for question in asked if known.issuperset(question.relevant)]
        _ingest(corpus, path, PLAIN, {"spec": "none"}, progress)
        generator = {"spec": "bundled", "languages": codes, "queries_per_language": queries_per_language}
        report = _ingest(corpus, path, AUGMENTED, generator, progress)
    plain, _ = _evaluate(path, PLAIN, questions)
    augmented, examples = _evaluate(path, AUGMENTED, questions)
    return DemoResult(path, codes, report, plain, augmented, examples)


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
    corpus: Path, path: Path, collection: str, generator: dict[str, object], progress: Callable[[IngestReport], None]
) -> IngestReport:
    store = {"spec": f"edge:{path}", "collection": collection}
    with open_ingestion(validated(IngestSettings, {"store": store, "generator": generator})) as job:
        return job.run([str(corpus)], progress=progress)


def _evaluate(
    path: Path, collection: str, questions: Sequence[LabelledQuery]
) -> tuple[Evaluation, list[tuple[LabelledQuery, list[Hit]]]]:
    store = StoreSettings(spec=f"edge:{path}", collection=collection)
    with closing(open_searcher(SearchSettings(store=store))) as searcher:
        first = {question.language: question for question in reversed(questions)}
        chosen = [first[language] for language in EXAMPLE_LANGUAGES if language in first] or questions[:1]
        examples = [(question, searcher.search(question.text, 3)) for question in chosen]
        return evaluate(searcher, questions, tuple(MEASURES), DEPTH, exact=True), examples


def _without_own(evaluation: Evaluation) -> Evaluation:
    return Evaluation(tuple(result for result in evaluation.results if result.query.language != OWN_LANGUAGE))


def _to_json(evaluation: Evaluation) -> dict[str, dict[str, float]]:
    means = {label: evaluation.means(measure) for measure, label in MEASURES.items()}
    return {
        language: {"questions": count, **{label: values[language] for label, values in means.items()}}
        for language, count in evaluation.languages().items()
    }
