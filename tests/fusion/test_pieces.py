from __future__ import annotations

import pytest

from xqg.fusion.pieces import LONGEST, PieceKind, passage_pieces, split_sentences
from xqg.records import Passage, Texts


@pytest.mark.parametrize(
    ("language", "first", "second"),
    [
        ("en", "Dr. Smith paid $3.50 for it.", " Was it worth it, really?"),
        ("zh", "您可以在设置中更改您的密码。", "如果忘记密码，请点击登录页面上的链接。"),
        ("ja", "パスワードを忘れた場合はここをクリックしてください。", "メールが一通届きます。"),
        ("ar", "كيف يمكنني تغيير كلمة المرور؟", " افتح الإعدادات ثم اختر الأمان."),
        ("hi", "अपना पासवर्ड कैसे बदलें?", " सेटिंग्स खोलें और सुरक्षा चुनें।"),
        ("xx", "An unknown language code.", " It is split all the same."),
    ],
)
def test_sentences_of_many_scripts(language: str, first: str, second: str) -> None:
    assert split_sentences(first + second, language) == [first, second.strip()]


def test_lines_that_were_only_wrapped_are_joined() -> None:
    text = "A line that was only\nwrapped goes on. The next one\nstarts here."
    assert split_sentences(text, "en") == ["A line that was only wrapped goes on.", "The next one starts here."]


def test_headings_and_short_lines_join_what_follows() -> None:
    text = "Batteries\n\nCharge it before the first use.\n\nNote:\n\n- Keep it dry and away from children."
    assert split_sentences(text, "en") == [
        "Batteries Charge it before the first use.",
        "Note: - Keep it dry and away from children.",
    ]


def test_the_items_of_a_list_are_pieces_of_their_own() -> None:
    text = "- Open the settings of the application\n- Choose the tab called accounts"
    assert len(split_sentences(text, "en")) == 2


def test_a_short_text_is_a_piece_and_a_short_end_joins_what_came_before() -> None:
    assert split_sentences("Yes.", "en") == ["Yes."]
    assert split_sentences("Charge it before the first use. Done.", "en") == ["Charge it before the first use. Done."]
    assert split_sentences("  \n ", "en") == []


def test_a_text_without_full_stops_is_cut_where_words_end() -> None:
    text = "การตั้งค่ารหัสผ่านใหม่ " * 100
    parts = split_sentences(text, "th")
    assert max(map(len, parts)) <= LONGEST
    assert " ".join(parts) == text.strip()


@pytest.mark.parametrize("text", ["x" * 50_000, "a.b" * 20_000, "| a | b |\n" * 5_000])
def test_nothing_of_a_text_is_lost(text: str) -> None:
    parts = split_sentences(text, "en")
    assert "".join("".join(parts).split()) == "".join(text.split())
    assert max(map(len, parts)) <= LONGEST


def test_the_pieces_of_a_passage() -> None:
    passage = Passage("1", "Charge it before the first use. Keep it dry and warm.", "Battery", "en")
    found = passage_pieces(
        passage, Texts({"fr": ("Comment la charger ?",), "ja": ()}, {"pt": ("Carregue a bateria.",)})
    )
    assert [(piece.kind, piece.whole, piece.viewed) for piece in found] == [
        (PieceKind.TITLE, True, True),
        (PieceKind.SENTENCE, True, True),
        (PieceKind.SENTENCE, False, True),
        (PieceKind.QUERY, True, False),
        (PieceKind.TRANSLATION, False, False),
    ]
    assert [(piece.text, piece.language) for piece in found[3:]] == [
        ("Comment la charger ?", "fr"),
        ("Carregue a bateria.", "pt"),
    ]
