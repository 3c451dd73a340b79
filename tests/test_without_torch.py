"""Where torch and transformers are not installed: everything that needs no local model works."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.endpoint import serve
from tests.stores.wire import WireServer
from xqg.kinds import LOCAL_MODELS

ABSENT = f"""
import sys
from importlib.machinery import PathFinder
ABSENT = {LOCAL_MODELS!r}

class Finder:
    '''Finds what is installed, but for packages that are to be absent.'''
    @staticmethod
    def find_spec(name, path=None, target=None):
        return None if name.partition(".")[0] in ABSENT else PathFinder.find_spec(name, path, target)

    @staticmethod
    def find_distributions(*arguments):
        names = [name.replace("_", "-") for name in ABSENT]
        return [found for found in PathFinder.find_distributions(*arguments) if found.name not in names]

sys.meta_path[:] = [Finder if finder is PathFinder else finder for finder in sys.meta_path]
"""

INGEST_AND_SEARCH = """
from click.testing import CliRunner
from xqg.cli import main

def run(*words):
    result = CliRunner().invoke(main, list(words))
    assert result.exit_code == 0, result.output
    return result.output

place = ["--store", STORE, "--collection", "help"]
run("ingest", "corpus.jsonl", *place, *GENERATOR)
assert '"id": "refund"' in run("search", "Quand serai-je remboursé ?", *place, "--json", "-k", "1")
run("show", "refund", *place)
assert not set(ABSENT) & {name.partition(".")[0] for name in sys.modules}
"""


def run(code: str, folder: Path, **names: object) -> str:
    lines = [{"id": "wifi", "text": "Press the button until the lamp blinks."}]
    lines.append({"id": "refund", "text": "The money is back on your account within ten days of cancelling."})
    (folder / "corpus.jsonl").write_text("\n".join(map(json.dumps, lines)), encoding="utf-8")
    query = {"passage_id": "refund", "language": "fr", "query": "Quand vais-je être remboursé ?"}
    (folder / "queries.jsonl").write_text(json.dumps(query), encoding="utf-8")
    given = "".join(f"{name} = {value!r}\n" for name, value in names.items())
    script = ABSENT + given + code
    ran = subprocess.run([sys.executable, "-c", script], cwd=folder, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


@pytest.mark.parametrize("generator", ["none", "file:queries.jsonl"])
def test_an_embedded_store_is_filled_and_searched(generator: str, tmp_path: Path) -> None:
    run(INGEST_AND_SEARCH, tmp_path, STORE="edge:data", GENERATOR=["--generator", generator])


def test_a_server_with_an_endpoint_that_writes_queries(tmp_path: Path, wire: WireServer) -> None:
    answer = {"choices": [{"message": {"content": "Quand serai-je remboursé ?"}, "finish_reason": "stop"}]}
    with serve(lambda body: (200, {}, answer)) as endpoint:
        words = ["--generator", "openai:any", "--generator-url", endpoint.url, "--languages", "fr"]
        run(INGEST_AND_SEARCH, tmp_path, STORE=wire.url, GENERATOR=words)
    assert len(endpoint.requests) >= 2


def test_from_python_and_to_assistants_and_frameworks(tmp_path: Path) -> None:
    code = """
from xqg import StoreSettings, open_augmenter, open_ingestion, open_searcher
import xqg.plugin.haystack, xqg.plugin.langchain, xqg.plugin.llamaindex, xqg.plugin.mcp
from xqg.plugin.mcp import ReadingSettings, open_reader

with open_ingestion(store="edge:data", collection="help") as job:
    job.ingest([{"id": "a", "text": "Press the button until the lamp blinks."}])
with open_searcher(store="edge:data", collection="help") as searcher:
    assert searcher.search("Où appuyer ?")[0].passage.id == "a"
assert open_augmenter(store="edge:data", collection="help").writes_rows
reader = open_reader(ReadingSettings(store=StoreSettings(spec="edge:data", collection="help")))
xqg.plugin.mcp.build_server(reader, "help")
assert reader.search("Où appuyer ?", 1)[0].passage.id == "a"
assert not set(ABSENT) & {name.partition(".")[0] for name in sys.modules}
"""
    run(code, tmp_path)


@pytest.mark.parametrize("spec", ["bundled", "hf:some/model", "translate:hf:some/model"])
def test_a_local_generator_is_told_with_the_install_line(spec: str, tmp_path: Path) -> None:
    code = """
from xqg.cli import main
main(["ingest", "corpus.jsonl", "--store", "edge:data", "--collection", "a", "--languages", "fr", "--generator", SPEC])
"""
    given = ABSENT + f"SPEC = {spec!r}\n" + code
    (tmp_path / "corpus.jsonl").write_text('{"id": "a", "text": "b"}', encoding="utf-8")
    ran = subprocess.run([sys.executable, "-c", given], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert ran.returncode == 2, ran.stderr
    assert "which is not installed. pip install xqg." in ran.stderr
    assert "Traceback" not in ran.stderr


def test_doctor_tells_what_is_left_out(tmp_path: Path) -> None:
    code = """
from xqg.doctor import examine
for finding in examine(None):
    print(finding.subject, finding.healthy, finding.state, sep="|")
"""
    lines = run(code, tmp_path).splitlines()
    assert "torch|True|not installed" in lines
    assert not [line for line in lines if "|False|" in line]
