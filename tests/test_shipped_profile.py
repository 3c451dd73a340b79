"""The bundled encoder's profile in the package is the one that its vectors of the probe make."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import xqg
from xqg.assembly import build_encoder
from xqg.encoders.profiles import find_profile, measure_profile, profile_name, read_probe
from xqg.fusion.profile import MOST_DIRECTIONS
from xqg.settings import EncoderSettings

PROBE = Path(xqg.__file__).parent / "probe"


def test_it_is_found_without_encoding_anything(tmp_path, monkeypatch):
    monkeypatch.setenv("XQG_CACHE", str(tmp_path))  # nothing cached
    monkeypatch.setattr("xqg.encoders.profiles.measure_profile", None)
    encoder = build_encoder(EncoderSettings())
    assert [path.name for path in PROBE.glob("*.json")] == [profile_name(encoder)]
    profile = find_profile(encoder)
    np.testing.assert_allclose(profile.basis @ profile.basis.T, np.eye(MOST_DIRECTIONS), atol=1e-5)
    assert profile.languages == tuple(sorted({question["language"] for question in read_probe()}))


@pytest.mark.model
def test_it_is_what_the_encoder_makes():
    encoder = build_encoder(EncoderSettings())
    shipped, measured = find_profile(encoder), measure_profile(encoder)
    assert shipped.languages == measured.languages
    overlap = np.linalg.norm(shipped.basis @ measured.basis.T) ** 2 / len(shipped.basis)  # 1: the same subspace
    assert overlap > 0.99
    assert shipped.direction @ measured.direction > 0.999
    np.testing.assert_allclose([shipped.share, shipped.scale], [measured.share, measured.scale], rtol=0.01)


def write() -> None:
    """Write it anew."""
    for path in PROBE.glob("*.json"):
        path.unlink()
    encoder = build_encoder(EncoderSettings())
    text = json.dumps(measure_profile(encoder).to_json())
    (PROBE / profile_name(encoder)).write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    write()
