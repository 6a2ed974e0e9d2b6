# SPDX-License-Identifier: GPL-2.0-only
"""The lines of a run's file around the one that is evidence."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from orchestrator.agent.inodes import MIB
from orchestrator.host.untrusted import OddFileError, read_beginning, text_of
from orchestrator.result.store.bounds import LONGEST_LINE, cut

BEFORE = 10
"""Lines that are shown before the evidence."""
AFTER = 24
"""Lines that are shown after it: what an oops says follows its first line."""
_MEASUREMENTS = ".jsonl"
"""The end of the names of files in which one line says all."""
_MOST = 64 * MIB
"""Bytes of a file that are read at most: no console is longer (`machine.console.FLOOD_BYTES`)."""
_PLACE = re.compile(r"(.+):([1-9][0-9]{0,8})", re.DOTALL)


@dataclass(frozen=True)
class Line:
    """One line: its number in the file, from 1, and whether it is the evidence itself."""

    number: int
    text: str
    marked: bool


@dataclass(frozen=True)
class Excerpt:
    """Some lines of the file `path`, which is relative to the run directory."""

    path: str
    lines: tuple[Line, ...]


class Evidence:
    """Reads excerpts of the files of one run.

    A file is read once for the excerpts that follow one another.
    """

    def __init__(self, run: Path) -> None:
        self._run = run
        self._content = lru_cache(maxsize=2)(self._read)

    def excerpt(self, evidence: str) -> Excerpt | None:
        """Return the lines around `evidence`, a path below the run directory with ``:line``.

        Returns None if it names no line, or if there is no such file or line.
        """
        found = _PLACE.fullmatch(evidence)
        content = self._content(found[1]) if found else None
        if not found or not content:
            return None
        before, after = (0, 0) if found[1].endswith(_MEASUREMENTS) else (BEFORE, AFTER)
        lines = tuple(_around(content, int(found[2]), before, after))
        return Excerpt(found[1], lines) if any(line.marked for line in lines) else None

    def _read(self, name: str) -> bytes | None:
        try:
            return read_beginning(self._run, name, _MOST)[0]
        except (OddFileError, OSError, ValueError):
            return None


def _around(content: bytes, number: int, before: int, after: int) -> Iterator[Line]:
    """Yield the lines near the one with this number, without cutting the whole content into lines."""
    first = max(1, number - before)
    start = _start_of(content, first)
    for at in range(first, number + after + 1):
        if start < 0 or start >= len(content):
            return
        end = content.find(b"\n", start)
        text = text_of(content[start : end if end >= 0 else len(content)]).rstrip("\r")
        yield Line(at, cut(text, LONGEST_LINE), at == number)
        start = end + 1 if end >= 0 else -1


def _start_of(content: bytes, number: int) -> int:
    """Return where the line with this number begins, -1 if there are fewer lines.

    The count of newlines is halved again and again, which is quick even if each line is empty.
    """
    low, high, before = 0, len(content), 0
    if number == 1:
        return 0
    if content.count(b"\n") < number - 1:
        return -1
    while high - low > 1:
        middle = (low + high) // 2
        inside = content.count(b"\n", low, middle)
        low, high, before = (middle, high, before + inside) if before + inside < number - 1 else (low, middle, before)
    return high
