"""One settings file for the service and for `xqg ingest`."""

from __future__ import annotations

import json
import socket
from pathlib import Path

import pytest
from click.testing import CliRunner

from xqg.cli import main
from xqg.config import over, read_config
from xqg.errors import SettingsError
from xqg.service.service_settings import ServiceSettings
from xqg.settings import IngestSettings, validated

FILE = """
[store]
spec = "edge:./data"
collection = "help"
[generator]
spec = "file:queries.jsonl"
[fusion]
views = 3
[job]
batch_size = 7
[service]
port = 9000
[[sources]]
collection = "help"
folder = "docs"
"""


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "xqg.toml"
    path.write_text(FILE, encoding="utf-8")
    return path


def test_what_is_given_goes_before_what_the_file_says(file: Path) -> None:
    values = over(read_config(file), {"fusion": {"views": 5}, "reader": {"language": "en"}})
    settings: IngestSettings = validated(IngestSettings, {**values.pop("job"), **values})
    assert (settings.fusion.views, settings.batch_size, settings.reader.language) == (5, 7, "en")
    assert settings.generator.spec == "file:queries.jsonl"


def test_ingest_reads_the_file(file: Path) -> None:
    Path("corpus.jsonl").write_text(json.dumps({"id": "a", "text": "Press it. Then wait for it."}), encoding="utf-8")
    query = {"passage_id": "a", "language": "fr", "query": "Comment faire ?"}
    Path("queries.jsonl").write_text(json.dumps(query), encoding="utf-8")
    result = CliRunner().invoke(main, ["--quiet", "ingest", "corpus.jsonl", "--config", str(file), "--json"])
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["upserted"] == 1
    shown = CliRunner().invoke(main, ["show", "--store", "edge:./data", "--collection", "help", "--json"])
    assert json.loads(shown.stdout)["settings"]["views"] == 3


def test_the_service_reads_its_own_tables(file: Path) -> None:
    values = read_config(file)
    settings: ServiceSettings = validated(ServiceSettings, {**values["service"], "sources": values["sources"]})
    assert (settings.port, settings.sources[0].folder) == (9000, "docs")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[sotre]", "'sotre'"),
        ("store = 3", "'store' is no table"),
        ("[sources]", "'sources' is no table"),
        ("[store", "cannot be read"),
    ],
)
def test_a_file_that_is_none_of_ours_is_refused(file: Path, text: str, said: str) -> None:
    file.write_text(text, encoding="utf-8")
    with pytest.raises(SettingsError, match=said):
        read_config(file)
    with pytest.raises(SettingsError, match="cannot be read"):
        read_config(file.with_name("missing.toml"))


def test_a_port_that_is_taken_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from tests.service.serving import build
    from xqg.service import parts, server

    monkeypatch.setattr(parts, "build_encoder", parts.build_encoder)
    monkeypatch.setattr(server.signal, "signal", lambda *_: None)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        service = build(tmp_path, port=taken.getsockname()[1])
        with pytest.raises(SettingsError, match="cannot listen on "):
            server.run_service(service, print)


@pytest.mark.parametrize("source", [{}, {"folder": "a", "into": "b"}, {"folder": "a", "alias": "b"}])
def test_a_source_is_a_folder_or_a_pair(source: dict[str, str]) -> None:
    with pytest.raises(SettingsError):
        validated(ServiceSettings, {"sources": [{"collection": "c", **source}]})
