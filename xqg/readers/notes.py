"""Keeps count of what was changed in records so that they could be taken, to be told once."""

from __future__ import annotations

CONTROL_CHARACTERS = "control characters are taken out"
SURROGATES = "half characters (lone surrogates) are replaced by U+FFFD"
NOT_FINITE = "NaN or infinite numbers are taken as missing, and stored as null in the metadata"
LARGE_NUMBERS = "whole numbers of more than 64 bits are stored as strings in the metadata"
LANGUAGE_TAGS = "the language that is named is not known, and passed over"
FRONT_MATTER = "the front matter is neither YAML nor TOML; what reads KEY: VALUE is taken"


class Notes:
    """How many records had each kind of change made to them, and where the first one is."""

    def __init__(self) -> None:
        self._counts: dict[str, int] = {}
        self._first: dict[str, str] = {}

    def add(self, kind: str, place: str) -> None:
        """Count a record for ``kind``; ``place`` is FILE:LINE."""
        self._first.setdefault(kind, place)
        self._counts[kind] = self._counts.get(kind, 0) + 1

    def lines(self) -> list[str]:
        """A sentence for each kind; [] where nothing was changed."""
        return [
            f"{kind}: {count} {'record' if count == 1 else 'records'}, the first at {self._first[kind]}"
            for kind, count in self._counts.items()
        ]
