"""Keeps the splits of a data set apart: train, dev and test in one folder are never read together unless asked for."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from xqg.errors import SettingsError

ALL_SPLITS = "all"
UNNAMED = ""
"""The split of files and lines that name none."""
_NAMES = frozenset({"train", "dev", "val", "valid", "validation", "test"})


def split_of(file: Path) -> str:
    """The split that a file name like ``dev-context-en-question-de.json`` tells; "" if it tells none."""
    return next((part for part in re.split(r"[._-]", file.name.lower()) if part in _NAMES), UNNAMED)


def choose_splits(found: Iterable[str], asked: str | None, place: Path) -> frozenset[str]:
    """The splits to read, of those found in ``place``.

    :param asked: a split, "all", or None: the only one that is there.
    :raises SettingsError: if ``asked`` is not there, or several are and none was asked for; names those that are.
    """
    splits = frozenset(found)
    if asked == ALL_SPLITS or (asked is None and len(splits) < 2):
        return splits
    if asked is not None and asked in splits - {UNNAMED}:
        return frozenset({asked})
    named = ", ".join(sorted(splits - {UNNAMED}))
    told = f"the splits {named}" + (" and files that name none" if UNNAMED in splits else "") if named else "no splits"
    wanted = "one of them" if asked is None else f"the split {asked!r}"
    remedy = "Name one with --split, or all" if named else "Drop --split"
    raise SettingsError(f"{place} holds {told}", f"asked for {wanted}", remedy)
