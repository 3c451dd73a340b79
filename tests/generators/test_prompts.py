import pytest

from xqg.errors import SettingsError
from xqg.generators.prompts import (
    EXAMPLES,
    PASSAGE_EXAMPLES,
    chat_message,
    few_shot_prompt,
    json_message,
    prompt_identity,
    prompt_marks,
    seq2seq_prompt,
)
from xqg.languages import LanguageDetector
from xqg.records import Passage

PASSAGE = Passage(id="1", title="Owls", text="Owls hunt at night.\nThey hear well.")


def test_the_paper_s_prompt_word_for_word():
    assert seq2seq_prompt(Passage(id="1", title="Owls", text="Owls hunt."), "ja") == (
        "Generate a Japanese question for this passage: Owls Owls hunt."
    )


def test_without_a_title_no_gap_is_left():
    assert seq2seq_prompt(Passage(id="1", text="Owls hunt."), "fr").endswith("passage: Owls hunt.")


@pytest.mark.parametrize("written", ["queries", "passages"])
@pytest.mark.parametrize("write", [chat_message, few_shot_prompt])
def test_the_language_comes_last_so_that_languages_share_the_passage(write, written):
    french, arabic = write(PASSAGE, "fr", written), write(PASSAGE, "ar", written)
    shared = next(index for index, (left, right) in enumerate(zip(french, arabic, strict=False)) if left != right)
    assert "They hear well." in french[:shared]
    assert french[shared:].startswith("French")
    assert arabic[shared:].startswith("Arabic")


def test_few_shot_prompts_of_all_passages_share_the_examples():
    prompt = few_shot_prompt(PASSAGE, "fr")
    assert prompt.index("Passage: Owls. Owls hunt at night. They hear well.\n") > prompt.index(EXAMPLES[-1][0])
    assert prompt.endswith("\nFrench question:")


def test_passages_are_asked_for_in_every_kind_of_prompt():
    assert seq2seq_prompt(PASSAGE, "ja", "passages").startswith("Generate a Japanese passage that says what")
    assert "short passage" in chat_message(PASSAGE, "fr", "passages")
    assert few_shot_prompt(PASSAGE, "fr", "passages").endswith("\nFrench passage:")
    assert "4 different short passages" in json_message(PASSAGE, "fr", 4, "passages")
    assert "question" not in "".join(
        write(PASSAGE, "fr", "passages") for write in (seq2seq_prompt, chat_message, few_shot_prompt)
    )


@pytest.mark.parametrize("examples", [EXAMPLES, PASSAGE_EXAMPLES])
def test_the_examples_are_in_the_languages_they_claim(examples):
    detector = LanguageDetector()
    claimed = [(code, text) for _, texts in examples for code, text in texts]
    assert [code for code, text in claimed if not detector.is_language(text, code, ["en", "es"])] == []
    assert len({code for code, _ in claimed}) == 12


def test_a_copied_example_can_be_told():
    assert EXAMPLES[0][0] in prompt_marks("few-shot")
    assert PASSAGE_EXAMPLES[0][1][0][1] in prompt_marks("few-shot", "passages")
    assert "Do not mention the passage" in prompt_marks("chat")


def test_identity_names_the_wording():
    identities = {prompt_identity(style) for style in ("seq2seq", "chat", "few-shot")}
    assert len(identities) == 3
    assert not identities & {prompt_identity(style, "passages") for style in ("seq2seq", "chat", "few-shot")}


def test_an_unknown_language_is_refused():
    with pytest.raises(SettingsError, match="xx"):
        few_shot_prompt(PASSAGE, "xx")
