from __future__ import annotations

import pytest

from xqg.errors import SettingsError
from xqg.languages import LanguageDetector, language_code, language_name

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


@pytest.mark.parametrize(("tag", "code"), [("en", "en"), ("EN", "en"), ("pt-BR", "pt"), ("zh_Hans_CN", "zh")])
def test_language_tags(tag: str, code: str) -> None:
    assert language_code(tag) == code


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


@pytest.mark.parametrize("language", sorted(TEXTS))
def test_choice_among_languages(detector: LanguageDetector, language: str) -> None:
    assert detector.choose(TEXTS[language], sorted(TEXTS)) == language
    assert detector.choose(TEXTS[language], sorted(set(TEXTS) - {language})) is None, "another language"


@pytest.mark.parametrize("text", ["42", "wifi", "USB 3.0", "…"])
def test_no_choice_where_the_text_is_too_short_to_tell(detector: LanguageDetector, text: str) -> None:
    assert detector.choose(text, sorted(TEXTS)) is None


def test_a_close_language_is_chosen_unless_there_are_two(detector: LanguageDetector) -> None:
    text = "Hvordan nullstiller jeg passordet mitt når jeg ikke er innlogget?"
    assert detector.detect(text) in ("no", "nb")
    assert detector.choose(text, ["de", "nn"]) == "nn"
    assert detector.choose(text, ["da", "nn"]) is None


def test_a_language_the_detector_does_not_know_is_accepted(detector: LanguageDetector) -> None:
    assert detector.is_language("Hvordan nulstiller jeg min adgangskode?", "nb", rivals=["en"])
