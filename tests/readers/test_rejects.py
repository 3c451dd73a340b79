"""The rejects file: made when needed, replaced when ours, and never over anything else."""

import json

import pytest

from xqg.errors import SettingsError
from xqg.readers.rejects import RejectsFile, read_rejects
from xqg.records import Reject

REJECT = Reject("c.jsonl", 3, "not UTF-8", "caf\udce9")


def test_the_file_is_made_at_the_first_reject_and_every_line_is_there_at_once(tmp_path):
    path = tmp_path / "r.jsonl"
    with RejectsFile(path) as rejects:
        assert not path.exists()
        rejects.write(REJECT)
        assert path.read_bytes() == (b'{"file": "c.jsonl", "line": 3, "reason": "not UTF-8", "record": "caf\\udce9"}\n')
        rejects.write(Reject("c.jsonl", 4, "text is empty", {"id": "é", "text": ""}))
        assert len(list(read_rejects(path))) == 2
    assert list(read_rejects(path)) == [REJECT, Reject("c.jsonl", 4, "text is empty", {"id": "é", "text": ""})]


def test_bytes_survive(tmp_path):
    with RejectsFile(tmp_path / "r.jsonl") as rejects:
        rejects.write(REJECT)
    (reject,) = read_rejects(tmp_path / "r.jsonl")
    assert reject.record.encode("utf-8", "surrogateescape") == b"caf\xe9"


def test_every_line_is_strict_json(tmp_path):
    nested = []
    for _ in range(50_000):
        nested = [nested]
    with RejectsFile(tmp_path / "r.jsonl") as rejects:
        rejects.write(Reject("f", 1, "metadata.x is inf", {"x": [float("inf"), 1.5]}))
        rejects.write(Reject("f", 2, "nested", nested))
    first, second = (tmp_path / "r.jsonl").read_text().splitlines()
    assert json.loads(first)["record"] == {"x": ["inf", 1.5]}
    assert json.loads(second)["record"] == "(nested too deeply to be written)"


def test_a_stale_file_is_replaced_at_the_first_reject_only(tmp_path):
    path = tmp_path / "r.jsonl"
    with RejectsFile(path) as rejects:
        rejects.write(REJECT)
        rejects.write(REJECT)
    with RejectsFile(path) as rejects:
        assert len(path.read_text().splitlines()) == 2
        rejects.write(REJECT)
    assert len(path.read_text().splitlines()) == 1


def test_a_stale_file_goes_when_a_run_ends_well_without_rejects(tmp_path):
    path = tmp_path / "r.jsonl"
    with RejectsFile(path) as rejects:
        rejects.write(REJECT)
    with pytest.raises(KeyError), RejectsFile(path):
        raise KeyError
    assert path.exists()
    with RejectsFile(path):
        pass
    assert not path.exists()


def test_a_torn_last_line_is_still_ours(tmp_path):
    path = tmp_path / "r.jsonl"
    with RejectsFile(path) as rejects:
        rejects.write(REJECT)
    path.write_bytes(path.read_bytes() + b'{"file": "c.js')
    with RejectsFile(path):
        pass
    assert not path.exists()


@pytest.mark.parametrize(
    "content", [b'{"id": "a", "text": "t"}\n', b"some notes\n", b"[1]\n", b"some notes", b"\xff\xfe\n"]
)
def test_anything_else_is_refused_and_left_alone(tmp_path, content):
    path = tmp_path / "r.jsonl"
    path.write_bytes(content)
    with pytest.raises(SettingsError, match="holds something else"):
        RejectsFile(path)
    assert path.read_bytes() == content


def test_an_input_is_refused(tmp_path):
    source = tmp_path / "c.jsonl"
    source.write_text("")
    link = tmp_path / "link.jsonl"
    link.symlink_to(source)
    texts = tmp_path / "texts"
    texts.mkdir()
    for path, inputs in [
        (source, [source]),
        (link, [source]),
        (tmp_path / "texts" / ".." / "c.jsonl", [source]),
        (texts, [texts]),
        (texts / "rejects.txt", ["-", texts]),
        (texts / "corpus.jsonl", [texts]),
        (tmp_path / "new.jsonl", [tmp_path / "new.jsonl"]),
    ]:
        with pytest.raises(SettingsError, match="is an input"):
            RejectsFile(path, [str(one) for one in inputs])
    RejectsFile(texts / "rejects.jsonl", [str(texts), "-"])


def test_a_path_that_cannot_be_written_is_told_at_once(tmp_path):
    with pytest.raises(SettingsError, match="there is no folder"):
        RejectsFile(tmp_path / "missing" / "r.jsonl")
    with pytest.raises(SettingsError, match="it is a folder"):
        RejectsFile(tmp_path)


def test_a_good_run_needs_no_right_to_write(tmp_path, monkeypatch, caplog):
    def refuse(path, *_, **__):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("pathlib.Path.unlink", refuse)
    monkeypatch.setattr("pathlib.Path.open", refuse)
    with RejectsFile(tmp_path / "rejects.jsonl"):
        pass
    assert caplog.text == ""
    monkeypatch.undo()
    with RejectsFile(tmp_path / "rejects.jsonl") as kept:
        kept.write(Reject("f", 1, "reason", {}))
    with RejectsFile(tmp_path / "rejects.jsonl"):
        monkeypatch.setattr("pathlib.Path.unlink", refuse)
    assert "cannot be deleted: Permission denied" in caplog.text
