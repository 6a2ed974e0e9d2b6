# SPDX-License-Identifier: GPL-2.0-only
"""The two tables of a place: what was counted exactly, and what was timed."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from orchestrator.report.table import Cell, Column, lay_out
from orchestrator.report.text import fit, format_ns, format_ratio, one_line, paint
from orchestrator.result.compare import Block, Change, Row, measured
from orchestrator.result.model import NO_BAR
from orchestrator.result.record import Run
from orchestrator.scenario.model import Placement
from orchestrator.scenario.units import format_size

_ABSENT = "-"
_TIMED = ("touch_time", "dma_time")
_PLACEMENTS: Mapping[str, str] = {
    Placement.KERNEL: "mmap with NULL hint",
    Placement.QEMU: "size-aligned, at most 1 GiB",
    Placement.OFFSET: "address like BAR offset, modulo PUD or PMD",
    Placement.MISALIGNED: "one page past a PMD boundary",
}


def exact_table(run: Run, block: Block, width: int, color: bool) -> list[str]:
    """The lines of a place's heading and table, with notes below the rows that need one."""
    table = lay_out(_exact_columns(block), width, color)
    lines = [*_heading(run, block, width, color), *table.header]
    for row, line in zip(block.rows, table.rows, strict=True):
        lines += [line, *(fit(f"  {note}", width) for note in _notes(row))]
    return lines


def timed_table(run: Run, block: Block, width: int, color: bool) -> list[str]:
    """The lines of a place's times, each with its ratio to the base; none where nothing was timed."""
    if not any(name in row.reading.values for row in block.rows for name in _TIMED):
        return []
    columns = (
        Column("kernel", tuple(Cell(row.kernel) for row in block.rows), left=True),
        Column("time", _times(block, "touch_time"), above="touch"),
        Column("to base", _ratios(block, "touch_time"), above="ratio"),
        Column("time", _times(block, "dma_time"), above="DMA map"),
        Column("to base", _ratios(block, "dma_time"), above="ratio"),
    )
    table = lay_out(columns, width, color)
    return [*_heading(run, block, width, color), *table.header, *table.rows]


def _heading(run: Run, block: Block, width: int, color: bool) -> list[str]:
    """What was mapped: device, BAR, offset, length, placement; the workload only where there are several."""
    place = block.place
    parts = [f"{place.device} BAR{place.bar}" if place.bar != NO_BAR else f"{place.device}: nothing was reported"]
    offset = run.scenario.workloads.get(place.workload, {}).get("offset")
    if isinstance(offset, int) and offset:
        parts.append(f"offset {format_size(offset)}")
    if block.length is not None:
        parts.append(format_size(block.length))
    if len(run.scenario.workloads) > 1:
        parts.append(f"workload {place.workload}")
    if place.placement:
        parts.append(f"placement {place.placement}")
    explained = f"{', '.join(parts)} ({_PLACEMENTS.get(place.placement, '')})".removesuffix(" ()")
    text = explained if len(explained) <= width else ", ".join(parts)
    return [paint(fit(text, width), "bold", color)]


def _exact_columns(block: Block) -> tuple[Column, ...]:
    def column(cell: Callable[[Row], Cell]) -> tuple[Cell, ...]:
        return tuple(cell(row) for row in block.rows)

    def check(name: str) -> tuple[Cell, ...]:
        return column(lambda row: Cell(measured(name, row.reading) or _ABSENT))

    return (
        Column("kernel", column(lambda row: Cell(row.kernel)), left=True),
        Column("alignment", check("alignment"), short="align"),
        Column("level", column(_level)),
        Column("entries", check("entries")),
        Column("faults", check("faults")),
        Column("faults", check("dma_faults"), above="DMA"),
        Column("KiB", column(_vmpte), above="VmPTE", optional=True),
        Column("vs base", column(_change), left=True),
        Column("status", column(_status), left=True),
    )


def _level(row: Row) -> Cell:
    entries = row.reading.entries
    if entries is None:
        return Cell(_ABSENT)
    return Cell(entries.pure or ("mixed" if entries.total else "none"))


def _vmpte(row: Row) -> Cell:
    vmpte = row.reading.values.get("vmpte")
    return Cell(str(vmpte.value // 1024) if vmpte else _ABSENT)


def _change(row: Row) -> Cell:
    if row.change is None:
        return Cell("(base)")
    colours = {Change.FIX: "green", Change.REGRESSION: "red"}
    return Cell(row.change, colours.get(row.change, ""))


def _status(row: Row) -> Cell:
    if row.status is None:
        return Cell(_ABSENT)
    return Cell(row.status, "" if row.status.expected else "red")


def _notes(row: Row) -> list[str]:
    entries = row.reading.entries
    mixed = [f"entries: {entries}"] if entries and entries.total and not entries.pure else []
    return mixed + ([one_line(row.reading.note)] if row.reading.note else [])


def _times(block: Block, name: str) -> tuple[Cell, ...]:
    values = [row.reading.values.get(name) for row in block.rows]
    return tuple(Cell(format_ns(value.value) if value else _ABSENT) for value in values)


def _ratios(block: Block, name: str) -> tuple[Cell, ...]:
    values = [row.reading.values.get(name) for row in block.rows]
    base = values[0].value if values[0] else 0
    return (Cell(""), *(Cell(format_ratio(value.value, base) if value else _ABSENT) for value in values[1:]))
