# SPDX-License-Identifier: GPL-2.0-only
"""A table of text that fits into a given width.

It gets narrower gaps, then shorter headers, then fewer columns.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property

from orchestrator.report.text import fit, paint

LONGEST_CELL = 200
"""Characters of a cell or a title at most; no name of a kernel is longer."""


@dataclass(frozen=True)
class Cell:
    """The text of a cell, and its colour."""

    text: str
    colour: str = ""


@dataclass(frozen=True)
class Column:
    """A column with its cells, top to bottom.

    `header` is the last line of its title, `above` the line before.  If the table is too wide, `short` replaces the
    header; if it is still too wide, an `optional` column is left out.
    """

    header: str
    cells: tuple[Cell, ...]
    above: str = ""
    short: str = ""
    left: bool = False
    optional: bool = False

    @cached_property
    def width(self) -> int:
        """The number of characters of the widest of title and cells."""
        texts = (self.header, self.above, *(cell.text for cell in self.cells))
        return max(len(fit(text, LONGEST_CELL)) for text in texts)


@dataclass(frozen=True)
class Table:
    """The lines of a table.

    `rows` has one line per row, so that notes can be put between them.
    """

    header: tuple[str, ...]
    rows: tuple[str, ...]


def lay_out(columns: tuple[Column, ...], width: int, color: bool) -> Table:
    """Lay out `columns`, all of the same height, in lines of at most `width` characters.

    No line has trailing space.  If nothing else helps, the first column is cut.
    """
    layouts = list(_layouts(columns))
    gap, kept = next((layout for layout in layouts if _total(*layout) <= width), layouts[-1])
    spare = width - _total(gap, kept)
    widths = [column.width for column in kept]
    widths[0] += min(0, spare)
    header = [_line([Cell(title) for title in titles], kept, widths, gap, color) for titles in _titles(kept)]
    rows = zip(*(column.cells for column in kept), strict=True)
    body = [_line(list(row), kept, widths, gap, color) for row in rows]
    return Table(tuple(line for line in header if line), tuple(body))


def _layouts(columns: tuple[Column, ...]) -> Iterator[tuple[str, tuple[Column, ...]]]:
    """Yield layouts of the same columns, each narrower than the last.

    A layout is the gap and the columns.
    """
    short = tuple(replace(column, header=column.short or column.header) for column in columns)
    yield "  ", columns
    yield " ", columns
    yield " ", short
    yield " ", tuple(column for column in short if not column.optional)


def _total(gap: str, columns: tuple[Column, ...]) -> int:
    return sum(column.width for column in columns) + len(gap) * (len(columns) - 1)


def _titles(columns: tuple[Column, ...]) -> tuple[list[str], list[str]]:
    return [column.above for column in columns], [column.header for column in columns]


def _line(cells: list[Cell], columns: tuple[Column, ...], widths: list[int], gap: str, color: bool) -> str:
    texts = [_pad(cell, column, width, color) for cell, column, width in zip(cells, columns, widths, strict=True)]
    return gap.join(texts).rstrip()


def _pad(cell: Cell, column: Column, width: int, color: bool) -> str:
    text = fit(cell.text, width)
    space = " " * (width - len(text))
    painted = paint(text, cell.colour, color)
    return painted + space if column.left else space + painted
