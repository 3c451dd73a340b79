import pytest

from xqg.generators.cleaning import clean_queries, clean_written, trim_output, trim_passage
from xqg.languages import LanguageDetector
from xqg.records import Passage

PASSAGE = Passage(
    id="1",
    title="Golden Gate",
    text="The Golden Gate Bridge was opened in 1937 and was for many years the longest suspension bridge of all.",
)
DETECTOR = LanguageDetector()


class EveryLanguage:
    def is_language(self, text, language, rivals=()):
        return True


def clean(*outputs, language="fr", rivals=("en",), detector=DETECTOR, marks=()):
    return clean_queries(outputs, PASSAGE, language, rivals, detector, marks)


@pytest.mark.parametrize(
    ("output", "trimmed"),
    [
        ("  Wer war es?\nPassage: next", "Wer war es?"),
        ("1. Wer war es?", "Wer war es?"),
        ("(2) Wer war es?", "Wer war es?"),
        ("- Wer war es?", "Wer war es?"),
        ('1. Question: "Wer war es?"', "Wer war es?"),
        ("German question: Wer war es?", "Wer war es?"),
        ("問題：いつですか？", "いつですか？"),
        ("「いつですか？」", "いつですか？"),
        ("«Кто это?»", "Кто это?"),
        ('"Wer war es?', "Wer war es?"),
        ('"A" und "B"?', '"A" und "B"?'),
        ("'s Gravenhage, waar?", "'s Gravenhage, waar?"),
        ("**Wer war es?**", "Wer war es?"),
        ("Wer\x00 war\u200b es\ufffd?", "Wer war es?"),
        ("می\u200cخواهم بدانم؟", "می\u200cخواهم بدانم؟"),
        ("10.000 Euro für wen?", "10.000 Euro für wen?"),
        ("2024: was geschah?", "2024: was geschah?"),
        ("C#", "C#"),
        ("", ""),
        ("\n \n", ""),
    ],
)
def test_trimming(output, trimmed):
    assert trim_output(output) == trimmed


def test_every_reason_is_counted_and_order_is_kept():
    cleaned = clean(
        "Quand le pont a-t-il ouvert ?",
        "???",
        "quand  le pont a-t-il OUVERT ?",
        "When was the bridge opened?",
        "Quel pont est le plus long du monde ?",
        "le pont de le pont de le pont de le pont de quoi ?",
        "was opened in 1937 and was for many years the longest",
    )
    assert cleaned.texts == ("Quand le pont a-t-il ouvert ?", "Quel pont est le plus long du monde ?")
    assert cleaned.dropped == {"empty": 1, "duplicate": 1, "language": 1, "repetition": 1, "prompt": 1}


def test_nfkc_finds_duplicates_in_full_width_letters():
    cleaned = clean("ＡＢＣとは何ですか？", "ABCとは何ですか?", language="ja")
    assert cleaned.texts == ("ＡＢＣとは何ですか？",)


def test_names_of_the_passage_do_not_make_a_question_english():
    assert clean("Golden Gate Bridge 1937 ?", "Golden Gate Bridge nedir?", language="tr").texts[-1] == (
        "Golden Gate Bridge nedir?"
    )


def test_another_requested_language_is_a_rival():
    assert clean("Когда открыли мост?", language="uk", rivals=("en", "ru")).dropped == {"language": 1}
    assert clean("Коли відкрили міст через протоку?", language="uk", rivals=("en", "ru")).dropped == {}


def test_the_language_itself_is_no_rival():
    assert clean("When was the bridge opened?", language="en", rivals=("en", "fr")).dropped == {}


def test_the_instruction_and_the_examples_are_prompt():
    cleaned = clean(
        "Reply with the Question alone, please", detector=EveryLanguage(), marks=["reply with the question"]
    )
    assert cleaned.dropped == {"prompt": 1}


def test_a_few_words_of_the_passage_are_a_query():
    assert clean("longest suspension bridge", language="en").texts == ("longest suspension bridge",)


def test_the_whole_passage_is_no_query_however_short():
    short = Passage(id="1", text="Paris.")
    assert clean_queries(["Paris."], short, "fr", [], EveryLanguage()).dropped == {"prompt": 1}


@pytest.mark.parametrize(
    "loop", ["hahahahahahahaha", "かかかかかかかかか", "qui est qui est qui est qui est qui est qui est"]
)
def test_loops(loop):
    assert clean(loop, detector=EveryLanguage()).dropped == {"repetition": 1}


@pytest.mark.parametrize("text", ["1000000000 Euro?", "www.example.org", "การสร้างการเดินทางการค้าและการเงินคืออะไร"])
def test_no_loops(text):
    assert clean(text, detector=EveryLanguage()).dropped == {}


def test_written_queries_keep_labels_numbers_quotes_and_language():
    cleaned = clean_written(["1. FC Köln,\nwann?", '"Heroes"', " ", "\x07", '"HEROES"'])
    assert cleaned.texts == ("1. FC Köln, wann?", '"Heroes"')
    assert cleaned.dropped == {"empty": 2, "duplicate": 1}


def test_a_generated_passage_may_be_long_and_have_several_lines():
    passage = "Le pont du Golden Gate a été ouvert en 1937.\nIl fut longtemps le plus long pont suspendu du monde."
    cleaned = clean_queries([passage], PASSAGE, "fr", ("en",), DETECTOR, trim=trim_passage)
    assert cleaned.texts == (passage.replace("\n", " "),)
    assert clean_queries([PASSAGE.text], PASSAGE, "fr", (), EveryLanguage(), trim=trim_passage).dropped == {"prompt": 1}
