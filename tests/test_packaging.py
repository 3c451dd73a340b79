"""What pip reads: docs/install.md has a row for each core dependency, and what has no wheel is left out there."""

from __future__ import annotations

import importlib.metadata
import sys

from packaging.requirements import Requirement

from tests.platforms import PLATFORMS, PYTHONS, ROOT, read_table
from xqg.doctor import LOCAL_MODELS, OPTIONAL, REQUIRED

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


def core() -> list[Requirement]:
    found = [Requirement(text) for text in importlib.metadata.requires("xqg") or []]
    return [requirement for requirement in found if "extra" not in str(requirement.marker)]


def installed_on(system: str) -> set[str]:
    """The core dependencies that pip installs there, with one Python or the other."""
    places = [{"sys_platform": system, "python_version": python, "extra": ""} for python in PYTHONS]
    return {
        requirement.name
        for requirement in core()
        if requirement.marker is None or any(requirement.marker.evaluate(place) for place in places)
    }


def test_the_table_has_every_core_dependency() -> None:
    names = {requirement.name for requirement in core()}
    table = read_table()
    assert list(table) == list(PLATFORMS)
    assert all(sorted(claims) == sorted(names) for claims in table.values())


def test_every_core_dependency_is_pinned() -> None:
    """The table speaks of those versions."""
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pinned = {Requirement(line).name for line in lines if line and not line.startswith("#")}
    assert {requirement.name for requirement in core()} <= pinned


def test_torch_has_a_ceiling_that_the_pinned_and_the_installed_version_keep() -> None:
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["dependencies"]
    (torch,) = [Requirement(line) for line in declared if Requirement(line).name == "torch"]
    assert [part.operator for part in torch.specifier if part.operator.startswith("<")] == ["<"]
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    (pinned,) = [Requirement(line) for line in lines if line.startswith("torch==")]
    (version,) = [part.version for part in pinned.specifier]
    assert version in torch.specifier
    assert importlib.metadata.version("torch").split("+")[0] in torch.specifier


def test_what_has_no_wheel_for_windows_is_no_dependency_there() -> None:
    claims = read_table()["Windows x86-64"]
    assert installed_on("win32") == {name for name, claimed in claims.items() if claimed}


def test_doctor_looks_at_what_must_be_there_and_at_every_extra() -> None:
    offered = importlib.metadata.metadata("xqg").get_all("Provides-Extra") or []
    assert {extra for extra, _ in OPTIONAL.values()} == set(offered) - {"dev", "docs"}
    assert {*REQUIRED, *LOCAL_MODELS} - {"xqg"} <= {requirement.name for requirement in core()}


def test_linux_gets_everything() -> None:
    names = {requirement.name for requirement in core()}
    assert installed_on("linux") == names
    for platform in ("Linux x86-64", "Linux aarch64"):
        assert {name for name, claimed in read_table()[platform].items() if claimed} == names
