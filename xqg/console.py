"""What people see: tables on stdout, progress and log lines on stderr."""

from __future__ import annotations

import json
import logging
import re
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from xqg.fusion.pieces import PieceKind
from xqg.ingest.ingest_report import IngestReport
from xqg.messages import printable, redact
from xqg.records import Hit
from xqg.search.searcher import Explanation
from xqg.search.show import passage_to_json

if TYPE_CHECKING:
    from xqg.training.training_report import TrainingProgress, TrainingReport

QUIET_INTERVAL_SECONDS = 10.0
SNIPPET_CHARACTERS = 160
FILE_WIDTH = 110

PLAN = "Plan (nothing was written)"
"""The title of what a run would do."""

_UNSAFE_IN_JSON = re.compile("[\x7f-\x9f\u2028\u2029]")


def set_up_logging(verbose: bool, quiet: bool) -> None:
    """Send xqg's log to stderr: warnings, and with more or less of it as asked."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_PlainFormatter("%(message)s"))
    logger = logging.getLogger("xqg")
    logger.handlers = [handler]
    logger.propagate = False
    logger.setLevel(logging.DEBUG if verbose else logging.WARNING if quiet else logging.INFO)


class _PlainFormatter(logging.Formatter):
    """What is logged may quote servers and files: no secrets, no control characters; tracebacks keep their lines."""

    def format(self, record: logging.LogRecord) -> str:
        return printable(redact(super().format(record)), keep_breaks=True)


def print_json(value: Any) -> None:
    """One line of JSON on stdout; what a terminal would obey is escaped, which JSON itself does only in part."""
    unicode = (sys.stdout.encoding or "").lower().startswith("utf")  # pipes on Windows are not
    text = json.dumps(value, ensure_ascii=not unicode)
    sys.stdout.write(_UNSAFE_IN_JSON.sub(lambda found: f"\\u{ord(found.group()):04x}", text) + "\n")


def print_table(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]], rules: Sequence[int] = ()) -> None:
    """A table on stdout; numbers are right-aligned, a rule follows each row in ``rules``."""
    table = Table(title=Text(_lines(title)) if title else None, title_justify="left", header_style="bold")
    for index, column in enumerate(columns):
        numbers = index > 0 and all(row[index].lstrip("+-–").replace(".", "").isdigit() for row in rows)
        table.add_column(Text(_lines(column)), justify="right" if numbers else "left", overflow="fold")
    for index, row in enumerate(rows):
        table.add_row(*(Text(_lines(cell)) for cell in row), end_section=index in rules)
    _console().print(table)


def print_facts(facts: Mapping[str, Any], as_json: bool, title: str = "") -> None:
    """Values by name: as a table, "–" where one is None, or as JSON."""
    if as_json:
        print_json(facts)
        return
    shown = {
        name: (", ".join(value) or "nothing") if isinstance(value, tuple) else value for name, value in facts.items()
    }
    rows = [[name.replace("_", " "), "–" if value is None else str(value)] for name, value in shown.items()]
    print_table(title, ["", ""], rows)


def _lines(text: str) -> str:
    """Foreign text as it may be printed, with its line ends."""
    return printable(redact(text), keep_breaks=True)


def print_hits(query: str, hits: Sequence[Hit], explanations: Sequence[Explanation | None] = ()) -> None:
    """Search results for a reader."""
    console = _console()
    console.print(Text(printable(query)), style="bold", soft_wrap=True)
    if not hits:
        console.print("  no hits")
    for index, hit in enumerate(hits):
        passage = hit.passage
        text = " ".join(passage.text.split())
        snippet = text if len(text) <= SNIPPET_CHARACTERS else text[:SNIPPET_CHARACTERS].rstrip() + "…"
        head = f"{hit.rank:>3}. {hit.score:.4f}  {passage.id}  {passage.title}"
        console.print(Text(printable(head)), style="cyan", soft_wrap=True)
        console.print(Text(f"     {printable(snippet)}"), soft_wrap=True)
        explanation = explanations[index] if index < len(explanations) else None
        if explanation is not None:
            piece = explanation.piece
            written = piece.kind in (PieceKind.QUERY, PieceKind.TRANSLATION)
            kind = f"{piece.kind.value} in {piece.language}" if written else piece.kind.value
            line = f"     closest {kind} ({explanation.similarity:.3f}): {piece.text}"
            console.print(Text(printable(line)), style="green", soft_wrap=True)


def hit_to_json(hit: Hit, explanation: Explanation | None = None) -> dict[str, Any]:
    """The shape of one hit in ``xqg search --json``."""
    value: dict[str, Any] = {"rank": hit.rank, "score": hit.score, **passage_to_json(hit.passage)}
    if explanation is not None:
        piece = explanation.piece
        value["closest_piece"] = {
            "kind": piece.kind.value,
            "language": piece.language,
            "text": piece.text,
            "similarity": explanation.similarity,
        }
    return value


def written_line(report: IngestReport) -> str:
    """How many texts a run wrote, and how many it took over."""
    made = f"queries: {report.generated} made" if report.generated or not report.translated else ""
    translated = f"translations: {report.translated} made" if report.translated else ""
    return f"{', '.join(filter(None, [made, translated]))}, {report.reused} kept from before"


def print_report(report: IngestReport, rejects: str) -> None:
    """The summary of a run, as lines on stdout."""
    dropped = ", ".join(f"{count} {reason}" for reason, count in sorted(report.dropped.items())) or "none"
    stages = ", ".join(f"{stage} {seconds:.1f}" for stage, seconds in report.seconds.items() if seconds >= 0.05)
    lines = [
        f"read {report.read}, unchanged {report.skipped}, stored {report.upserted}, rejected {report.rejected}",
        f"{written_line(report)}, dropped: {dropped}",
        f"seconds: {stages or 'under 0.1'}",
    ]
    lines += failure_lines(report)
    if report.deleted:
        lines.append(f"deleted {report.deleted} documents that the sources have no more")
    if report.rejected:
        lines.append(f"rejected records are in {rejects}")
    if report.outdated:
        lines.append(
            f"{report.outdated} stored passages were not in the input and keep vectors of the old settings: "
            "ingest them with --update too"
        )
    print_lines(*lines)


def failure_lines(report: IngestReport) -> list[str]:
    """What a reader must know of requests for queries that came to nothing."""
    lines = []
    if report.failed:
        lines.append(f"{report.failed} requests for queries failed; run the command again, and only they are asked for")
    if report.refused:
        lines.append(f"{report.refused} requests for queries were refused for what the passage says: stored without")
    return lines


def _console(stderr: bool = False) -> Console:
    """On a terminal as wide as it is, else wide enough that no table breaks its words; text is printed as it stands."""
    width = None if Console(stderr=stderr).is_terminal else FILE_WIDTH
    return Console(stderr=stderr, width=width, markup=False, emoji=False)


def print_lines(*lines: str) -> None:
    """Plain lines on stdout."""
    sys.stdout.write("\n".join(printable(redact(line)) for line in lines) + "\n")


@contextmanager
def live_display(quiet: bool, line: Callable[[Any], str]) -> Iterator[Callable[[Any], None]]:
    """A callback that shows the line of a report: a live one on a terminal, else a log line now and then, on stderr.

    :param line: `progress_line`, `training_line`, or `str` for work that says in a few words where it stands.
    """
    console = _console(stderr=True)
    if quiet:
        yield lambda report: None
    elif console.is_terminal:
        with console.status("starting") as status:
            yield lambda report: status.update(Text(printable(line(report))))  # as a string it would be markup
    else:
        yield _LogNowAndThen(line)


@contextmanager
def count_display(quiet: bool, what: str) -> Iterator[Callable[[int, int], None]]:
    """A callback that takes how many of how many are done: a bar on a terminal, else a log line now and then."""
    console = _console(stderr=True)
    if quiet or not console.is_terminal:
        with live_display(quiet, lambda counts: f"{what}: {counts[0]} of {counts[1]}") as show:
            yield lambda done, total: show((done, total))
        return
    name = TextColumn("{task.description}", markup=False)
    with Progress(name, BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(), console=console) as bar:
        task = bar.add_task(printable(what), total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


def print_training(report: TrainingReport, rejects: str) -> None:
    """The summary of a training run, as lines on stdout."""
    losses = " → ".join(f"{loss:.3f}" for _, loss in report.dev_losses) or "none taken"
    lines = [
        f"pairs {report.pairs}, dev pairs {report.dev_pairs}, rejected {len(report.rejects)}",
        f"{report.steps} steps, {report.minutes:.1f} minutes, dev loss {losses}, weights of step {report.kept_step}",
        report.remedy if report.interrupted else f"use it: xqg ingest … --generator hf:{report.out}",
    ]
    print_lines(*lines, *([f"rejected pairs are in {rejects}"] if report.rejects else []))


class _LogNowAndThen:
    def __init__(self, line: Callable[[Any], str]) -> None:
        self._line, self._last = line, time.monotonic()

    def __call__(self, report: Any) -> None:
        if time.monotonic() - self._last >= QUIET_INTERVAL_SECONDS:
            self._last = time.monotonic()
            logging.getLogger("xqg").info(self._line(report))


def progress_line(report: IngestReport) -> str:
    """Where an ingestion stands."""
    busy = {stage: seconds for stage, seconds in report.seconds.items() if seconds >= 1}
    slowest = max(busy, key=lambda stage: busy[stage]) if busy else ""
    rate = f", {report.upserted / sum(report.seconds.values()):.1f} passages/s, most time in {slowest}" if busy else ""
    return (
        f"read {report.read}, unchanged {report.skipped}, stored {report.upserted}, "
        f"{report.generated} queries, rejected {report.rejected}{rate}"
    )


def training_line(progress: TrainingProgress) -> str:
    """Where a training run stands."""
    losses = [f"{name} {loss:.3f}" for name, loss in (("loss", progress.loss), ("dev loss", progress.dev_loss)) if loss]
    done = f"{100 * progress.share:.0f} % in {progress.minutes:.1f} minutes"
    return ", ".join([f"step {progress.step}", done, *losses])


def mapping_rows(value: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Nested JSON as rows of dotted name and value."""
    for key, item in value.items():
        if isinstance(item, Mapping):
            yield from mapping_rows(item, f"{prefix}{key}.")
        elif isinstance(item, list):
            yield prefix + key, ", ".join(map(str, item))
        else:
            yield prefix + key, str(item)
