# SPDX-License-Identifier: GPL-2.0-only
"""All places of a run in one table: a line per kernel, a column per place, the level and the change in the cells."""

from __future__ import annotations

from orchestrator.report.grid import Grid, GridCell, cell
from orchestrator.report.matrix import is_further
from orchestrator.result.compare.alignment import Block, Comparison, Row, measured
from orchestrator.result.compare.status import Change
from orchestrator.result.model import NO_BAR
from orchestrator.scenario.model import Placement

MOST_PLACES = 12
"""Columns at most; further places are below only."""


def overview(comparison: Comparison) -> Grid | None:
    """Return the table, or None if there are fewer than two places that measure a mapping."""
    blocks = [block for block in comparison.blocks if not is_further(block)]
    if len(blocks) < 2:
        return None
    shown = blocks[:MOST_PLACES]
    heads = ("kernel", *(_head(block, shown) for block in shown))
    rows = tuple(
        (cell(row.kernel), *(_cell(block.rows[at]) for block in shown)) for at, row in enumerate(shown[0].rows)
    )
    rest = len(blocks) - len(shown)
    left_out = f"{rest} more place{'s are' if rest > 1 else ' is'} not in this table." if rest else ""
    caption = "Level of the entries at each place, and the change from the base"
    return Grid(caption, heads, (False,) * len(heads), rows, left_out)


def _head(block: Block, shown: list[Block]) -> str:
    """Return what distinguishes a place from the others."""
    place = block.place
    key = (place.device, place.bar, place.test)
    several = {(other.place.device, other.place.bar) for other in shown}
    name = f"placement {place.test}" if place.test in tuple(Placement) else place.test or place.workload
    where = f"{place.device} BAR{place.bar} " if len(several) > 1 and place.bar != NO_BAR else ""
    same = [other for other in shown if (other.place.device, other.place.bar, other.place.test) == key]
    return f"{where}{name}{f' ({place.workload})' if len(same) > 1 else ''}"


def _cell(row: Row) -> GridCell:
    """Return the level; if it is not as expected, the status; and the change, if there is one."""
    level, stage2 = measured("level", row.reading), measured("stage2", row.reading)
    found = f"{level}, stage 2 {stage2}" if level and stage2 else level or stage2
    bad = row.status is not None and not row.status.expected
    status = row.status if bad or not found else None
    change = None if row.change is Change.UNCHANGED else row.change
    tone = "bad" if bad or row.change is Change.REGRESSION else "good" if row.change is Change.FIX else ""
    return GridCell(", ".join(part for part in (found, status, change) if part) or "-", tone)
