# SPDX-License-Identifier: GPL-2.0-only
"""A table whose reader lays it out itself, as a browser or a forge does."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from orchestrator.report.table import LONGEST_CELL, Column
from orchestrator.report.text import fit

_LONG = 40
_TONES = {"red": "bad", "green": "good"}
_UNITS = {"KiB": 2.0**10, "MiB": 2.0**20, "GiB": 2.0**30, "TiB": 2.0**40, "ns": 1e-9, "us": 1e-6, "ms": 1e-3, "s": 1.0}
_NUMBER = re.compile(r"<?([0-9]{1,20}(?:\.[0-9]{1,9})?)(?: (B|KiB|MiB|GiB|TiB|ns|us|ms|s))?\*?")
_INTEGER = re.compile(r"[0-9]{1,20}")
_FRACTION = re.compile(r"1/([0-9]{1,20})")


@dataclass(frozen=True)
class GridCell:
    """A cell: its text, its tone ("good", "bad" or ""), and the number that it is sorted by, "" for the text."""

    text: str
    tone: str = ""
    key: str = ""

    @property
    def long(self) -> bool:
        """Whether the text needs several lines on a small screen."""
        return len(self.text) > _LONG


@dataclass(frozen=True)
class Grid:
    """A table.

    The first column has the names of the rows; `numeric` says which columns are aligned to the right.  `detail` is a
    sentence below the table.
    """

    caption: str
    heads: tuple[str, ...]
    numeric: tuple[bool, ...]
    rows: tuple[tuple[GridCell, ...], ...]
    detail: str = ""


def grid(caption: str, columns: Sequence[Column], notes: Sequence[str] = ()) -> Grid:
    """Return `columns` as a table, with a last column of `notes` if there is one."""
    heads = [fit(f"{column.above} {column.header}".strip(), LONGEST_CELL) for column in columns]
    rows = [[cell(each.text, each.colour) for each in row] for row in zip(*(c.cells for c in columns), strict=True)]
    numeric = [not column.left for column in columns]
    if any(notes):
        heads, numeric = [*heads, "note"], [*numeric, False]
        rows = [[*row, GridCell(note)] for row, note in zip(rows, notes, strict=True)]
    return Grid(caption, tuple(heads), tuple(numeric), tuple(map(tuple, rows)))


def cell(text: str, colour: str = "") -> GridCell:
    """Return a cell that is sorted by its number, if it has one.  A large integer gets separators."""
    shown = f"{int(text):,}" if _INTEGER.fullmatch(text[:30]) else fit(text, LONGEST_CELL)
    return GridCell(shown, _TONES.get(colour, ""), _key(text))


def _key(text: str) -> str:
    """Return the number in a cell, in bytes or seconds if it has such a unit; "" if it is no number."""
    fraction = _FRACTION.fullmatch(text[:30])
    if fraction and int(fraction[1]):
        return repr(1 / int(fraction[1]))
    number = _NUMBER.fullmatch(text[:50])
    return repr(float(number[1]) * _UNITS.get(number[2] or "", 1.0)) if number else ""
