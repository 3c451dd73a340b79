"""What stands in a collection's metadata is data: it chooses no address, path, key or device; bad forms are told."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from xqg.errors import SettingsError, StoreError
from xqg.metadata import check_metadata, noted_encoder

GOOD: dict[str, Any] = {
    "state": "ready",
    "fingerprint": "f",
    "settings": {"schema": 2, "encoder": {"kind": "bundled"}, "rule": "views", "alpha": 0.3, "beta": 0.4, "views": 32},
    "encoder": {"spec": "bundled"},
    "profile": None,
}


def test_what_xqg_writes_is_good() -> None:
    check_metadata(GOOD, "c")
    check_metadata({**GOOD, "of a later version": [1]}, "c")


@pytest.mark.parametrize(
    "change",
    [
        {"settings": None},
        {"settings": []},
        {"settings": {}},
        {"settings": {"encoder": "bundled"}},
        {"settings": {"encoder": {}, "rule": "evil"}},
        {"settings": {"encoder": {}, "alpha": float("nan")}},
        {"settings": {"encoder": {}, "alpha": "0.3"}},
        {"settings": {"encoder": {}, "views": -1}},
        {"settings": {"encoder": {}, "languages": "fr"}},
        {"settings": {"encoder": {}, "languages": [{}]}},
        {"settings": {"encoder": {}, "generator": "bundled"}},
        {"state": ["ready"]},
        {"state": "broken"},
        {"fingerprint": 3},
        {"encoder": "openai:m"},
        {"profile": "AAAA"},
    ],
)
def test_anything_else_is_told(change: dict[str, Any]) -> None:
    with pytest.raises(StoreError, match="metadata of collection 'c' is damaged at"):
        check_metadata({**GOOD, **change}, "c")


def test_a_noted_encoder_chooses_no_address_key_or_device() -> None:
    noted = {
        "spec": "openai:m",
        "query_prefix": "q: ",
        "base_url": "http://evil/v1",
        "api_key": "k",
        "device": "cuda:7",
    }
    found = noted_encoder({"encoder": noted}, {}, "c")
    assert (found.spec, found.query_prefix) == ("openai:m", "q: ")
    assert (found.base_url, found.api_key, found.device) == (None, None, "auto")
    assert noted_encoder({"encoder": noted}, {"base_url": "http://mine/v1"}, "c").base_url == "http://mine/v1"


@pytest.mark.parametrize(
    "path", ["/etc/model", "./model", "../model", "~/model", "a/b/c", "C:\\model", "\\\\host\\model"]
)
def test_a_noted_folder_is_not_followed(path: str) -> None:
    with pytest.raises(SettingsError, match="--encoder"):
        noted_encoder({"encoder": {"spec": f"hf:{path}"}}, {}, "c")


def test_a_folder_with_the_name_of_a_hub_model_is_not_followed_either(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert noted_encoder({"encoder": {"spec": "hf:org/model"}}, {}, "c").spec == "hf:org/model"
    (tmp_path / "org" / "model").mkdir(parents=True)
    with pytest.raises(SettingsError, match="folder"):
        noted_encoder({"encoder": {"spec": "hf:org/model"}}, {}, "c")


@pytest.mark.parametrize(
    "noted", [None, [], {}, {"spec": 3}, {"spec": "pickle:x"}, {"spec": "bundled", "pooling": "x"}]
)
def test_what_is_no_encoder_is_told(noted: Any) -> None:
    with pytest.raises(StoreError, match="'c'"):
        noted_encoder({"encoder": noted} if noted is not None else {}, {}, "c")
