# SPDX-License-Identifier: GPL-2.0-only
"""The table of a place: how each kernel mapped it.

The last columns are the change from the base and the status.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from orchestrator.report.table import Cell, Column, lay_out
from orchestrator.report.text import fit, one_line, paint, wrap
from orchestrator.result.compare.alignment import Block, Row, measured
from orchestrator.result.compare.status import Change
from orchestrator.result.model import NO_BAR, Status
from orchestrator.result.run import Run
from orchestrator.scenario.model import Placement
from orchestrator.workload.alignment.entries import Entries, entries_of
from orchestrator.workload.alignment.infer import DEDUCED
from orchestrator.workload.alignment.stage2 import STAGE2
from orchestrator.workload.alignment.tests import VMM_TEST, reads_stage2
from orchestrator.yamlfile.units import measured_size

_ABSENT = "-"
DEDUCED_MARK = "*"
HOW_DEDUCED = (
    "level and entries are deduced, from the growth of the page tables and the faults: this kernel cannot show its "
    "page tables (CONFIG_PTDUMP_DEBUGFS)"
)
_PLACEMENTS: Mapping[str, str] = {
    Placement.KERNEL: "mmap with NULL hint",
    Placement.QEMU: "size-aligned, at most 1 GiB",
    Placement.QEMU_V4: "BAR aligned to its size, at most 1 GiB, part at its offset",
    Placement.CLOUD_HYPERVISOR: "aligned to the next power of two, at most 1 GiB",
    Placement.OFFSET: "address like BAR offset, modulo PUD or PMD",
    Placement.PMD: "address like BAR offset, modulo PMD, not PUD",
    Placement.MISALIGNED: "one page past a PMD boundary",
    VMM_TEST: "by the VMM",
}


def exact_table(run: Run, block: Block, width: int, color: bool) -> list[str]:
    """Return the lines of a place's heading and table.

    Notes are below the rows that need them.
    """
    table = lay_out(exact_columns(block), width, color)
    lines = [*heading(run, block, width, color), *table.header]
    for row, line in zip(block.rows, table.rows, strict=True):
        lines += [line, *(fit(f"  {note}", width) for note in notes(row))]
    if has_deduced(block):
        lines += wrap(HOW_DEDUCED, width, f"{DEDUCED_MARK} ", "  ")
    return lines


def has_deduced(block: Block) -> bool:
    """Whether a row's entries were deduced."""
    return any(DEDUCED in row.reading.values for row in block.rows)


def heading(run: Run, block: Block, width: int, color: bool) -> list[str]:
    """Return a line on what was mapped, with its explanation if there is room for it."""
    name, why = place_words(run, block)
    explained = f"{name} ({why})" if why else name
    return [paint(fit(explained if len(explained) <= width else name, width), "bold", color)]


def place_words(run: Run, block: Block) -> tuple[str, str]:
    """Return what was mapped: device, BAR, offset, length, placement or test; and an explanation of the placement.

    The workload is named only if there are several.
    """
    place = block.place
    parts = [f"{place.device} BAR{place.bar}" if place.bar != NO_BAR else f"{place.device}: nothing was reported"]
    offset = _offset(run, block)
    if offset:
        parts.append(f"offset {measured_size(offset)}")
    if block.length is not None:
        parts.append(measured_size(block.length))
    if len(run.scenario.workloads) > 1:
        parts.append(f"workload {place.workload}")
    if place.test:
        parts.append(f"{'placement' if place.test in tuple(Placement) else 'test'} {place.test}")
    return ", ".join(parts), _PLACEMENTS.get(place.test, "")


def _offset(run: Run, block: Block) -> int:
    """Return the start of the range in the BAR.

    It is the measured one, or else that of the scenario.
    """
    measured_at = (row.reading.values["offset"].value for row in block.rows if "offset" in row.reading.values)
    requested = run.scenario.workloads.get(block.place.workload, {}).get("offset")
    return next(measured_at, requested if isinstance(requested, int) else 0)


def _cells(block: Block, cell: Callable[[Row], Cell]) -> tuple[Cell, ...]:
    return tuple(cell(row) for row in block.rows)


def _checks(block: Block, name: str) -> tuple[Cell, ...]:
    return _cells(block, lambda row: Cell(measured(name, row.reading) or _ABSENT))


def _dma_columns(block: Block) -> tuple[Column, ...]:
    return (
        Column("faults", _checks(block, "dma_faults"), above="DMA"),
        Column("KiB", _cells(block, _vmpte), above="VmPTE", optional=True),
    )


def _stage2_columns(block: Block) -> tuple[Column, ...]:
    return (
        Column("level", _cells(block, _stage2_level), above="stage 2"),
        Column("entries", _cells(block, _stage2_entries), above="stage 2"),
        Column("faults", _checks(block, "stage2_faults"), above="vCPU"),
    )


def exact_columns(block: Block) -> tuple[Column, ...]:
    """Return the columns of a place: what was counted, the change from the base, and the status."""
    contiguous = _cells(block, _contiguous)
    return (
        Column("kernel", _cells(block, lambda row: Cell(row.kernel)), left=True),
        Column("alignment", _checks(block, "alignment"), short="align"),
        Column("level", _cells(block, _level)),
        Column("entries", _checks(block, "entries")),
        # Only arm64 has a bit for it (CONTPTE).
        *([Column("CONT", contiguous)] if any(cell.text != _ABSENT for cell in contiguous) else []),
        Column("faults", _checks(block, "faults"), optional=reads_stage2(block.place.test)),
        *(_stage2_columns if reads_stage2(block.place.test) else _dma_columns)(block),
        Column("vs base", _cells(block, _change), left=True),
        Column("status", _cells(block, _status), left=True),
    )


def _level(row: Row) -> Cell:
    entries = row.reading.entries
    if entries is None:
        return Cell(_ABSENT)
    mark = DEDUCED_MARK if DEDUCED in row.reading.values else ""
    return Cell(f"{_common_level(entries)}{mark}")


def _common_level(entries: Entries) -> str:
    return entries.pure or ("mixed" if entries.total else "none")


def _stage2_level(row: Row) -> Cell:
    entries = entries_of(row.reading.numbers, STAGE2)
    return Cell(_common_level(entries) if entries else _ABSENT)


def _stage2_entries(row: Row) -> Cell:
    entries = entries_of(row.reading.numbers, STAGE2)
    return Cell(str(entries.total) if entries else _ABSENT)


def _contiguous(row: Row) -> Cell:
    found = row.reading.values.get("entries_contiguous")
    return Cell(str(found.value) if found else _ABSENT)


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


def notes(row: Row) -> list[str]:
    """Return what a row has to say beside its cells: mixed entries, and what went wrong."""
    entries = row.reading.entries
    found = (("entries", entries), ("stage 2", entries_of(row.reading.numbers, STAGE2)))
    mixed = [f"{what}: {each}" for what, each in found if each and each.total and not each.pure]
    level = row.reading.case("level")
    unknown = level.message if level and level.status is Status.SKIP else ""
    return mixed + ([one_line(row.reading.note or unknown)] if row.reading.note or unknown else [])
