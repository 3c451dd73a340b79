"""Finding an encoder's profile: from the probe texts that ship with xqg, once for every encoder.

That of the bundled encoder ships too; `python -m tests.test_shipped_profile` writes it anew.
"""

from __future__ import annotations

import gzip
import json
import logging
from importlib.resources import files
from typing import Any

from xqg.download import replace_file
from xqg.errors import READING_ERRORS, ModelError, StoreError
from xqg.fusion.profile import EncoderProfile, encoder_profile
from xqg.models import cache_folder
from xqg.protocols import Encoder
from xqg.records import Passage, digest

logger = logging.getLogger(__name__)

_DAMAGED: tuple[type[Exception], ...] = (StoreError, *READING_ERRORS)

FORMAT = 4
"""Part of the names in the cache: another probe or formula, another number."""


def find_profile(encoder: Encoder) -> EncoderProfile:
    """The profile of ``encoder``: from the package, or from the cache folder where an earlier run has left it there.

    Else it encodes the probe: 3,009 questions in 22 languages on both sides and 120 pages; seconds with a local model.

    :raises EncodingError: if the encoder makes vectors that are not finite.
    """
    name = profile_name(encoder)
    shipped = files("xqg") / "probe" / name
    if shipped.is_file():
        return EncoderProfile.from_json(json.loads(shipped.read_text(encoding="utf-8")))
    path = cache_folder() / "profiles" / name
    if path.is_file():
        try:
            return EncoderProfile.from_json(json.loads(path.read_text(encoding="utf-8")))
        except _DAMAGED as error:
            logger.warning("The cached profile %s is damaged and made anew: %s", path, error)
    profile = measure_profile(encoder)
    try:
        replace_file(path, json.dumps(profile.to_json()).encode())
    except ModelError as error:  # costs the next run its time, no more
        logger.warning("The encoder's profile cannot be kept in %s: %s", path.parent, error)
    return profile


def measure_profile(encoder: Encoder) -> EncoderProfile:
    """The profile of ``encoder`` from the probe texts, encoded now."""
    questions = read_probe()
    return encoder_profile(
        encoder.encode_queries([question["query"] for question in questions]),
        encoder.encode_passages([Passage("", question["query"]) for question in questions]),
        [question["language"] for question in questions],
        encoder.encode_passages(probe_passages()),
    )


def read_probe() -> list[dict[str, str]]:
    """The probe questions, each with ``language`` (ISO 639-1) and ``query``; from Tatoeba, CC BY 2.0 FR."""
    packed = (files("xqg") / "probe" / "questions.jsonl.gz").read_bytes()
    return [json.loads(line) for line in gzip.decompress(packed).decode("utf-8").splitlines()]


def probe_passages() -> list[Passage]:
    """The pages of the sample help centre."""
    lines = (files("xqg") / "sample" / "corpus.jsonl").read_text(encoding="utf-8").splitlines()
    pages: list[dict[str, Any]] = [json.loads(line) for line in lines]
    return [Passage(page["id"], page["text"], page["title"]) for page in pages]


def profile_name(encoder: Encoder) -> str:
    """The name of the file that holds the encoder's profile."""
    return f"{digest([FORMAT, dict(encoder.identity)])}.json"
