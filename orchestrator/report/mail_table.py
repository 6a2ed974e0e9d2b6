# SPDX-License-Identifier: GPL-2.0-only
"""What differs between the kernels of a run, as tables for a mail."""

from __future__ import annotations

from itertools import groupby

from orchestrator.report.blocks import exact_table
from orchestrator.report.matrix import is_further
from orchestrator.report.table import Cell, Column, lay_out
from orchestrator.report.text import fit, one_line, wrap
from orchestrator.result.compare.alignment import Block, Comparison, measured
from orchestrator.result.compare.finding import Difference, differences, place_of, suite_changes, variants
from orchestrator.result.compare.readings import KernelReading
from orchestrator.result.compare.status import Change
from orchestrator.result.compare.suite import compare_suites
from orchestrator.workload.alignment.entries import Entries, entries_of
from orchestrator.workload.alignment.stage2 import STAGE2

_WIDTH = 72
_MOST_ROWS = 60
_MOST_TABLES = 12
_LONGEST_VALUE = 18
_LONGEST_TEXT = 600


def differing(comparison: Comparison) -> list[list[str]]:
    """Return the sections of what differs: nothing if nothing does.

    One variant is a table of its values; several are a table per place, with a line per kernel.
    """
    names = variants(comparison)
    if len(names) == 1:
        found = differences(comparison, names[0])
        return [section for section in (_values(found, names[0]), _suites(comparison, names[0])) if section]
    blocks = [block for block in comparison.blocks if not is_further(block) and _differs(block)]
    tables = [exact_table(comparison.run, block, _WIDTH, color=False) for block in blocks[:_MOST_TABLES]]
    rest = len(blocks) - len(tables)
    more = [[f"{rest} more tables are in the report of the run."]] if rest > 0 else []
    return tables + more + [section for name in names if (section := _suites(comparison, name))]


def _differs(block: Block) -> bool:
    return any(row.change not in (None, Change.UNCHANGED) for row in block.rows)


def _values(found: tuple[Difference, ...], variant: str) -> list[str]:
    """Return the table `case | base | patched | change`."""
    if not found:
        return []
    shown, base = found[:_MOST_ROWS], found[0].base.kernel
    cells: list[tuple[str, str, str, str]] = []
    for place, group in groupby(shown, key=lambda one: place_of(one.block)):
        cells.append((place, "", "", ""))
        cells += [(f"  {_name(one)}", *_sides(one), one.change.change) for one in group]
    table = lay_out(
        (
            Column("case", tuple(Cell(row[0]) for row in cells), left=True),
            Column(fit(base, _LONGEST_VALUE), tuple(Cell(row[1]) for row in cells)),
            Column(fit(variant, _LONGEST_VALUE), tuple(Cell(row[2]) for row in cells)),
            Column("change", tuple(Cell(row[3]) for row in cells), left=True),
        ),
        _WIDTH,
        color=False,
    )
    rows = [fit(row[0], _WIDTH) if not row[3] else line for row, line in zip(cells, table.rows, strict=True)]
    rest = len(found) - len(shown)
    return [*table.header, *rows, *([f"{rest} more values differ."] if rest else [])]


def _name(found: Difference) -> str:
    return found.change.check.replace("_", " ")


def _sides(found: Difference) -> tuple[str, str]:
    return _value(found, found.base.reading), _value(found, found.row.reading)


def _value(found: Difference, reading: KernelReading) -> str:
    """Return the measured value, or the status that replaces it; of mixed entries the levels."""
    check = found.change.check
    entries = {"level": reading.entries, "stage2": entries_of(reading.numbers, STAGE2)}.get(check)
    if entries:
        return _levels(entries)
    case = reading.case(check)
    text = measured(check, reading) or (case.status if case else reading.gap or "")
    return fit(f"{int(text):,}" if text.isdigit() else text, _LONGEST_VALUE) or "-"


def _levels(entries: Entries) -> str:
    return "+".join(reversed(entries.levels)) or "none"


def _suites(comparison: Comparison, variant: str) -> list[str]:
    """Return the cases of selftests and commands that differ."""
    found = suite_changes(compare_suites(comparison.run), variant)
    lines: list[str] = []
    for workload, case in found[:_MOST_ROWS]:
        before, after = (status or "absent" for status in (case.base, case.variant))
        note = f": {one_line(case.note)}" if case.note else ""
        text = f"{workload}/{case.name}: {before}, with {variant} {after} ({case.change}){note}"
        lines += wrap(fit(one_line(text), _LONGEST_TEXT), _WIDTH, "- ", "  ")
    rest = len(found) - _MOST_ROWS
    return lines + ([f"{rest} more cases differ."] if rest > 0 else [])
