# SPDX-License-Identifier: GPL-2.0-only
"""The table of the costs of a mapping per GiB.

Costs are page tables, faults, and times, with ratios to the base.
"""

from __future__ import annotations

from orchestrator.report.blocks import heading
from orchestrator.report.table import Cell, Column, lay_out
from orchestrator.report.text import format_ns, format_ratio
from orchestrator.result.compare.alignment import Block
from orchestrator.result.compare.cost import LEAST, per_gib
from orchestrator.result.run import Run

TITLE = "Cost per GiB.  Times are noisy, and comparable within this run only; no verdict rests on them."

_ABSENT = "-"


def cost_table(run: Run, block: Block, width: int, color: bool) -> list[str]:
    """Return the lines of a place's costs; there are none without columns."""
    columns = cost_columns(block)
    if not columns:
        return []
    table = lay_out(columns, width, color)
    return [*heading(run, block, width, color), *table.header, *table.rows]


def cost_columns(block: Block) -> tuple[Column, ...]:
    """Return the columns of a place's costs.

    There are none if nothing was timed, or if less than `LEAST` was mapped.
    """
    costs = [per_gib(row.reading.values) for row in block.rows]
    timed = any("touch_time" in cost or "dma_time" in cost for cost in costs)
    if not timed or (block.length or 0) < LEAST:
        return ()
    return (
        Column("kernel", tuple(Cell(row.kernel) for row in block.rows), left=True),
        Column("KiB", _numbers(costs, "vmpte", 1024), above="VmPTE", optional=True),
        Column("faults", _numbers(costs, "faults")),
        Column("touch", _times(costs, "touch_time"), above="first"),
        Column("to base", _ratios(costs, "touch_time"), above="ratio"),
        Column("faults", _numbers(costs, "dma_faults"), above="DMA"),
        Column("DMA map", _times(costs, "dma_time")),
        Column("to base", _ratios(costs, "dma_time"), above="ratio"),
    )


def _numbers(costs: list[dict[str, float]], name: str, unit: int = 1) -> tuple[Cell, ...]:
    return tuple(Cell(_number(cost[name] / unit) if name in cost else _ABSENT) for cost in costs)


def _number(value: float) -> str:
    """Return a number as text.

    An integer has no fraction, another number has one decimal, and a small one is "<0.1".
    """
    if value == int(value):
        return str(int(value))
    return f"{value:.1f}" if value >= 0.05 else "<0.1"


def _times(costs: list[dict[str, float]], name: str) -> tuple[Cell, ...]:
    return tuple(Cell(format_ns(round(cost[name])) if name in cost else _ABSENT) for cost in costs)


def _ratios(costs: list[dict[str, float]], name: str) -> tuple[Cell, ...]:
    base = round(costs[0].get(name, 0))
    ratios = (format_ratio(round(cost[name]), base) if name in cost else _ABSENT for cost in costs[1:])
    return (Cell(""), *map(Cell, ratios))
