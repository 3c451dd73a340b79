"""``file:`` with what translators keep, texts beside their translations: PO, TMX and XLIFF, or a folder of them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import Element, ParseError

from xqg.errors import InputError
from xqg.extras import importing
from xqg.fusion.pieces import own_texts, paragraphs, split_sentences
from xqg.generators.cleaning import comparable
from xqg.languages import told_language
from xqg.protocols import Generation
from xqg.records import Passage, Translation

Unit = tuple[str, str, str]
"""Language of the translation, text, translation."""

_LANGUAGE = "{http://www.w3.org/XML/1998/namespace}lang"


def is_units_file(path: Path) -> bool:
    """Whether a path is a file of this kind, by its name, or a folder with such files."""
    return path.suffix.lower() in _READERS or (_is_folder(path) and bool(_files(path)))


class UnitsGenerator:
    """A `QueryGenerator` of translations that people made.

    A unit belongs to a passage that has its text as title, as a sentence or as a paragraph.
    """

    metered = False

    def __init__(self, path: Path) -> None:
        self._path = path

    @property
    def identity(self) -> Mapping[str, Any]:
        """The kind and the SHA-256 of all units; reads the files once."""
        hasher = hashlib.sha256()
        for language, units in sorted(self._units.items()):
            for text, translation in sorted(units.items()):
                hasher.update("\0".join([language, text, translation, ""]).encode("utf-8", "surrogatepass"))
        return {"kind": "units", "sha256": hasher.hexdigest()}

    def check(self) -> None:
        """:raises InputError: if a file cannot be read, or there is no unit in them."""
        if not self._units:
            raise InputError(f"{self._path} has no translated text", "PO, TMX or XLIFF with translations")

    def languages(self) -> tuple[str, ...]:
        """The languages of the translations, sorted."""
        return tuple(sorted(self._units))

    def generate(self, requests: Sequence[tuple[Passage, Sequence[str]]]) -> Generation:
        """The translations of what the files have of each passage."""
        translations = []
        for passage, languages in requests:
            sources = dict.fromkeys(map(comparable, [*own_texts(passage), *paragraphs(passage.text)]))
            for language in languages:
                units = self._units.get(language, {})
                found = [units[source] for source in sources if source in units]
                texts = dict.fromkeys(text for unit in found for text in split_sentences(unit, language))
                if texts:
                    translations.append(Translation(passage.id, language, tuple(texts)))
        return Generation((), {}, tuple(translations))

    @cached_property
    def _units(self) -> dict[str, dict[str, str]]:
        units: dict[str, dict[str, str]] = {}
        for path in _files(self._path) if self._path.is_dir() else [self._path]:
            for language, text, translation in _READERS[path.suffix.lower()](path):
                if text.strip() and translation.strip():
                    units.setdefault(language, {}).setdefault(comparable(text), translation)
        return units


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except OSError:  # a name too long for one
        return False


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.suffix.lower() in _READERS)


def _read_po(path: Path) -> Iterator[Unit]:
    with importing("translate", str(path)):
        import polib
    try:
        entries = polib.pofile(str(path))
    except (OSError, ValueError, SyntaxError) as error:
        raise InputError(f"{path} is no PO file: {error}") from error
    language = told_language(entries.metadata.get("Language")) or told_language(path.stem)
    if language is None:
        raise InputError(f"{path} does not say its language", '"Language: fr" in its header')
    for entry in entries:
        if entry.translated() and not entry.obsolete:
            yield language, entry.msgid, entry.msgstr or entry.msgstr_plural.get(0, "")


def _read_tmx(path: Path) -> Iterator[Unit]:
    root = _parse(path)
    header = root.find("{*}header")
    source = told_language(None if header is None else header.get("srclang"))
    for unit in root.findall(".//{*}tu"):
        variants = [
            (told_language(variant.get(_LANGUAGE) or variant.get("lang")), _text(variant.find("{*}seg")))
            for variant in unit.findall("{*}tuv")
        ]
        own = told_language(unit.get("srclang")) or source
        text = next((found for language, found in variants if language == own), "")
        for language, translation in variants:
            if language is not None and language != own:
                yield language, text, translation


def _read_xliff(path: Path) -> Iterator[Unit]:
    root = _parse(path)
    for file in root.findall("{*}file"):
        language = told_language(file.get("target-language") or root.get("trgLang"))
        for unit in [*file.findall(".//{*}trans-unit"), *file.findall(".//{*}segment")]:
            if language is not None:
                yield language, _text(unit.find("{*}source")), _text(unit.find("{*}target"))


def _parse(path: Path) -> Element:
    with importing("translate", str(path)):
        from defusedxml import DefusedXmlException
        from defusedxml.ElementTree import parse
    try:
        root: Element = parse(path).getroot()
    except (OSError, ParseError, DefusedXmlException, ValueError) as error:
        raise InputError(f"{path} is no XML that can be read: {error}") from error
    return root


def _text(element: Element | None) -> str:
    return "" if element is None else "".join(element.itertext())


_READERS = {".po": _read_po, ".tmx": _read_tmx, ".xlf": _read_xliff, ".xliff": _read_xliff}
