"""Words that nobody writes: looked up in real lists, names of the passage excepted."""

import sys

import pytest

from xqg.errors import MissingDependencyError
from xqg.records import GeneratedQuery, Passage
from xqg.training.words import WordLists

PASSAGE = Passage(id="t", title="Nikola Tesla", text="Tesla arrived in Karlovac and met Ottendorfer.", language="en")


@pytest.fixture(scope="module")
def lists():
    return WordLists()


@pytest.mark.parametrize(
    ("language", "text", "unknown"),
    [
        ("de", "Wann kam der Ingenieur in die Stadt?", 0),
        ("de", "Wann kam der Ingenoriert in die Stadt?", 1),
        ("de", "Wer war Ottendorfers Freund in Karlovac?", 0),  # carried over from the passage, and inflected
        ("ar", "متى وصل المهندس إلى المدينة؟", 0),
        ("ar", "متى وصل المهنزدسوت إلى المدينة؟", 1),
        ("hi", "वह शहर में कब आया?", 0),  # vowel signs do not split words
        ("en", "When did zxqvorl and brrzzkt arrive?", 2),
        ("th", "กขฃคฅฆง", 0),  # no list: nothing is said of it
        ("ja", "いつ着きましたか", 0),
    ],
)
def test_words_that_nobody_writes(lists, language, text, unknown):
    assert lists.count_unknown(GeneratedQuery("t", language, text), PASSAGE) == unknown


LIBRARY = Passage(
    id="l",
    title="AwsKit",
    text="A small library for Python that reads log files.\nSee libc.so, openstack.",
    language="en",
)


@pytest.mark.parametrize(
    ("language", "text", "untranslated"),
    [
        ("vi", "Library cho AwsKit", 1),  # written large in the query, but an ordinary word
        ("de", "Log files lesen", 1),  # the passage's last word before a full stop
        ("vi", "thư viện cho AwsKit", 0),  # a name stays as it is
        ("hi", "Python के लिए library जो log reads", 2),  # Hindi texts have the word log
        ("de", "Bibliothek zum Lesen von Log-Dateien mit Python", 0),  # German has the word log, and names
        ("fr", "fichier libc.so, openstack", 0),  # a path, and a word too rare to be an ordinary one
        ("th", "library สำหรับ Python", 1),  # whose own words nobody can look up
        ("ja", "Python用library", 0),  # words that stand together are not told apart
        ("en", "small library that reads log files", 0),
    ],
)
def test_ordinary_words_that_were_not_translated(lists, language, text, untranslated):
    assert lists.count_unknown(GeneratedQuery("l", language, text), LIBRARY) == untranslated


def test_a_word_is_not_untranslated_in_the_language_of_the_passage(lists):
    passage = Passage(id="j", text="Python の library です", language="ja")
    counts = [lists.count_unknown(GeneratedQuery("j", language, "library とは"), passage) for language in ("ja", "ko")]
    assert counts == [0, 1]


def test_without_the_package_the_error_says_how_to_install_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "wordfreq", None)
    with pytest.raises(MissingDependencyError, match=r'pip install "xqg\[train\]", or add --no-check-words'):
        WordLists()
