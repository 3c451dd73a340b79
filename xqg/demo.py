"""The demo: the sample help centre, plain against xQG, with the bundled models in a fresh embedded store."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from importlib.resources import as_file, files
from pathlib import Path
from tempfile import TemporaryDirectory

from xqg.assembly import open_ingestion, open_searcher
from xqg.console import print_hits, print_json, print_lines, print_table
from xqg.errors import SettingsError
from xqg.ingest.report import IngestReport
from xqg.languages import language_name
from xqg.records import Hit
from xqg.search.comparison import Question, Scores, evaluate, macro_average
from xqg.settings import IngestSettings, SearchSettings, StoreSettings, validated

LANGUAGES = "fr,ar,ja,de"
QUERIES_PER_LANGUAGE = 2
"""Few enough for five minutes on two cores; more languages and more queries gain more."""
PLAIN, AUGMENTED = "plain", "xqg"
EXAMPLE_LANGUAGES = ("fr", "ja", "ar")
OWN_LANGUAGE = "en"


@dataclass(frozen=True)
class DemoResult:
    """What the demo measured, and three searches to look at."""

    path: Path
    languages: tuple[str, ...]
    report: IngestReport
    plain: dict[str, Scores]
    augmented: dict[str, Scores]
    examples: list[tuple[Question, list[Hit]]]

    def print(self, as_json: bool) -> None:
        """Print the table, the examples and what to try next; or the table as JSON."""
        if as_json:
            print_json(self.to_json())
            return
        self._print_table()
        for question, hits in self.examples:
            print_lines("")
            print_hits(question.query, hits)
            print_lines(f"     (asked for: {question.passage_id})")
        self._print_next()

    def to_json(self) -> dict[str, object]:
        """The measures by language, and the report of the ingestion."""
        return {
            "languages": self.languages,
            "plain": {language: scores.to_json() for language, scores in self.plain.items()},
            "xqg": {language: scores.to_json() for language, scores in self.augmented.items()},
            "ingestion": self.report.to_json(),
        }

    def _print_table(self) -> None:
        foreign = [language for language in self.plain if language != OWN_LANGUAGE]
        rows = [self._row(language, self.plain[language], self.augmented[language]) for language in foreign]
        plain, augmented = ({key: side[key] for key in foreign} for side in (self.plain, self.augmented))
        rows.append(["macro average", *_numbers(macro_average(plain), macro_average(augmented))])
        if OWN_LANGUAGE in self.plain:
            rows.append(self._row(OWN_LANGUAGE, self.plain[OWN_LANGUAGE], self.augmented[OWN_LANGUAGE]))
        columns = ["questions in", "n", "R@1 plain", "R@1 xqg", "MRR@10 plain", "MRR@10 xqg", "change"]
        print_table("English passages, questions in other languages", columns, rows, rules=[len(foreign) - 1])
        print_lines(f"* queries were generated in this language ({self.report.generated} in all)")

    def _row(self, language: str, plain: Scores, augmented: Scores) -> list[str]:
        mark = " *" if language in self.languages else ""
        return [language_name(language) + mark, *_numbers(plain, augmented)]

    def _print_next(self) -> None:
        place = f"--store edge:{self.path} --collection {AUGMENTED}"
        print_lines(
            "",
            "Try next:",
            f'  xqg search "comment couper le chauffage pendant les vacances ?" {place} --explain',
            f"  xqg show {place}",
            f"  xqg show {self.examples[0][0].passage_id} {place}",
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
        asked = (sample / "questions.jsonl").read_text(encoding="utf-8").splitlines()
        questions = [Question(**json.loads(line)) for line in asked]
        questions = [question for question in questions if question.passage_id in known]
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
    path: Path, collection: str, questions: Sequence[Question]
) -> tuple[dict[str, Scores], list[tuple[Question, list[Hit]]]]:
    store = StoreSettings(spec=f"edge:{path}", collection=collection)
    with closing(open_searcher(SearchSettings(store=store))) as searcher:
        first = {question.language: question for question in reversed(questions)}
        chosen = [first[language] for language in EXAMPLE_LANGUAGES if language in first] or questions[:1]
        examples = [(question, searcher.search(question.query, 3)) for question in chosen]
        return evaluate(searcher, questions), examples


def _numbers(plain: Scores, augmented: Scores) -> list[str]:
    return [
        str(plain.questions),
        f"{plain.recall_at_1:.3f}",
        f"{augmented.recall_at_1:.3f}",
        f"{plain.mrr_at_10:.3f}",
        f"{augmented.mrr_at_10:.3f}",
        f"{augmented.mrr_at_10 - plain.mrr_at_10:+.3f}",
    ]
