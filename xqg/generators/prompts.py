"""The prompts that ask a model for a question or a short passage: pure text, passage first and language last.

The passage comes before the language so that all languages of one passage share the passage as a prefix, and the
few-shot block comes before the passage so that all passages share the block: a decoder then reads each of them once.
"""

from __future__ import annotations

from typing import Literal

from xqg.languages import language_name
from xqg.records import Passage, digest

TrainedStyle = Literal["question", "search", "passage"]
"""What an adapter of ours was taught to write: a full question, the few words typed into a search box, or a passage."""
PromptStyle = Literal["seq2seq", "chat", "few-shot", "json", "question", "search", "passage"]
Written = Literal["queries", "passages"]
"""What a prompt asks for: queries, or short passages that say the same in the target language."""

Example = tuple[str, tuple[tuple[str, str], ...]]
"""A passage with texts in several languages."""

EXAMPLES: tuple[Example, ...] = (
    (
        "The Marlow tide mill was built in 1791 by the engineer Edda Corran. "
        "It ground barley for eleven villages until a storm broke its wheel in 1862.",
        (
            ("fr", "Qui a construit le moulin à marée de Marlow ?"),
            ("ja", "マーロウの潮汐水車はいつ嵐で壊れましたか？"),
            ("ar", "كم قرية كانت تستفيد من طاحونة مارلو؟"),
        ),
    ),
    (
        "To reset the Velen 3 water pump, switch it off, hold the green button for ten seconds and wait until "
        "the lamp blinks twice. Stored schedules are lost.",
        (
            ("de", "Wie setze ich die Wasserpumpe Velen 3 zurück?"),
            ("hi", "Velen 3 पंप को रीसेट करने पर क्या मिट जाता है?"),
            ("ko", "Velen 3 펌프를 초기화하려면 버튼을 몇 초 동안 눌러야 하나요?"),
        ),
    ),
    (
        "La rana de Orbela mide apenas doce milímetros y vive solo en los musgos del valle de Sarn. "
        "Pone un único huevo al año.",
        (
            ("en", "How big is the Orbela frog?"),
            ("ru", "Где обитает лягушка Орбела?"),
            ("zh", "奥尔贝拉蛙一年产几枚卵？"),
        ),
    ),
    (
        "In March the council of Tarn closed the old harbour bridge to lorries over 12 tonnes. "
        "Buses may still cross it at night.",
        (
            ("pt", "Quais caminhões não podem passar pela ponte do porto de Tarn?"),
            ("fi", "Milloin linja-autot saavat ylittää Tarnin sillan?"),
            ("bn", "টার্নের পুরনো সেতুটি কোন মাসে বন্ধ করা হয়েছিল?"),
        ),
    ),
)
"""Passages with questions in several languages and scripts; everything in them is invented."""

_CHAT_INSTRUCTION = (
    "Write one short question that a person who has not seen the passage above might ask and that the passage "
    "answers. Do not mention the passage. Reply with the question alone, written in {language}."
)
_JSON_INSTRUCTION = (
    "Write {count} different short questions that people who have not seen the passage above might ask and that the "
    "passage answers. Do not mention the passage. Write them in {language}. "
    'Reply with the questions alone, as JSON: {{"queries": ["...", ...]}}'
)
_PASSAGES = (
    {
        "fr": "Le moulin à marée de Marlow, construit en 1791 par Edda Corran, a moulu l'orge de onze villages.",
        "ja": "マーロウの潮汐水車は1791年に建てられ、1862年の嵐で輪が壊れるまで大麦をひいていました。",
        "ar": "بنت المهندسة إيدا كوران طاحونة مارلو عام 1791، وتحطمت عجلتها في عاصفة عام 1862.",
    },
    {
        "de": "Um die Wasserpumpe Velen 3 zurückzusetzen, hält man die grüne Taste zehn Sekunden.",
        "hi": "Velen 3 पंप को रीसेट करने के लिए उसे बंद करें और हरा बटन दस सेकंड तक दबाए रखें; सहेजे गए समय मिट जाते हैं।",
        "ko": "Velen 3 펌프를 초기화하려면 전원을 끄고 녹색 버튼을 10초 동안 누르세요. 저장된 일정은 사라집니다.",
    },
    {
        "en": "The Orbela frog, twelve millimetres long, lives in the mosses of the Sarn valley.",
        "ru": "Лягушка Орбела длиной всего двенадцать миллиметров живёт только во мхах долины Сарн.",
        "zh": "奥尔贝拉蛙只有十二毫米长，只生活在萨恩山谷的苔藓中，每年只产一枚卵。",
    },
    {
        "pt": "Em março, a câmara de Tarn fechou a antiga ponte do porto aos caminhões com mais de 12 toneladas.",
        "fi": "Tarnin vanha satamasilta suljettiin maaliskuussa yli 12 tonnin kuorma-autoilta.",
        "bn": "মার্চ মাসে টার্নের পরিষদ পুরনো বন্দর সেতুটি ১২ টনের বেশি ওজনের ট্রাকের জন্য বন্ধ করে দেয়।",
    },
)
PASSAGE_EXAMPLES: tuple[Example, ...] = tuple(
    (text, tuple(passages.items())) for (text, _), passages in zip(EXAMPLES, _PASSAGES, strict=True)
)
"""The same passages, said shortly in other languages."""

_CHAT_PASSAGE_INSTRUCTION = (
    "Write one short passage that says what the passage above says, as a writer of another language would put it. "
    "Do not mention the passage above. Reply with the short passage alone, in one paragraph, written in {language}."
)
_JSON_PASSAGE_INSTRUCTION = (
    "Write {count} different short passages that say what the passage above says, as writers of another language would "
    "put it. Do not mention the passage above. Write them in {language}, each in one paragraph. "
    'Reply with the short passages alone, as JSON: {{"queries": ["...", ...]}}'
)
_CHAT_MARKS = ("Do not mention the passage", "Reply with the question", "Reply with the short", "the passage above")
_SEQ2SEQ_MARKS = {"queries": "question for this passage", "passages": "passage that says what this passage says"}


def seq2seq_prompt(passage: Passage, language: str, written: Written = "queries") -> str:
    """The paper's prompt for encoder-decoder models (arXiv 2305.03950, README of its code); for passages one like it.

    :raises SettingsError: if ``language`` is no known ISO 639-1 code.
    """
    return f"Generate a {language_name(language)} {_SEQ2SEQ_MARKS[written]}: {_with_title(passage, ' ')}"


def chat_message(passage: Passage, language: str, written: Written = "queries") -> str:
    """What a user would say to a chat model to get one question or passage: the passage, then the instruction.

    :raises SettingsError: if ``language`` is no known ISO 639-1 code.
    """
    wording = _CHAT_INSTRUCTION if written == "queries" else _CHAT_PASSAGE_INSTRUCTION
    return _message(passage, wording.format(language=language_name(language)))


def json_message(passage: Passage, language: str, count: int, written: Written = "queries") -> str:
    """What a user would say to a chat model to get ``count`` texts at once, as JSON ``{"queries": […]}``.

    :raises SettingsError: if ``language`` is no known ISO 639-1 code.
    """
    wording = _JSON_INSTRUCTION if written == "queries" else _JSON_PASSAGE_INSTRUCTION
    return _message(passage, wording.format(language=language_name(language), count=count))


def few_shot_prompt(passage: Passage, language: str, written: Written = "queries") -> str:
    """A prompt for base models: the examples, the passage, and an open line for the question or the short passage.

    :raises SettingsError: if ``language`` is no known ISO 639-1 code.
    """
    text = " ".join(_with_title(passage, ". ").split())
    return f"{_EXAMPLE_BLOCKS[written]}Passage: {text}\n{language_name(language)} {_NOUNS[written]}:"


def trained_passage(passage: Passage) -> str:
    """The part of `trained_prompt` that all languages and styles of one passage share."""
    return _with_title(passage, "\n").strip()


def trained_line(language: str, style: TrainedStyle) -> str:
    """The part of `trained_prompt` that names what to write; the query follows after a space.

    :raises SettingsError: if ``language`` is no known ISO 639-1 code.
    """
    return f"\n\n{language_name(language)} {style}:"


def trained_prompt(passage: Passage, language: str, style: TrainedStyle) -> str:
    """The prompt of the adapters that `xqg.training` makes; the model writes a space, the query and its end token.

    :raises SettingsError: if ``language`` is no known ISO 639-1 code.
    """
    return trained_passage(passage) + trained_line(language, style)


def prompt_identity(style: PromptStyle, written: Written = "queries") -> str:
    """A short hash of the wording of a prompt, for the identity of a generator."""
    passage = Passage(id="", text="text", title="title")
    if style == "json":
        return digest([style, json_message(passage, "en", 5, written)])[:12]
    if style in ("question", "search", "passage"):
        return digest([style, trained_prompt(passage, "en", style)])[:12]
    write = {"seq2seq": seq2seq_prompt, "chat": chat_message, "few-shot": few_shot_prompt}[style]
    return digest([style, write(passage, "en", written)])[:12]


def prompt_marks(style: PromptStyle, written: Written = "queries") -> tuple[str, ...]:
    """Wordings whose appearance in an output shows that the model copied its prompt."""
    if style in ("chat", "json"):
        return _CHAT_MARKS
    if style == "seq2seq":
        return (_SEQ2SEQ_MARKS[written],)
    if style in ("question", "search", "passage"):
        return ()
    return tuple(text for passage, texts in _EXAMPLES[written] for text in (passage, *(text for _, text in texts)))


def _message(passage: Passage, instruction: str) -> str:
    return f"Passage:\n{_with_title(passage, chr(10))}\n\n{instruction}"


def _with_title(passage: Passage, separator: str) -> str:
    return f"{passage.title}{separator}{passage.text}" if passage.title else passage.text


def _write_examples(examples: tuple[Example, ...], noun: str) -> str:
    blocks = []
    for text, written in examples:
        lines = [f"{language_name(code)} {noun}: {example}" for code, example in written]
        blocks.append("\n".join([f"Passage: {text}", *lines]))
    return "\n\n".join(blocks) + "\n\n"


_EXAMPLES: dict[Written, tuple[Example, ...]] = {"queries": EXAMPLES, "passages": PASSAGE_EXAMPLES}
_NOUNS: dict[Written, str] = {"queries": "question", "passages": "passage"}
_EXAMPLE_BLOCKS = {written: _write_examples(_EXAMPLES[written], noun) for written, noun in _NOUNS.items()}
