from __future__ import annotations

import threading

import pytest
from py3langid.langid import LanguageIdentifier

from xqg.errors import SettingsError
from xqg.language_codes import NAMES
from xqg.languages import (
    CorpusLanguage,
    LanguageDetector,
    known_language,
    language_code,
    language_name,
    names_no_language,
    told_language,
)

TEXTS = {
    "ar": "كيف يمكنني إعادة تعيين كلمة المرور الخاصة بي؟",
    "de": "Wie kann ich mein Passwort zurücksetzen?",
    "en": "How can I reset my password when I am signed out?",
    "es": "¿Cómo puedo restablecer mi contraseña?",
    "fr": "Comment puis-je réinitialiser mon mot de passe ?",
    "hi": "मैं अपना पासवर्ड कैसे रीसेट कर सकता हूँ?",
    "ja": "パスワードを再設定するにはどうすればいいですか？",
    "ko": "비밀번호를 어떻게 재설정하나요?",
    "ru": "Как сбросить пароль от моего аккаунта?",
    "th": "ฉันจะรีเซ็ตรหัสผ่านได้อย่างไร",
    "zh": "如何重置我的密码？",
}


@pytest.fixture(scope="module")
def detector() -> LanguageDetector:
    return LanguageDetector()


def test_names() -> None:
    assert language_name("ja") == "Japanese"
    with pytest.raises(SettingsError, match=r"Unknown language 'jp'.*Try"):
        language_name("jp")
    with pytest.raises(SettingsError, match=r"Try de \(German\)"):
        language_name("german")


@pytest.mark.parametrize(
    ("tag", "code"),
    [
        ("en", "en"),
        ("EN", "en"),
        (" en ", "en"),
        ("pt-BR", "pt"),
        ("zh_Hans_CN", "zh"),
        ("zh-yue", "zh"),
        ("en_US.UTF-8", "en"),
        ("sr@latin", "sr"),
        ("ca-valencia", "ca"),
        ("en-US,en;q=0.9", "en"),
        ("eng+fra", "en"),
        ("eng", "en"),
        ("ger", "de"),
        ("deu", "de"),
        ("eng_Latn", "en"),
        ("arb_Arab", "ar"),
        ("iw", "he"),
        ("English", "en"),
        ("german", "de"),
        ("Deutsch", "de"),
        ("Franc\u0327ais", "fr"),
        ("日本語", "ja"),
        ("Norwegian Bokmål", "nb"),
        ("Brazilian Portuguese", "pt"),
        ("Chinese (Simplified)", "zh"),
    ],
)
def test_language_tags(tag: str, code: str) -> None:
    assert (
        language_code(tag)
        == told_language(tag)
        == told_language([None, "und", tag, "sw"])
        == known_language(tag)
        == code
    )


@pytest.mark.parametrize(
    "tag", ["tlh", "no answer", "no-answer", "it depends", "English and French", "x-default", "c", 7, {}]
)
def test_what_is_no_tag_of_a_known_language(tag: object) -> None:
    assert told_language(tag) is None
    assert not names_no_language(tag)


@pytest.mark.parametrize("value", [None, "", " ", "und", "Unknown", "N/A", "mul", float("nan"), [], ["", None]])
def test_what_names_no_language(value: object) -> None:
    assert told_language(value) is None
    assert names_no_language(value)


CATALOGUE = [
    "Espresso machine DeLonghi Magnifica",
    "Canteen menu",
    "Error E04: door open",
    "Spaghetti carbonara with bacon",
    "Reset PIN",
    "Kettle 1.7 l stainless steel",
    "Café latte glass set",
    "Sauna stove Harvia",
    "Sushi set Osaka",
]


def test_short_texts_are_in_the_language_of_their_corpus(detector: LanguageDetector) -> None:
    corpus = CorpusLanguage(detector)
    assert corpus.main is None
    for text in CATALOGUE:
        corpus.learn(text)
    assert corpus.main == "en"
    assert {detector.detect(text) for text in CATALOGUE} > {"en", "it", "nl"}
    assert [corpus.settle(text) for text in (*CATALOGUE, "4711", "…")] == ["en"] * 11


@pytest.mark.parametrize("language", sorted(TEXTS))
def test_a_clear_text_keeps_its_language_in_a_corpus_of_another(detector: LanguageDetector, language: str) -> None:
    corpus = CorpusLanguage(detector)
    corpus.learn("", language="sw")
    assert corpus.settle(TEXTS[language]) == language


def test_another_script_is_another_language_however_short(detector: LanguageDetector) -> None:
    corpus = CorpusLanguage(detector)
    corpus.learn(TEXTS["en"])
    assert [corpus.settle(text) for text in ("日本", "שלום", "ไทย")] == ["zh", "he", "th"]


def test_what_texts_name_counts_and_long_ones_count_no_more_than_others(detector: LanguageDetector) -> None:
    named = CorpusLanguage(detector)
    for _ in range(3):
        named.learn("Reset PIN", language="fr")
    named.learn(TEXTS["de"] * 50)
    assert named.main == "fr"


def test_a_part_that_does_not_tell_goes_by_those_before_it(detector: LanguageDetector) -> None:
    first = CorpusLanguage(detector)
    first.learn(TEXTS["en"])
    second = CorpusLanguage(detector, before=first)
    assert second.settle("Canteen menu") == "en"
    second.learn("Canteen menu")
    assert second.main == "en"
    third = CorpusLanguage(detector, before=second)
    third.learn(TEXTS["de"])
    assert third.main == "de"


def test_without_any_evidence_a_text_is_english(detector: LanguageDetector) -> None:
    corpus = CorpusLanguage(detector)
    corpus.learn("4711")
    assert (corpus.main, corpus.settle("4711")) == (None, "en")


@pytest.mark.parametrize("language", sorted(TEXTS))
def test_detection(detector: LanguageDetector, language: str) -> None:
    assert detector.detect(TEXTS[language]) == language
    assert detector.is_language(TEXTS[language], language, rivals=sorted(TEXTS))


@pytest.mark.parametrize("asked", ["fr", "ja", "ar", "de"])
def test_an_english_text_does_not_pass_for_another_language(detector: LanguageDetector, asked: str) -> None:
    assert not detector.is_language(TEXTS["en"], asked, rivals=["en", "fr", "ja"])


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("es", "Convertir páginas de manual de nroff a HTML"),
        ("en", "Node.js command line option parser"),
        ("de", "Deepin-Kalender"),
    ],
)
def test_a_text_full_of_names_passes_where_another_language_is_little_likelier(
    detector: LanguageDetector, language: str, text: str
) -> None:
    assert detector.detect(text) != language
    assert detector.is_language(text, language, rivals=[*TEXTS, "pt"])


@pytest.mark.parametrize(
    ("asked", "text"),
    [("fr", "old mill"), ("fr", "password reset"), ("de", "Où est la clé ?"), ("fr", "¿Dónde está la llave?")],
)
def test_a_few_words_are_enough_to_be_refused(detector: LanguageDetector, asked: str, text: str) -> None:
    assert not detector.is_language(text, asked, rivals=sorted(TEXTS))


def test_another_script_does_not_pass_even_without_rivals(detector: LanguageDetector) -> None:
    assert not detector.is_language(TEXTS["ru"], "fr")
    assert not detector.is_language(TEXTS["fr"], "ja")


def test_close_languages_pass_for_each_other(detector: LanguageDetector) -> None:
    assert detector.is_language("Pakkesystem for flere distribusjoner", "da")
    assert detector.is_language("Pakkesystem for flere distributioner", "nb")


def test_a_language_the_detector_does_not_know_is_accepted(detector: LanguageDetector) -> None:
    assert detector.is_language("Hvordan nulstiller jeg min adgangskode?", "nb", rivals=["en"])


def test_other_threads_see_only_a_model_that_is_ready(monkeypatch: pytest.MonkeyPatch) -> None:
    detector = LanguageDetector()
    choose = LanguageIdentifier.set_languages
    answers: list[dict[str, float]] = []

    def choose_while_another_asks(self: LanguageIdentifier, languages: list[str]) -> None:
        if threading.current_thread() is threading.main_thread():
            other = threading.Thread(target=lambda: answers.append(detector.rank("The valve is closed by hand.")))
            other.start()
            other.join()
        choose(self, languages)

    monkeypatch.setattr(LanguageIdentifier, "set_languages", choose_while_another_asks)
    assert detector.detect("Das Ventil wird von Hand geschlossen.") == "de"
    (answer,) = answers
    assert next(iter(answer)) == "en"
    assert set(answer) <= set(NAMES)  # the whole model knows others, too
