"""Chunks: what is split, what is not, and that ids never collide over the whole corpus."""

import json
from dataclasses import replace

import pytest

from tests.readers.test_readers import EchoDetector
from xqg.errors import InputError, SettingsError
from xqg.readers.corpus import Chunker, Claim, Corpus, SeenIds, check_sources
from xqg.records import Passage, Reject, digest
from xqg.settings import ReaderSettings

SETTINGS = ReaderSettings(chunk_tokens=16, chunk_overlap=4, language="en")
WORDS = [f"word{number}" for number in range(50)]
LONG = " ".join(WORDS)


def count_words(text):
    return len(text.split())


def test_long_text_is_split_with_overlap_and_loses_no_word():
    chunks = Chunker(count_words, SETTINGS).chunk(Passage("doc", LONG, title="T", language="en", metadata={"page": 1}))
    # 50 words in windows of 16 that step by 12: words 0-15, 12-27, 24-39, 36-49
    assert [chunk.text.split() for chunk in chunks] == [WORDS[0:16], WORDS[12:28], WORDS[24:40], WORDS[36:50]]
    assert [chunk.id for chunk in chunks] == ["doc#1", "doc#2", "doc#3", "doc#4"]
    assert [(chunk.document_id, chunk.chunk, chunk.chunks) for chunk in chunks] == [
        ("doc", number, 4) for number in (1, 2, 3, 4)
    ]
    assert {(chunk.title, chunk.language, chunk.metadata["page"]) for chunk in chunks} == {("T", "en", 1)}
    assert len({chunk.document_hash for chunk in chunks}) == 1


def test_a_text_that_fits_stays_as_it_is():
    passage = Passage("doc", "  " + " ".join(WORDS[:16]) + "\n", language="en")
    (chunk,) = Chunker(count_words, SETTINGS).chunk(passage)
    expected_hash = digest(["doc", "", passage.text, "en", {}, [16, 4], 1])
    assert chunk == replace(passage, document_id="doc", document_hash=expected_hash)


def test_short_texts_are_never_tokenised():
    def refuse(text):
        raise RuntimeError(f"tokenised {text}")

    chunker = Chunker(refuse, SETTINGS)
    assert len(chunker.chunk(Passage("a", "x" * 16))) == 1
    assert len(chunker.chunk(Passage("a", "é" * 8))) == 1
    with pytest.raises(RuntimeError, match="tokenised"):
        chunker.chunk(Passage("a", "é" * 8 + "x"))


def test_chunking_can_be_turned_off():
    whole = ReaderSettings(chunk=False, chunk_tokens=16, chunk_overlap=4)
    (chunk,) = Chunker(count_words, whole).chunk(Passage("doc", LONG, language="en"))
    assert (chunk.id, chunk.text, chunk.chunks) == ("doc", LONG, 1)
    assert chunk.document_hash == digest(["doc", "", LONG, "en", {}, None, 1])


def test_markdown_is_split_at_headings():
    text = "# One\n\n" + " ".join(WORDS[:11]) + "\n\n# Two\n\n" + " ".join(WORDS[11:22])
    texts = [chunk.text for chunk in Chunker(count_words, SETTINGS).chunk(Passage("guide.md", text))]
    assert [part.split("\n")[0] for part in texts] == ["# One", "# Two"]


def test_chunks_are_deterministic_and_cover_unbroken_text():
    passage = Passage("doc", "日本語の文章です。" * 30)
    settings = ReaderSettings(chunk_tokens=32, chunk_overlap=0)
    first, second = (Chunker(len, settings).chunk(passage) for _ in range(2))
    assert first == second
    assert "".join(chunk.text for chunk in first) == passage.text
    assert max(len(chunk.text) for chunk in first) <= 32


@pytest.mark.parametrize(
    "changed",
    [{"text": LONG + " x"}, {"title": "U"}, {"language": "fr"}, {"metadata": {"page": 2}}, {"id": "other"}],
)
def test_document_hash_tells_every_change(changed):
    chunker = Chunker(count_words, SETTINGS)
    passage = Passage("doc", LONG, title="T", metadata={"page": 1})
    assert chunker.chunk(passage)[0].document_hash != chunker.chunk(replace(passage, **changed))[0].document_hash


def test_document_hash_tells_another_split():
    passage = Passage("doc", LONG)
    finer = ReaderSettings(chunk_tokens=16, chunk_overlap=5)
    hashes = [
        Chunker(count_words, SETTINGS).chunk(passage)[0].document_hash,
        Chunker(count_words, finer).chunk(passage)[0].document_hash,
        Chunker(lambda text: 2 * count_words(text), SETTINGS).chunk(passage)[0].document_hash,
    ]
    assert len(set(hashes)) == 3


def ingest(tmp_path, *files):
    sources = []
    for number, records in enumerate(files):
        path = tmp_path / f"{number}.jsonl"
        path.write_text("".join(json.dumps({"id": key, "text": text}) + "\n" for key, text in records))
        sources.append(str(path))
    return sources, list(Corpus(sources, SETTINGS, count_words, EchoDetector()))


def test_duplicate_ids_over_files(tmp_path):
    (first, second), found = ingest(tmp_path, [("a", "1"), ("b", "2"), ("a", "3")], [("c", "4"), ("b", "5")])
    assert [(item.id, item.text) for item in found if isinstance(item, Passage)] == [("a", "1"), ("b", "2"), ("c", "4")]
    assert [item for item in found if isinstance(item, Reject)] == [
        Reject(first, 3, f"duplicate id 'a', first seen at {first}:1", {"id": "a", "text": "3"}),
        Reject(second, 2, f"duplicate id 'b', first seen at {first}:2", {"id": "b", "text": "5"}),
    ]


def test_a_document_named_like_an_earlier_chunk(tmp_path):
    (source,), found = ingest(tmp_path, [("a", LONG), ("a#2", "short"), ("a#5", "short"), ("a", "short")])
    assert [item.id for item in found if isinstance(item, Passage)] == ["a#1", "a#2", "a#3", "a#4", "a#5"]
    assert [(item.line, item.reason) for item in found if isinstance(item, Reject)] == [
        (2, f"duplicate id 'a#2', first seen at {source}:1 (a chunk of 'a')"),
        (4, f"duplicate id 'a', first seen at {source}:1"),
    ]


def test_a_document_whose_chunk_is_named_like_an_earlier_document(tmp_path):
    (source,), found = ingest(tmp_path, [("a#3", "short"), ("a", LONG), ("a#1", "short")])
    # none of the chunks of "a" is taken, so "a#1" is free
    assert [item.id for item in found if isinstance(item, Passage)] == ["a#3", "a#1"]
    assert [(item.line, item.reason) for item in found if isinstance(item, Reject)] == [
        (2, f"duplicate id 'a#3' of a chunk, first seen at {source}:1")
    ]


def test_bad_records_claim_no_id(tmp_path):
    _, found = ingest(tmp_path, [("a", ""), ("a", "good")])
    assert [item.text for item in found if isinstance(item, Passage)] == ["good"]


def test_all_sources_are_checked_before_the_first_is_read(tmp_path):
    (tmp_path / "a.jsonl").write_text('{"id": 1, "text": "t"}\n')
    sources = [str(tmp_path / "a.jsonl"), str(tmp_path / "missing.jsonl")]
    with pytest.raises(InputError, match=r"missing\.jsonl does not exist"):
        Corpus(sources, SETTINGS, count_words, EchoDetector())
    with pytest.raises(SettingsError, match="No source"):
        check_sources([], SETTINGS)
    with pytest.raises(SettingsError, match="Standard input is named twice"):
        check_sources(["-", "-"], SETTINGS)


def test_seen_ids_take_all_or_none():
    seen = SeenIds()
    assert seen.claim(["a", "b"], "a", "f", 1) is None
    assert seen.claim(["c", "b"], "c", "f", 2) == Claim("b", "a", "f", 1)
    assert seen.claim(["c"], "c", "f", 3) is None
    seen.close()
    seen.close()
