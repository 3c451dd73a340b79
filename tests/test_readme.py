"""README and docs are kept true: the table of options is generated, commands and Python are run.

``python -m tests.test_readme`` writes the table anew.
"""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import pytest
from click.testing import CliRunner

from xqg.cli import main
from xqg.options import FLAGS, GROUPS, default_text, variable_name

ROOT = Path(__file__).parent.parent
README, OPTIONS = ROOT / "README.md", ROOT / "docs" / "options.md"
PAGES = [
    README,
    *(ROOT / "docs" / f"{name}.md" for name in ("usage", "existing-collections", "stacks", "service", "security")),
]
BEGIN, END = "<!-- options: generated -->", "<!-- options: end -->"


def options_table() -> str:
    lines = ["| option | default | meaning |", "|---|---|---|"]
    for path, flag in FLAGS.items():
        group, _, name = path.partition(".")
        field = GROUPS[group].model_fields[name]
        default = default_text(field)
        lines.append(f"| `{flag}` | {f'`{default}`' if default else ''} | {field.description} |")
    return "\n".join(lines)


def pages() -> str:
    return "\n".join(page.read_text(encoding="utf-8") for page in PAGES)


def commands() -> list[str]:
    blocks = re.findall(r"```(?:bash|console)\n(.*?)```", pages(), flags=re.DOTALL)
    lines = [line.split("  #")[0].strip() for block in blocks for line in block.replace("\\\n", " ").splitlines()]
    return [line for line in lines if line.startswith("xqg ")]


def python_blocks() -> list[str]:
    return re.findall(r"```python\n(.*?)```", pages(), flags=re.DOTALL)


def test_the_table_of_options_is_up_to_date() -> None:
    table = OPTIONS.read_text(encoding="utf-8").partition(BEGIN)[2].partition(END)[0].strip()
    assert table == options_table(), "run python -m tests.test_readme"


def test_the_readme_is_short() -> None:
    assert len(README.read_bytes()) <= 8000


def test_the_variables_follow_the_flags() -> None:
    assert variable_name("generator.queries_per_language") == "XQG_QUERIES_PER_LANGUAGE"


def test_there_are_commands() -> None:
    assert len(commands()) >= 8


@pytest.mark.parametrize("line", commands())
def test_every_command_has_the_options_it_uses(line: str) -> None:
    words = shlex.split(line)[1:]
    name = words[0]
    assert name in main.commands, line
    command = main.commands[name]
    command.make_context(name, [word for word in words[1:] if word != "…"], resilient_parsing=False)


def test_the_python_example_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("corpus.jsonl").write_text(json.dumps({"id": "a", "text": "Press the button.", "language": "en"}), "utf-8")
    query = {"passage_id": "a", "language": "fr", "query": "Comment faire ?"}
    Path("queries.jsonl").write_text(json.dumps(query), encoding="utf-8")
    (example,) = [block for block in python_blocks() if block.startswith("from xqg import ")]
    exec(compile(example, "README.md", "exec"), {})


def test_the_first_commands_work_as_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ingest, search and show in the README's order, with the bundled generator replaced by a file."""
    monkeypatch.chdir(tmp_path)
    Path("corpus.jsonl").write_text(json.dumps({"id": "a", "text": "Reset it.", "language": "en"}), encoding="utf-8")
    query = {"passage_id": "a", "language": "fr", "query": "Comment faire ?"}
    Path("queries.jsonl").write_text(json.dumps(query), encoding="utf-8")
    place = ["--store", "edge:./data", "--collection", "help"]
    run = CliRunner()
    for arguments in (
        ["ingest", "corpus.jsonl", *place, "--generator", "file:queries.jsonl"],
        ["search", "comment réinitialiser mon mot de passe ?", *place],
        ["show", *place],
    ):
        result = run.invoke(main, arguments)
        assert result.exit_code == 0, result.output


if __name__ == "__main__":
    before, _, rest = OPTIONS.read_text(encoding="utf-8").partition(BEGIN)
    OPTIONS.write_text(f"{before}{BEGIN}\n{options_table()}\n{END}{rest.partition(END)[2]}", encoding="utf-8")
