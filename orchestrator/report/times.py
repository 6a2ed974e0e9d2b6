# SPDX-License-Identifier: GPL-2.0-only
"""The times of several boots of each kernel: tables, sentences, and values for programs.

A difference that the data does not show is a sentence, and never a number.  Under emulation, a time depends on the
machine that emulates: only ratios are shown.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from math import ceil
from typing import Any

from orchestrator.report.blocks import heading
from orchestrator.report.table import Cell, Column, lay_out
from orchestrator.report.text import fit, format_ns, format_ratio, wrap
from orchestrator.result.compare.alignment import Block, Comparison
from orchestrator.result.compare.readings import CompareKey
from orchestrator.result.compare.statistics import CONFIDENCE, FALSE_ALARMS, Summary, summary
from orchestrator.result.compare.times import TIMES, TimeComparison, Times
from orchestrator.result.run import Run

_TITLES = {"touch_time": "touch", "dma_time": "DMA map"}
_DIGITS = 10**12
"""A ratio is shown from integers: this is the value of 1."""
_TITLE = (
    "Times per GiB; each boot is a sample. Spread: the interquartile range, in percent of the median. A ratio, with "
    f"its {100 * CONFIDENCE:.0f} % interval, is given only if a difference is shown; of {1 / FALSE_ALARMS:.0f} runs of "
    "equal kernels, at most one shows any."
)
_CONFIDENT = f"{100 * CONFIDENCE:.0f} %"
_OF_EARLIER_TESTS = "It may come from an earlier test of the same boot; to be sure, give each placement a workload."
_OF_EMULATION = "Under emulation there are only ratios."
_FACTOR = 2.0
"""From this ratio on, what could have been seen is a factor and not a percentage."""


def is_emulated(run: Run) -> bool:
    """Return whether the guests ran under emulation (TCG), whose times are not those of any machine."""
    return run.accelerator.startswith("tcg")


def times_tables(comparison: Comparison, width: int, color: bool) -> list[list[str]]:
    """Return the lines of the title and of a table for each place with times; none if nothing was timed."""
    times = comparison.times
    if times is None or not times.samples:
        return []
    timed = {place for place, _, _ in times.samples}
    tables = [_table(comparison.run, times, b, width, color) for b in comparison.blocks if b.place in timed]
    return [wrap(_title(comparison.run, timed), width), *tables]


def _title(run: Run, timed: Collection[CompareKey]) -> str:
    """Return what the reader must know of all tables; `timed` are the places with times."""
    several = len({place.workload for place in timed}) < len(timed)
    notes = (_OF_EARLIER_TESTS if several else "", _OF_EMULATION if is_emulated(run) else "")
    return " ".join(filter(None, (_TITLE, *notes)))


def too_few(run: Run, times: Times) -> str:
    """Return the sentence on the times of a run with too few boots to show a difference."""
    return f"Each is the median of {run.repeat} boots; to show a difference takes {times.needed} boots of each kernel."


def _table(run: Run, times: Times, block: Block, width: int, color: bool) -> list[str]:
    rows = [
        (name, row.kernel, [sample.value for sample in times.samples[block.place, name, row.kernel]])
        for name in TIMES
        for row in block.rows
        if (block.place, name, row.kernel) in times.samples
    ]
    summaries = [summary(values) for _, _, values in rows]
    found = [times.comparison(block.place, name, kernel) for name, kernel, _ in rows]
    medians = (
        () if is_emulated(run) else (Column("median", tuple(Cell(format_ns(round(s.median))) for s in summaries)),)
    )
    columns = (
        Column("kernel", tuple(Cell(kernel) for _, kernel, _ in rows), left=True),
        Column("time", tuple(Cell(_TITLES[name]) for name, _, _ in rows), left=True),
        Column("n", tuple(Cell(str(each.count)) for each in summaries)),
        *medians,
        Column("spread", tuple(Cell(_spread(each)) for each in summaries)),
        Column("to base", tuple(Cell(_ratio(each)) for each in found), above="ratio"),
        Column(
            "interval", tuple(Cell(_interval(each)) for each in found), above=f"{100 * CONFIDENCE:.0f} %", left=True
        ),
    )
    table = lay_out(columns, width, color)
    lines = [*heading(run, block, width, color), *table.header]
    for line, each in zip(table.rows, found, strict=True):
        lines += [line, *([fit(f"  {finding(each, times.needed)}", width)] if each and not each.shown else [])]
    return lines


def _median(found: Summary) -> Cell:
    return Cell(format_ns(round(found.median)))


def _spread(found: Summary) -> str:
    return "-" if found.spread is None else f"{100 * found.spread:.0f} %"


def _ratio(found: TimeComparison | None) -> str:
    return format_ratio(round(found.ratio.value * _DIGITS), _DIGITS) if found and found.shown else ""


def _interval(found: TimeComparison | None) -> str:
    """Return the interval of a ratio that is shown; a difference that is shown has one."""
    if found is None or not found.shown or found.ratio.low is None or found.ratio.high is None:
        return ""
    low, high = (format_ratio(round(end * _DIGITS), _DIGITS) for end in (found.ratio.low, found.ratio.high))
    return f"{low} to {high}"


def finding(found: TimeComparison, needed: int) -> str:
    """Return what the data says about a time, as the part of a sentence.

    `needed` is how many boots of each kernel can show a difference; see `Times`.
    """
    before, after = found.base.count, found.variant.count
    count = f"n={before}" if before == after else f"n={before} and {after}"
    if found.shown:
        return f"ratio to base {_ratio(found)} ({_CONFIDENT} interval {_interval(found)}, {count})"
    if found.visible is None:
        return f"no difference can be shown ({count}; it takes {needed} boots of each kernel)"
    return f"no difference shown ({count}, could have seen {_size(found.visible)})"


def _size(ratio: float) -> str:
    """Return a ratio above 1 as a percentage, rounded up, or as a factor."""
    return f"{ceil(100 * (ratio - 1))} %" if ratio < _FACTOR else f"a factor of {ceil(10 * ratio) / 10:.3g}"


def times_json(times: Times, *, emulated: bool) -> list[dict[str, Any]]:
    """Return every time of every kernel at every place, with its samples in ns per GiB.

    Only a time of a variant has a comparison.  Under emulation, the times of the samples are data, and no findings.
    """
    return [_time(times, key, emulated=emulated) for key in times.samples]


def _time(times: Times, key: tuple[CompareKey, str, str], *, emulated: bool) -> dict[str, Any]:
    place, name, kernel = key
    found = times.comparison(place, name, kernel)
    samples = times.samples[key]
    seen = summary([sample.value for sample in samples])
    return {
        "workload": place.workload,
        "device": place.device,
        "bar": place.bar,
        "test": place.test,
        "name": name,
        "kernel": kernel,
        "unit": "ns/GiB",
        "emulated": emulated,
        "samples": [{"round": sample.round, "value": sample.value} for sample in samples],
        "n": seen.count,
        "median": seen.median,
        "spread": seen.spread,
        "comparison": dict(_compared(found, times.needed)) if found else None,
    }


def _compared(found: TimeComparison, needed: int) -> Iterator[tuple[str, Any]]:
    yield from {"shown": found.shown, "finding": finding(found, needed), "p_value": found.ratio.p_value}.items()
    yield from {"ratio": found.ratio.value, "low": found.ratio.low, "high": found.ratio.high}.items()
    yield "visible", found.visible
