"""What may stand in a message: no secret, no control character, and no more than a reader reads.

Secrets are taken out before a text is cut, since half a key is still half a key.
"""

from __future__ import annotations

import html
import os
import re
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Any
from urllib.parse import unquote, urlsplit

SECRET_VARIABLES = ("OPENAI_API_KEY", "QDRANT_API_KEY", "HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "LIBRETRANSLATE_API_KEY")
ADDRESS_VARIABLES = ("OPENAI_BASE_URL", "QDRANT_URL", "XQG_STORE", "XQG_ENCODER_URL", "XQG_GENERATOR_URL")
"""Variables of the environment whose values, or the passwords in them, are shown nowhere."""

SHORTEST_SECRET = 6
"""Shorter keys ("x", "none", "EMPTY") are what people write where none is needed, and words of messages."""

SHORTEST_PART = 10
"""So many first characters of a secret are a secret too: a server may have cut its own message."""

LONGEST_DETAIL = 300
"""Characters of foreign text that a message quotes."""

_LONGEST_READ = 100_000
"""Of a foreign text, more is not looked at."""

_LOGIN = re.compile(r"(?<=://)(?:[^\s:/@]{0,200}:(?!\d+(?:[/\s]|$))[^\s]{0,500}|[^\s:/@?#]{1,200})@")
"""User and password in an address, also where the password has signs that should have been written otherwise."""

_BREAKS = re.compile("[\t\n\v\f\r\x1c-\x1e\x85\u2028\u2029]+")
_CONTROLS = re.compile("[\x00-\x08\x0e-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
"""What moves the cursor, changes colours, or turns the order of what stands after it."""


def redact(text: str, *secrets: str | None) -> str:
    """``text`` with *** in the place of secrets: those given, those of the environment, and logins in addresses."""
    known = {secret.strip() for secret in (*secrets, *_from_environment()) if secret}
    for secret in sorted(known, key=lambda one: (-len(one), one)):
        if len(secret) >= SHORTEST_SECRET:
            text = _without(text, secret)
    return _LOGIN.sub("***@", text)


def printable(text: str, keep_breaks: bool = False) -> str:
    """``text`` as a terminal may get it: control characters are written out, line ends are spaces.

    :param keep_breaks: line ends and tabs stay, where a text may have several lines.
    """
    if not keep_breaks:
        text = _BREAKS.sub(" ", text)
    return _CONTROLS.sub(lambda found: _written(found.group()), text)


def brief(text: str, *secrets: str | None, limit: int = LONGEST_DETAIL) -> str:
    """What a message quotes of a foreign ``text``: one line without secrets, at most ``limit`` characters."""
    line = " ".join(printable(redact(text[:_LONGEST_READ], *secrets)).split())
    return line if len(line) <= limit else line[:limit].rstrip() + " …"


def passwords(*addresses: str | None) -> tuple[str, ...]:
    """The passwords, and users without one, in these addresses, as written and as sent."""
    found: list[str] = []
    for address in addresses:
        login, separator, _ = _network_place(address or "").rpartition("@")
        if separator:
            secret = login.partition(":")[2] or login
            found += [secret, unquote(secret)]
    return tuple(dict.fromkeys(found))


def _network_place(address: str) -> str:
    try:
        return urlsplit(address).netloc
    except ValueError:
        return ""


def _from_environment() -> Iterable[str]:
    yield from (os.environ.get(name, "") for name in SECRET_VARIABLES)
    yield from passwords(*(os.environ.get(name) for name in ADDRESS_VARIABLES))


def _without(text: str, secret: str) -> str:
    """``text`` without the secret, and without the first `SHORTEST_PART` characters or more of a long one."""
    signs = [re.compile(_spelling(sign), re.IGNORECASE) for sign in secret]
    sure = SHORTEST_PART if len(secret) >= 2 * SHORTEST_PART else len(secret)
    parts, end = [], 0
    for found in re.finditer("".join(map(_spelling, secret[:sure])), text, re.IGNORECASE):
        if found.start() < end:
            continue  # within what is hidden already
        parts += [text[end : found.start()], "***"]
        end = found.end()
        for sign in signs[sure:]:
            more = sign.match(text, end)
            if more is None:
                break
            end = more.end()
    return "".join([*parts, text[end:]])


@lru_cache(maxsize=256)
def _spelling(sign: str) -> str:
    """One character of a secret as messages may write it, as a regular expression.

    In JSON and Python, also one within the other, backslashes stand before it; in addresses and HTML it is a number.
    """
    code = ord(sign)
    if sign == "\\":
        return r"(?:\\{1,16}|%5c|&#92;|&#x5c;)"
    ways = [re.escape(sign), f"%{code:02x}", f"u{code:04x}", f"&#{code};", f"&#x{code:x};"]
    if html.escape(sign) != sign:
        ways.append(re.escape(html.escape(sign)))
    if sign == " ":
        ways.append(r"\+")
    return rf"\\{{0,16}}(?:{'|'.join(ways)})"


def _written(character: str) -> str:
    code = ord(character)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"


def markdown_table(columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> list[str]:
    """The lines of a table in Markdown."""
    lines = [columns, ["---"] * len(columns), *rows]
    cells = [[str(value).replace("|", "\\|").replace("*", "\\*") for value in line] for line in lines]
    return [f"| {' | '.join(line)} |" for line in cells]
