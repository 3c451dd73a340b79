from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest

import xqg
from xqg.cli import main
from xqg.errors import SettingsError
from xqg.metadata import differences, fingerprint, vector_settings
from xqg.options import FLAGS, collect
from xqg.records import FusionRule
from xqg.settings import (
    EncoderSettings,
    FusionSettings,
    GeneratorSettings,
    IngestSettings,
    ReaderSettings,
    StoreSettings,
    validated,
)

STORE = {"spec": "edge:./data", "collection": "help"}
LANGUAGES = {"languages": ("fr", "ja")}


def job(**changes: Any) -> dict[str, Any]:
    return {"store": STORE, "generator": LANGUAGES, **changes}


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (job(generator={"spec": "none", "languages": ("fr",)}), "--languages has no meaning with --generator none"),
        (job(generator={"spec": "none"}, fusion={"rule": "sum"}), "--rule sum adds generated queries only"),
        (job(generator={}, fusion={"rule": "mean"}), "--rule mean adds generated queries only"),
        (job(fusion={"rule": "plain"}), "--rule plain leaves passages as they are"),
        (job(generator={}, fusion={"rule": "plain", "alpha": 0.1}), "--alpha has no meaning with --rule plain"),
        (job(fusion={"rule": "sum", "beta": 0.1}), "--beta has no meaning with --rule sum"),
        (job(fusion={"rule": "neutral", "views": 4}), "--views has no meaning with --rule neutral"),
        (job(generator={"spec": "bundled"}), "no target languages"),
        (job(generator={"spec": "hf:some/model"}), "no target languages"),
        (job(generator={"languages": ("fr", "xx")}), "Unknown language 'xx'"),
        (job(generator={"languages": ("frx",)}), "Try fr"),
        (job(generator={"languages": ("fr", "fr")}), "fr is named twice"),
        (
            job(generator={**LANGUAGES, "spec": "gpt"}),
            "choose bundled, bundled-base, none, translate, hf:MODEL, openai:MODEL or file:PATH",
        ),
        (job(generator={**LANGUAGES, "spec": "hf:"}), "'hf:' is not known"),
        (job(generator={**LANGUAGES, "queries_per_language": 0}), "queries_per_language.*found 0"),
        (job(encoder={"spec": "word2vec"}), "choose bundled, hf:MODEL or openai:MODEL"),
        (job(encoder={"spec": "bundled", "pooling": "cls"}), "the bundled encoder has its own pooling"),
        (job(fusion={"alpha": 1.5}), "fusion.alpha.*found 1.5"),
        (job(fusion={"rule": "median"}), "fusion.rule"),
        (job(store={"spec": "ftp://x", "collection": "c"}), "no store; write edge:FOLDER"),
        (job(store={"spec": "edge:", "collection": "c"}), "no store"),
        (job(store={"spec": "edge:x", "collection": "a/b"}), "store.collection"),
        (job(store={"spec": "edge:x"}), "store.collection: Field required"),
        (job(store={"spec": "http://x", "collection": ".."}), "no name for a collection"),
        (job(reader={"chunk_tokens": 64, "chunk_overlap": 64}), "cannot overlap by 64"),
        (job(reader={"language": "zz"}), "Unknown language 'zz'"),
        (job(colour="red"), "colour: Extra inputs"),
    ],
)
def test_each_conflict_is_one_line_that_names_it(values: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingsError, match=message) as caught:
        validated(IngestSettings, values)
    assert "\n" not in str(caught.value)
    assert caught.value.exit_code == 2


def test_a_file_generator_needs_no_languages() -> None:
    assert validated(GeneratorSettings, {"spec": "file:queries.jsonl"}).languages == ()


def test_queries_are_generated_where_languages_are_named() -> None:
    assert validated(GeneratorSettings, {}).spec == "none"
    assert validated(GeneratorSettings, LANGUAGES).spec == "bundled"
    assert validated(GeneratorSettings, {**LANGUAGES, "spec": "openai:m"}).spec == "openai:m"


def test_the_rules_have_their_own_default_alpha() -> None:
    assert FusionSettings(rule="sum").weight == 0.01
    assert FusionSettings(rule="mean").weight == 0.3
    assert FusionSettings().weight == 0.3
    assert FusionSettings(rule="sum", alpha=0.0).weight == 0.0


def test_without_views_a_passage_has_one_vector() -> None:
    assert FusionSettings().most_views > 0
    assert FusionSettings(views=5).most_views == 5
    for one in (FusionSettings(views=0), FusionSettings(rule="views", views=0), FusionSettings(rule="neutral")):
        assert (one.rule, one.most_views) == (FusionRule.NEUTRAL, 0)


def test_the_kind_of_store() -> None:
    assert str(StoreSettings(spec="edge:a/b", collection="c").embedded_path) == "a/b"
    assert StoreSettings(spec="http://localhost:6333", collection="c").embedded_path is None


def test_secrets_are_in_no_text_of_the_settings() -> None:
    store = StoreSettings(spec="http://localhost:6333", collection="c", api_key="hunter2")
    encoder = EncoderSettings(spec="openai:m", api_key="hunter2", base_url="http://user:hunter2@host")
    assert "hunter2" not in repr(store) + store.model_dump_json() + str(encoder.portable())


def test_a_wrong_secret_is_not_echoed() -> None:
    with pytest.raises(SettingsError) as caught:
        validated(StoreSettings, {**STORE, "api_key": ["hunter2"]})
    assert "hunter2" not in str(caught.value)


def vectors(**changes: Any) -> dict[str, Any]:
    settings = validated(IngestSettings, job(**changes))
    return vector_settings(settings, {"model": "e"}, {"model": "g"}, "cosine", settings.generator.languages)


@pytest.mark.parametrize(
    "changes",
    [
        {"fusion": {"alpha": 0.4}},
        {"fusion": {"beta": 0.5}},
        {"fusion": {"views": 8}},
        {"fusion": {"rule": "sum"}},
        {"generator": {"languages": ("fr",)}},
        {"generator": {**LANGUAGES, "queries_per_language": 2}},
        {"generator": {**LANGUAGES, "own_language": True}},
    ],
)
def test_all_that_changes_a_vector_changes_the_fingerprint(changes: dict[str, Any]) -> None:
    assert fingerprint(vectors(**changes), None) != fingerprint(vectors(), None)


@pytest.mark.parametrize(
    "changes",
    [
        {"batch_size": 7},
        {"store": {"spec": "http://localhost", "collection": "other"}},
        {"generator": {**LANGUAGES, "device": "cpu", "concurrency": 2}},
        {"reader": {"id_field": "key"}},
    ],
)
def test_what_changes_no_vector_changes_no_fingerprint(changes: dict[str, Any]) -> None:
    assert fingerprint(vectors(**changes), None) == fingerprint(vectors(), None)


def test_differences_name_both_sides() -> None:
    lines = differences(
        {"alpha": 1, "encoder": {"model": "a", "k": 1}}, {"alpha": 2, "encoder": {"model": "b", "k": 1}}
    )
    assert lines == ["alpha: stored 1, asked 2", "encoder.model: stored 'a', asked 'b'"]


def test_reader_defaults_are_valid() -> None:
    assert ReaderSettings().chunk_overlap < ReaderSettings().chunk_tokens


def flags(command: click.Command) -> Iterator[str]:
    for parameter in command.params:
        yield from [*parameter.opts, *parameter.secondary_opts]
    if isinstance(command, click.Group):
        for child in command.commands.values():
            yield from flags(child)


def test_every_flag_that_a_message_names_exists() -> None:
    known = {*flags(main), "--help"}
    for path in Path(xqg.__file__).parent.rglob("*.py"):
        for flag in re.findall(r"(?<![\w-])--[a-z][a-z0-9-]+(?![\w-])", path.read_text(encoding="utf-8")):
            assert flag in known or flag == "--no-", f"{path.name}: {flag}"


@pytest.mark.parametrize(
    ("environment", "flags", "left"),
    [
        ({"XQG_LANGUAGES": "fr,ja"}, ["--generator", "none"], {"generator": {"spec": "none"}}),
        ({"XQG_GENERATOR": "none"}, ["--languages", "fr"], {"generator": {"languages": ("fr",)}}),
        ({"XQG_LANGUAGES": "fr", "XQG_RULE": "mean"}, ["--generator", "none"], {"generator": {"spec": "none"}}),
        ({"XQG_GENERATOR": "none"}, ["--rule", "sum"], {"fusion": {"rule": "sum"}}),
        (
            {"XQG_POOLING": "cls", "XQG_NORMALISE": "0"},
            ["--encoder", "bundled"],
            {"encoder": {"spec": "bundled"}},
        ),
        ({"XQG_ENCODER": "bundled"}, ["--pooling", "cls"], {"encoder": {"pooling": "cls"}}),
        ({"XQG_BETA": "0.2"}, ["--rule", "neutral"], {"fusion": {"rule": "neutral"}}),
        ({"XQG_RULE": "plain"}, ["--alpha", "0.5"], {"fusion": {"alpha": 0.5}}),
        ({"XQG_CHUNK_OVERLAP": "64"}, ["--chunk-tokens", "60"], {"reader": {"chunk_tokens": 60}}),
        ({"XQG_CHUNK_OVERLAP": "64"}, ["--chunk-tokens", "20"], {"reader": {"chunk_tokens": 20}}),
        (
            {"XQG_STYLE": "passage", "XQG_LANGUAGES": "fr"},
            ["--augment-with", "queries"],
            {"generator": {"languages": ("fr",), "augment_with": "queries"}},
        ),
        # no flag is in it: an error stays one
        (
            {"XQG_LANGUAGES": "fr", "XQG_GENERATOR": "none"},
            ["--batch-size", "3"],
            {"generator": {"spec": "none", "languages": ("fr",)}, "job": {"batch_size": 3}},
        ),
        # two flags conflict
        (
            {},
            ["--generator", "none", "--languages", "fr"],
            {"generator": {"spec": "none", "languages": ("fr",)}},
        ),
    ],
)
def test_the_environment_yields_to_a_flag_that_it_conflicts_with(
    environment: dict[str, str], flags: list[str], left: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("XQG_ENCODER_ENGINE", raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    with main.commands["ingest"].make_context("ingest", ["corpus.jsonl", *flags]) as context:
        values = collect(context.params)
    assert {group: given for group, given in values.items() if given} == left


def test_every_conflict_names_options_with_a_flag() -> None:
    """Else the environment could not yield."""
    files = [Path(module.__file__) for module in (xqg.settings, xqg.model_settings)]
    raised = [
        [part.value for part in node.args[1:] if isinstance(part, ast.Constant)]
        for file in files
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "ConflictError"
    ]
    names = {path.partition(".")[2] for path in FLAGS}
    assert len(raised) >= 8
    assert all(name.rpartition(".")[2] in names for options in raised for name in options)


@pytest.mark.parametrize("index", ["year", "year:", ":integer", "year:number"])
def test_an_index_that_cannot_be_read(index: str) -> None:
    with pytest.raises(SettingsError, match="KEY:TYPE"):
        validated(IngestSettings, {"store": {"collection": "c"}, "index": (index,)})


def test_a_limit_without_anything_to_bound() -> None:
    with pytest.raises(SettingsError, match="give --sync too"):
        validated(IngestSettings, {"store": {"collection": "c"}, "sync_limit": 3})
