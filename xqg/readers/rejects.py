"""Writes the records that could not be taken to a file, so that they can be mended and read again."""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path
from typing import Any, TextIO

from xqg.errors import PARSING_ERRORS, SettingsError
from xqg.readers.folder import TEXT_ENDINGS
from xqg.readers.lines import MAX_LINE_BYTES, STANDARD_INPUT, told
from xqg.readers.sources import BEIR_FILES
from xqg.records import Reject

logger = logging.getLogger(__name__)

KEYS = ("file", "line", "reason", "record")
LINE_START = b'{"file": "'


class RejectsFile(AbstractContextManager["RejectsFile"]):
    """A file of JSON lines with the keys file, line, reason and record, made at the first reject of a run.

    The file of an earlier run is replaced then, or deleted when this run ends well without rejects. Any other file at
    the path is refused before the run starts. It is ASCII: bytes that were not UTF-8 are escaped surrogates.
    """

    def __init__(self, path: str | Path, sources: Sequence[str] = ()) -> None:
        """:param sources: the inputs of this run, which the file must not overwrite.

        :raises SettingsError: if the path is or would become one of the sources, holds something else, or cannot be
            written.
        """
        self._path = Path(path)
        self._file: TextIO | None = None
        try:
            for source in sources:
                _refuse_source(self._path, source)
            _refuse_other_files(self._path)
        except (OSError, RuntimeError) as error:  # too long a name, a folder without permission, a loop of links
            raise _unwritable(self._path, told(error)) from error

    def write(self, reject: Reject) -> None:
        """Add a reject; it is with the operating system when this returns.

        :raises SettingsError: if the file cannot be written.
        """
        try:
            if self._file is None:
                self._file = self._path.open("w", encoding="ascii", newline="\n")
            self._file.write(_as_json(reject) + "\n")
            self._file.flush()
        except OSError as error:
            raise _unwritable(self._path, str(error.strerror)) from error

    def __exit__(self, kind: type[BaseException] | None, *error: object) -> None:
        if self._file is not None:
            self._file.close()
        elif kind is None:
            try:
                if self._path.exists():  # a run without rejects needs no right to write
                    self._path.unlink()
            except OSError as problem:
                logger.warning("%s is of an earlier run and cannot be deleted: %s", self._path, problem.strerror)


def read_rejects(path: str | Path) -> Iterator[Reject]:
    """The rejects in a file that `RejectsFile` wrote, in their order."""
    with Path(path).open(encoding="ascii") as file:
        for line in file:
            yield Reject(**json.loads(line))


def _as_json(reject: Reject) -> str:
    values = {key: getattr(reject, key) for key in KEYS}
    try:
        return json.dumps(values, ensure_ascii=True, allow_nan=False, default=str)
    except RecursionError:
        return json.dumps({**values, "record": "(nested too deeply to be written)"}, ensure_ascii=True)
    except ValueError:  # a number that JSON cannot hold, perhaps the very reason of the reject
        return json.dumps(_with_finite_numbers(values), ensure_ascii=True, default=str)


def _with_finite_numbers(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _with_finite_numbers(part) for name, part in value.items()}
    if isinstance(value, list):
        return [_with_finite_numbers(part) for part in value]
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value


def _refuse_source(path: Path, source: str) -> None:
    if source == STANDARD_INPUT:
        return
    origin = Path(source)
    same = path.resolve() == origin.resolve() or (path.exists() and origin.exists() and path.samefile(origin))
    inside = origin.is_dir() and origin.resolve() in path.resolve().parents
    read_there = path.suffix.lower() in TEXT_ENDINGS or path.name in BEIR_FILES
    if same or (inside and read_there):
        raise SettingsError(
            f"The rejects file {path} is an input" + ("" if same else f": it lies in {source}"),
            remedy="Name another file",
        )


def _refuse_other_files(path: Path) -> None:
    if not path.parent.is_dir():
        raise _unwritable(path, f"there is no folder {path.parent}")
    if path.is_dir():
        raise _unwritable(path, "it is a folder")
    if path.exists() and not _is_ours(path):
        raise SettingsError(f"The rejects file {path} holds something else", remedy="Name another file")


def _is_ours(path: Path) -> bool:
    """Whether every line is a reject; the last one may be torn, as a killed run leaves it."""
    if not path.is_file():
        return False
    try:
        with path.open("rb") as file:
            return all(_is_reject(line) for line in iter(partial(file.readline, MAX_LINE_BYTES), b""))
    except OSError as error:
        raise _unwritable(path, str(error.strerror)) from error


def _is_reject(line: bytes) -> bool:
    if not line.endswith(b"\n"):
        return line.startswith(LINE_START) or LINE_START.startswith(line)
    try:
        value = json.loads(line)
    except PARSING_ERRORS:
        return False
    return isinstance(value, dict) and set(value) == set(KEYS)


def _unwritable(path: Path, found: str) -> SettingsError:
    return SettingsError(f"The rejects file {path} cannot be written: {found}", remedy="Name another file")
