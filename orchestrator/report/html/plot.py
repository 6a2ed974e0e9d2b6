# SPDX-License-Identifier: GPL-2.0-only
"""Faults and times of a place on logarithmic scales, a row for each kernel."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import ceil, floor, log10

from orchestrator.report.text import format_ns
from orchestrator.result.compare.alignment import Block

_FAULTS = (("faults", "first touch"), ("dma_faults", "DMA map"), ("stage2_faults", "vCPU"))
_TIMES = (("touch_time", "first touch"), ("dma_time", "DMA map"), ("stage2_time", "vCPU"))
_SHAPES = ("circle", "square", "triangle")
_LARGEST = 1 << 63
"""What is drawn at most, in its unit; a guest can report any number."""


@dataclass(frozen=True)
class Mark:
    """One number: its shape, its position in percent, what it is of, and the number as text."""

    shape: str
    x: float
    what: str
    value: str


@dataclass(frozen=True)
class Plot:
    """A scale, and the marks of each kernel.

    `ticks` are positions in percent, with a label at some.  `legend` has (shape, what it is of).
    """

    title: str
    ticks: tuple[tuple[float, str], ...]
    legend: tuple[tuple[str, str], ...]
    rows: tuple[tuple[str, tuple[Mark, ...]], ...]


def plots(block: Block, boots: int = 1) -> tuple[Plot, ...]:
    """Return the plots of faults and of times; there is none of what nothing was measured of.

    `boots` is how often each kernel was booted.
    """
    of = "of one boot" if boots == 1 else f"median of {boots} boots"
    both = (
        _plot("Faults, exact", block, _FAULTS, lambda count: f"{count:,}", _short),
        _plot(f"Times, {of}: noisy, comparable within this run only", block, _TIMES, format_ns, _short_ns),
    )
    return tuple(plot for plot in both if plot)


def _plot(
    title: str,
    block: Block,
    names: tuple[tuple[str, str], ...],
    shown: Callable[[int], str],
    short: Callable[[int], str],
) -> Plot | None:
    values = [_values(row.reading.numbers, names) for row in block.rows]
    found = [number for row in values for _, _, number in row]
    if not found:
        return None
    low, high = _decades(found)
    rows = tuple(
        (row.kernel, tuple(Mark(shape, _at(number, low, high), what, shown(number)) for shape, what, number in marks))
        for row, marks in zip(block.rows, values, strict=True)
    )
    legend = tuple(dict.fromkeys((shape, what) for row in values for shape, what, _ in row))
    every = ceil((high - low) / 4)
    ticks = tuple(
        (_at(10**decade, low, high), short(10**decade) if (decade - low) % every == 0 else "")
        for decade in range(low, high + 1)
    )
    return Plot(title, ticks, legend, rows)


def _short(power: int) -> str:
    """Return a power of ten for an axis, such as "10k"."""
    size, unit = next(
        ((size, unit) for size, unit in ((10**9, "G"), (10**6, "M"), (10**3, "k")) if power >= size), (1, "")
    )
    return f"{power // size}{unit}"


def _short_ns(power: int) -> str:
    """Return a power of ten in nanoseconds for an axis, such as "10 ms"."""
    value, unit = format_ns(power).split()
    return f"{float(value):.0f} {unit}"


def _values(numbers: dict[str, int], names: tuple[tuple[str, str], ...]) -> list[tuple[str, str, int]]:
    return [
        (shape, what, numbers[name])
        for shape, (name, what) in zip(_SHAPES, names, strict=True)
        if 0 <= numbers.get(name, -1) <= _LARGEST
    ]


def _decades(found: list[int]) -> tuple[int, int]:
    """Return the powers of ten around the numbers, at least one decade apart."""
    logs = [log10(max(1, number)) for number in found]
    low = floor(min(logs))
    return low, max(low + 1, ceil(max(logs)))


def _at(number: int, low: int, high: int) -> float:
    return round(3 + 94 * (log10(max(1, number)) - low) / (high - low), 2)
