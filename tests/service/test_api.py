"""The routes: what goes in comes out, in the shapes that are promised."""

from __future__ import annotations

import json
from collections.abc import Callable
from unittest.mock import Mock

import pytest
from starlette.testclient import TestClient

from tests.service.conftest import add, ended, until
from tests.service.serving import SlowEncoder
from xqg.errors import EncodingError
from xqg.service import parts, service

PASSAGES = [
    {"id": "a", "text": "Change the battery of the lamp.", "language": "en"},
    {"id": "b", "text": "Where the invoice is sent.", "title": "invoice", "language": "en", "metadata": {"kind": 3}},
    {"id": "docs/c.md", "text": "The password is long.", "language": "en"},
]


def test_a_collection_is_made_once_and_conflicts_show_both(client: TestClient) -> None:
    assert client.put("/v1/collections/other", json={"generator": "none"}).status_code == 201
    assert client.put("/v1/collections/other", json={"generator": "none"}).status_code == 200
    answer = client.put("/v1/collections/other", json={"fusion": "neutral"})
    assert answer.status_code == 409
    assert answer.json()["stored"] == {"generator": {"spec": "none"}}
    assert answer.json()["asked"] == {"fusion": {"rule": "neutral"}}
    assert client.get("/v1/collections/other").json()["passages"] == 0
    names = [found["name"] for found in client.get("/v1/collections").json()["collections"]]
    assert names == ["help", "other"]


@pytest.mark.parametrize(
    "settings",
    [
        {"generator": "file:/etc/passwd"},
        {"generator": "openai:gpt"},
        {"generator": {"spec": "bundled", "languages": ["fr"], "base_url": "http://10.0.0.1"}},
        {"encoder": "hf:/root"},
        {"encoder": {"spec": "bundled", "api_key": "x"}},
        {"store": {"spec": "edge:/tmp/x"}},
        {"reader": {"format": "folder"}},
        {"generator": ["none"]},
        {"fusion": {"rule": "unknown"}},
    ],
)
def test_a_request_names_no_file_no_address_and_no_key(client: TestClient, settings: object) -> None:
    assert client.put("/v1/collections/new", json=settings).status_code == 400
    assert client.get("/v1/collections/new").status_code == 404


def test_passages_are_stored_found_shown_and_deleted(client: TestClient) -> None:
    job = add(client, *PASSAGES)
    assert (job["state"], job["counts"]["upserted"], job["rejected"], job["remaining"]) == ("done", 3, 0, 0)
    assert client.get("/v1/collections/help").json()["passages"] == 3
    found = client.post("/v1/collections/help/search", json={"query": "battery", "k": 1}).json()
    assert [(hit["id"], hit["score"] > 0) for hit in found["hits"]] == [("a", True)]
    shown = client.get("/v1/collections/help/passages/docs%2Fc.md").json()
    assert shown["sentences"] == ["The password is long."]
    assert shown["pieces"][0] == {"kind": "sentence", "language": "en", "text": "The password is long."}
    assert client.delete("/v1/collections/help/passages/docs/c.md").json()["deleted"] == 1
    assert client.get("/v1/collections/help/passages/docs/c.md").status_code == 404
    assert client.delete("/v1/collections/help/documents/unknown").json()["deleted"] == 0
    assert {one["id"] for one in client.get("/v1/collections/help/passages").json()["passages"]} == {"a", "b"}
    assert client.get("/v1/collections/help").json()["passages"] == 2


def test_filters_are_those_of_the_command_line(client: TestClient) -> None:
    add(client, *PASSAGES)
    for filters, expected in (
        ({"kind": 3}, ["b"]),
        ({"kind": [3, 4]}, ["b"]),
        ({"kind": 3.0}, ["b"]),
        ({"kind": "3"}, []),
        ({"kind": True}, []),
        ({"kind": {">=": 3, "<": 4}}, ["b"]),
        ({"kind": {">": 3}}, []),
        ({"kind": 10**20}, []),
        (["kind>=3"], ["b"]),
        (["kind=3", "document_id=b"], ["b"]),
    ):
        body = {"query": "invoice battery", "filters": filters}
        hits = client.post("/v1/collections/help/search", json=body).json()["hits"]
        assert [hit["id"] for hit in hits] == expected, filters
    for filters, status in (({"kind": []}, 400), (["kind"], 400), ({"kind": {"~": 3}}, 400), ({"kind": None}, 422)):
        body = {"query": "invoice battery", "filters": filters}
        assert client.post("/v1/collections/help/search", json=body).status_code == status, filters


def test_lines_and_files_go_in_like_json(client: TestClient) -> None:
    lines = "".join(json.dumps(passage) + "\n" for passage in PASSAGES)
    answer = client.post(
        "/v1/collections/help/passages", content=lines, headers={"content-type": "application/x-ndjson"}
    )
    assert answer.status_code == 202
    assert answer.json()["state"] == "queued"
    assert ended(client, answer.json())["counts"]["upserted"] == 3
    page = b"# Gate\n\nHold the battery against the valve.\n"
    answer = client.post("/v1/collections/help/passages", files={"file": ("../../gate.md", page, "text/markdown")})
    assert ended(client, answer.json())["counts"]["upserted"] == 1
    assert client.get("/v1/collections/help/passages/gate.md").json()["title"] == "Gate"
    again = client.post("/v1/collections/help/passages", files={"file": ("gate.md", page)})
    counts = ended(client, again.json())["counts"]
    assert (counts["skipped"], counts["rejected"]) == (1, 0)
    table = "id;text\n1;The refund\n2;\n"
    answer = client.post("/v1/collections/help/passages", content=table, headers={"content-type": "text/csv"})
    job = ended(client, answer.json())
    assert (job["counts"]["upserted"], job["rejected"], job["rejects"][0]["line"]) == (1, 1, 3)
    assert job["rejects"][0]["file"] == "the stream"


def test_bad_records_and_poison_are_rejects_and_the_rest_is_stored(client: TestClient) -> None:
    job = add(client, PASSAGES[0], 7, {"id": "x"}, {"id": "p", "text": "poison"}, {"id": "y", "text": "a valve"})
    assert (job["state"], job["counts"]["upserted"], job["rejected"]) == ("done", 2, 3)
    assert [reject["line"] for reject in job["rejects"]] == [2, 3, 0]
    assert job["rejects"][2]["reason"] == "A text cannot be encoded."
    assert client.get(f"/v1/jobs/{job['id']}/rejects?skip=2").json()["rejects"][0]["record"]["id"] == "p"
    assert client.get("/v1/jobs?state=done").json()["jobs"][0]["id"] == job["id"]


def test_an_upload_that_cannot_be_read_is_refused_at_once(client: TestClient) -> None:
    for files in ({"file": ("a.pdf", b"%PDF")}, {"file": ("a.csv", b"name,age\n1,2\n")}, {"other": (None, b"x")}):
        answer = client.post("/v1/collections/help/passages", files=files)
        assert answer.status_code == 422
        assert "spool" not in answer.text
    assert client.get("/v1/jobs").json()["jobs"] == []


def test_a_long_document_is_found_and_deleted_by_its_own_id(client: TestClient) -> None:
    add(client, {"id": "long", "text": "The valve is open. " * 400})
    size = client.get("/v1/collections/help").json()["passages"]
    assert size > 1
    assert client.get("/v1/collections/help/passages/long").json()["chunks"] == size
    assert client.delete("/v1/collections/help/passages/long%232").json()["deleted"] == size


def test_both_rankings_and_both_measures(client: TestClient) -> None:
    add(client, *PASSAGES)
    both = client.post("/v1/collections/help/compare", json={"query": "invoice", "k": 2}).json()
    assert both["plain"]["hits"][0]["id"] == both["xqg"]["hits"][0]["id"] == "b"
    assert both["xqg"]["hits"][0]["closest_piece"]["text"] == "invoice"
    questions = [
        {"query": "battery", "language": "fr", "passage_id": "a"},
        {"query": "password", "language": "ja", "passage_id": ["docs/c.md"]},
        {"query": "invoice", "language": "ja", "passage_id": "a"},
    ]
    table = client.post("/v1/collections/help/compare", json={"queries": questions}).json()["languages"]
    assert table["fr"]["plain"] == {"recall@1": 1.0, "mrr@10": 1.0}
    assert (table["ja"]["questions"], table["ja"]["xqg"]["recall@1"]) == (2, 0.5)


def test_passages_of_one_page_are_compared_as_documents_of_their_own(client: TestClient) -> None:
    add(client, *({"id": f"faq#{word}", "text": word} for word in ("battery", "invoice", "password")))
    questions = [{"query": "battery battery invoice invoice password", "passage_id": "faq#password"}]
    table = client.post("/v1/collections/help/compare", json={"queries": questions}).json()["languages"]
    (found,) = table.values()
    assert found["plain"]["mrr@10"] == found["xqg"]["mrr@10"] == 0.3333


def test_a_question_is_encoded_once_to_compare(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    add(client, *PASSAGES)
    encoder, encoded = parts.build_encoder(), []  # type: ignore[call-arg]
    encode = encoder.encode_queries
    monkeypatch.setattr(encoder, "encode_queries", lambda texts: (encoded.extend(texts), encode(texts))[1])
    client.post("/v1/collections/help/compare", json={"query": "battery ?", "k": 2})
    client.post("/v1/collections/help/compare", json={"queries": [{"query": "refund ?", "passage_id": "a"}]})
    assert [encoded.count(question) for question in ("battery ?", "refund ?")] == [1, 1]


def test_a_job_is_watched_to_its_end(client: TestClient) -> None:
    job = client.post("/v1/collections/help/passages", json=PASSAGES).json()
    events = client.get(f"/v1/jobs/{job['id']}/events")
    assert events.headers["content-type"].startswith("text/event-stream")
    last = events.text.strip().split("\n\n")[-1]
    assert last.startswith("event: progress\ndata: ")
    assert json.loads(last.partition("data: ")[2])["state"] == "done"


def test_a_collection_is_deleted_only_with_the_flag(client: TestClient) -> None:
    add(client, *PASSAGES)
    assert client.delete("/v1/collections/help").status_code == 400
    assert client.delete("/v1/collections/help?confirm=true").json() == {"deleted": "help"}
    assert client.get("/v1/collections/help").status_code == 404
    client.put("/v1/collections/help", json={})
    assert client.post("/v1/collections/help/search", json={"query": "battery"}).json()["hits"] == []
    assert client.delete("/v1/collections/never?confirm=true").status_code == 404


def test_health_readiness_numbers_and_the_page(client: TestClient) -> None:
    assert client.get("/healthz").json()["status"] == "ok"
    add(client, *PASSAGES)
    until(
        lambda: client.get("/readyz").json() == {"ready": True, "store": "ok", "models": "ok"}
    )  # models load meanwhile
    text = client.get("/metrics").text
    assert 'xqg_passages_total{outcome="upserted"} 3.0' in text
    assert 'xqg_jobs{state="done"} 1.0' in text
    page = client.get("/")
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert "default-src 'none'" in page.headers["content-security-policy"]
    assert client.get("/page.js").status_code == client.get("/page.css").status_code == 200
    assert "/v1/collections/{name}/search" in client.get("/openapi.json").json()["paths"]


def test_models_are_loaded_again_until_they_can_be(
    serve: Callable[..., TestClient], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "CHECK_SECONDS", 0.1)
    with pytest.MonkeyPatch.context() as down:
        down.setattr(SlowEncoder, "encode_queries", Mock(side_effect=EncodingError("Nothing answers")))
        client = serve()
        until(lambda: client.get("/readyz").json()["models"].startswith("Nothing answers"))
    until(lambda: client.get("/readyz").json()["models"] == "ok")


def test_augmenting_needs_a_server(client: TestClient) -> None:
    answer = client.post("/v1/augment", json={"source": "docs", "into": "docs-xqg"})
    assert answer.status_code == 400
    assert "Qdrant server" in answer.json()["detail"]


def test_two_services_do_not_share_a_folder(serve: Callable[..., TestClient]) -> None:
    from xqg.errors import SettingsError

    serve()
    with pytest.raises(SettingsError, match="this service alone"):
        serve()
