"""Answers of chat models in all their dressings: the queries are read, the rest is stored nowhere."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xqg.generators.answers import read_answer, read_texts
from xqg.generators.cleaning import clean_queries, without_thoughts
from xqg.languages import LanguageDetector
from xqg.records import Passage

FIRST, SECOND = "Comment ouvrir le portail avec mon badge ?", "Combien de temps tenir le badge ?"
BOTH = [FIRST, SECOND]
JSON = json.dumps({"queries": BOTH}, ensure_ascii=False)
THOUGHT = "D'accord, il faut deux questions sur [le portail], comme {ceci}.\nQue demander ?\n1. Gardons-les courtes."

DRESSINGS = {
    "as asked": JSON,
    "escaped": json.dumps({"queries": BOTH}),
    "a list": json.dumps(BOTH),
    "thought": f"<think>{THOUGHT}</think>\n{JSON}",
    "thought without an opening": f"{THOUGHT}\n</think>\n\n{JSON}",
    "thought with a draft": f'{THOUGHT} {{"queries": ["brouillon ?"]}}\n</think>{JSON}',
    "two thoughts": f"<think>{THOUGHT}</think><think>{THOUGHT}</think>{JSON}",
    "thinking": f"<thinking>\n{THOUGHT}\n</thinking>{JSON}",
    "with an attribute": f'<Thinking mode="deep">{THOUGHT}</THINKING>{JSON}',
    "reasoning": f"<reasoning>{THOUGHT}</reasoning>{JSON}",
    "mistral": f"[THINK]{THOUGHT}[/THINK]{JSON}",
    "kimi": f"◁think▷{THOUGHT}◁/think▷{JSON}",
    "channels": f"<|channel|>analysis<|message|>{THOUGHT}<|end|><|start|>assistant<|channel|>final<|message|>{JSON}",
    "channels to the end": f"<|channel|>analysis<|message|>{THOUGHT}<|channel|>final<|message|>{JSON}<|return|>",
    "a thought never ended, then JSON": f"<think>\n{THOUGHT}\n{JSON}",
    "a process": f"Thinking Process:\n\n1.  **Analyze:**\n    *   {SECOND}\n\n{JSON}",
    "fenced": f"```json\n{JSON}\n```",
    "fenced in talk": f"Here you go [2 questions]:\n```json\n{JSON}\n```\nHope {{this}} helps!",
    "with a note": f"{JSON}\n\n(Note: {{portail}} [1])",
    "a draft first": f'{{"queries": ["brouillon ?"]}}\nBetter:\n{JSON}',
    "objects": json.dumps([{"language": "fr", "query": text} for text in BOTH]),
    "objects in it": json.dumps({"queries": [{"id": 1, "type": "how", "question": text} for text in BOTH]}),
    "objects of unknown names": json.dumps({"fragen": [{"query": text} for text in BOTH]}),
    "numbered": json.dumps({"1": FIRST, "2": SECOND}),
    "numbered names": json.dumps({"query_1": FIRST, "query_2": SECOND}),
    "by language": json.dumps({"fr": BOTH}),
    "by a language's name": json.dumps({"queries": {"French": BOTH}}),
    "one text of lines": json.dumps({"queries": "\n".join(BOTH)}),
    "JSON in JSON": json.dumps(JSON),
    "JSON within": json.dumps({"queries": JSON}),
    "trailing commas": JSON.replace("]", ", ]").replace("}", ", }"),
    "Python": str({"queries": BOTH}),
    "JSON lines": "\n".join(json.dumps({"query": text}) for text in BOTH),
    "JSON lines with languages": "\n".join(json.dumps({"language": "French", "query": text}) for text in BOTH),
    "a numbered list": f"Voici deux questions :\n\n1. {FIRST}\n2) {SECOND}",
    "bold": f"1. **{FIRST}**\n2. *{SECOND}*",
    "bullets in talk": f"Bien sûr, voici\n\n- {FIRST}\n- {SECOND}\n\nN'hésitez pas !",
    "translated": f"1. {FIRST} (How do I open the gate?)\n2. {SECOND} (How long?)",
    "bare lines": f"Voici deux questions :\n{FIRST}\n{SECOND}\nVoilà.",
    "parts": [{"type": "thinking", "thinking": THOUGHT}, {"type": "text", "text": JSON}],
    "parts in pieces": [{"type": "output_text", "text": JSON[:9]}, {"type": "text", "text": JSON[9:]}],
    "parts without types": [{"text": JSON}],
}

NOTHING = {
    "none": None,
    "a number": 7,
    "empty": "",
    "no queries": '{"queries": []}',
    "numbers": '{"queries": [1, 2]}',
    "cut off": JSON[:-20],
    "a thought cut off": f"<think>\n{THOUGHT}",
    "a thought cut off, with a bullet": f"<thinking>\n1. {FIRST}",
    "a thought and nothing": f"<think>{THOUGHT}</think>",
    "a channel cut off": f"<|channel|>analysis<|message|>{THOUGHT}",
    "talk": "I'm sorry, but I can't help with that.",
    "an error": '{"error": "the model is loading", "code": 503}',
    "a language": '{"queries": ["French"]}',
    "a code": '["fr"]',
    "a language in two words": '["Chinese (Simplified)"]',
    "a file": '```json\n{"queries": ["Que',
    "a parts without text": [{"type": "image_url"}],
    "web page": "<html><body>502 Bad Gateway</body></html>",
}


def answer(content: Any) -> dict[str, Any]:
    return {"choices": [{"message": {"content": content}}]}


@pytest.mark.parametrize("content", DRESSINGS.values(), ids=DRESSINGS)
def test_the_queries_are_read(content: Any) -> None:
    assert list(read_answer(answer(content)).texts) == BOTH


@pytest.mark.parametrize("content", NOTHING.values(), ids=NOTHING)
def test_what_holds_none_is_complained_of(content: Any) -> None:
    found = read_answer(answer(content))
    assert found.texts == ()
    assert found.complaint


@pytest.mark.parametrize("value", [None, [], {}, 7, "x", {"choices": []}, {"choices": [{}]}, {"choices": {"0": 1}}])
def test_answers_of_another_shape(value: Any) -> None:
    assert read_answer(value).complaint.startswith("an answer of another shape")


def test_the_providers_own_words() -> None:
    choice = {"message": {"content": None, "refusal": "I cannot write about this"}}
    assert read_answer({"choices": [choice]}).complaint == "I cannot write about this"
    assert read_answer({"choices": [choice]}).refused
    failed = {"message": {"content": ""}, "error": {"message": "upstream died", "code": 502}}
    assert read_answer({"choices": [failed]}).complaint == "upstream died"
    assert not read_answer({"choices": [failed]}).refused


@pytest.mark.parametrize(
    "text", ["French", "fr", "<think>Hm", "Hm</think>", '{"queries": ["a"]}', "<|end|>", "x " * 3000]
)
def test_no_generator_stores_such_a_text(text: str) -> None:
    cleaned = clean_queries([text], Passage("p", "…"), "fr", ["en"], LanguageDetector())
    assert cleaned.texts == ()


@pytest.mark.parametrize(
    ("text", "rest"),
    [
        ("<think>\n\n</think>\n\nQuand ?", ("Quand ?", False)),
        ("Quand ?", ("Quand ?", False)),
        ("<think>Hm", ("Hm", True)),
    ],
)
def test_thoughts(text: str, rest: tuple[str, bool]) -> None:
    assert without_thoughts(text) == rest


SIGNS = st.text(alphabet='{}[]",:\\ \n</think>|channelfinalmssg*-1.?ä', max_size=80)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=12,
)


@settings(max_examples=400, deadline=None)
@given(SIGNS | VALUES.map(json.dumps) | VALUES)
def test_no_content_is_an_exception(content: Any) -> None:
    for value in (answer(content), {"choices": [content]}, content):
        found = read_answer(value)
        assert bool(found.texts) != bool(found.complaint)


@pytest.mark.parametrize(
    "piece", ["{", "[", '{"a":', "[1,", '["a",', '{"queries": ["a", ', "<think", "<|channel|>", "(", "* ", "</"]
)
def test_hostile_answers_are_read_in_linear_time(piece: str) -> None:
    start = time.process_time()
    read_texts(piece * 60_000)
    read_texts(piece + " " * 200_000)
    assert time.process_time() - start < 10
