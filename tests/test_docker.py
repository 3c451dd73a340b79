"""The container files, as YAML: what they promise holds, and the commands in their comments are ones that xqg takes."""

import re
import shlex
from pathlib import Path
from typing import Any

import pytest

from xqg.cli import main

yaml = pytest.importorskip("yaml")

ROOT = Path(__file__).parent.parent
FOLDER = ROOT / "docker"
FILES = ["Dockerfile", "compose.yaml", "compose.gpu.yaml"]
REFERENCE = re.compile(r"^\$\{\w+(:[-?][^}]*)?\}$")


def compose(name: str = "compose.yaml") -> dict[str, Any]:
    return yaml.safe_load((FOLDER / name).read_text(encoding="utf-8"))


def examples() -> list[list[str]]:
    """The words of every docker command in the comments."""
    found = []
    for name in FILES:
        comments = re.findall(r"^# ?(.*)$", (FOLDER / name).read_text(encoding="utf-8"), re.MULTILINE)
        text = re.sub(r"\\\n\s*", "", "\n".join(comments))
        found += [shlex.split(line) for line in text.splitlines() if re.match(r" +docker ", line)]
    return found


def xqg_commands() -> list[list[str]]:
    """The words after xqg in these commands."""
    return [after for words in examples() if "run" in words and (after := words[words.index("xqg") + 1 :])]


def test_the_examples_are_found():
    assert {words[0] for words in xqg_commands()} == {"doctor", "demo", "ingest", "search"}


@pytest.mark.parametrize("words", xqg_commands(), ids=" ".join)
def test_every_xqg_command_can_be_parsed(words, monkeypatch):
    for variable in ("QDRANT_URL", "OPENAI_BASE_URL"):
        monkeypatch.delenv(variable, raising=False)
    context = main.commands[words[0]].make_context(words[0], words[1:])
    if words[0] in ("ingest", "search"):
        assert context.params["store_collection"] == "help"


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


def test_the_gpu_file_adds_to_a_service_that_exists():
    assert set(compose("compose.gpu.yaml")["services"]) <= set(compose()["services"])


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


def test_the_manifest_fits_the_schemas_of_kubernetes():
    kubernetes_validate = pytest.importorskip("kubernetes_validate")
    for part in manifest().values():
        kubernetes_validate.validate(part, kubernetes_validate.latest_version(), strict=True)
    part["spec"]["template"]["spec"]["containers"][0]["imagee"] = "a typing error"
    with pytest.raises(kubernetes_validate.ValidationError, match="imagee"):
        kubernetes_validate.validate(part, kubernetes_validate.latest_version(), strict=True)
