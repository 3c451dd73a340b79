"""The lines of a table, in bounded memory, some of which may be read again in another way."""

from __future__ import annotations

import csv
import re
from collections import deque

from xqg.readers import lines
from xqg.readers.lines import Line, read_lines

LINE_COST_BYTES = 200
"""What a line takes in memory beside its content; a stray quote can join very many."""

SAMPLE_BYTES = 2**18
"""How much of a table is looked at to find out whether its fields are enclosed in quotation marks."""

_BACKSLASHED = re.compile(r"\\(.)", re.DOTALL)


class Feed:
    """Hands lines to a dialect, and takes back those of a record that turned out to be broken."""

    def __init__(self, source: str) -> None:
        self._lines = read_lines(source, any_end=True)
        self._returned: deque[Line] = deque()
        self._size = 0
        self._escaped = False
        self.taken: list[Line] = []

    def __iter__(self) -> Feed:
        return self

    def __next__(self) -> str:
        line = self._returned.popleft() if self._returned else next(self._lines)
        self.taken.append(line)
        self._size += len(line.content) + LINE_COST_BYTES
        if line.fault is not None:
            raise csv.Error(line.fault)
        if self._size > lines.MAX_LINE_BYTES:
            raise csv.Error(f"the record takes more than {lines.MAX_LINE_BYTES} bytes; a closing quote may be missing")
        # The csv module of Python 3.10 knows no NUL; another control character is cleaned away later just as well.
        text = line.content.decode("utf-8", "surrogateescape").replace("\x00", "\x01")
        return _BACKSLASHED.sub(_doubled, text) if self._escaped else text

    def begin_record(self, escaped: bool = False) -> None:
        """:param escaped: quotation marks within fields are written with a backslash before them."""
        self.taken, self._size, self._escaped = [], 0, escaped

    def give_back(self, first: int = 0) -> None:
        """Return the taken lines from this one on: an unclosed quote joins lines that are records of their own."""
        self._returned.extendleft(reversed(self.taken[first:]))
        del self.taken[first:]

    def skip_blank_lines(self) -> None:
        """Go to the first line that holds something."""
        self.begin_record()
        for line in self:
            if line.strip():
                self.give_back(len(self.taken) - 1)
                return

    def sample(self) -> tuple[list[str], bool]:
        """The next lines, which stay to be read, and whether they are all there are."""
        self.begin_record()
        texts: list[str] = []
        complete = False
        try:
            while self._size < SAMPLE_BYTES:
                texts.append(next(self))
        except StopIteration:
            complete = True
        except csv.Error:
            pass  # a line that cannot be used; it is told of when its turn comes
        self.give_back()
        return texts, complete


def _doubled(found: re.Match[str]) -> str:
    """A quotation mark behind a backslash as the csv module has it; other backslashes stay what they are."""
    return '""' if found[1] == '"' else found[0]
