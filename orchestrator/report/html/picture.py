# SPDX-License-Identifier: GPL-2.0-only
"""The picture of a place: a range of a BAR, and for each kernel where the entries are that map it.

All positions are in percent of the range, so that the picture has any width.  A line of a grid is a multiple of an
entry's size: of the physical address in the axis, of the virtual one in the bar of a process, of the guest-physical one
in that of stage 2.  Large entries are possible where the lines of a bar are those of the axis.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from math import log2

from orchestrator.report.blocks import DEDUCED_MARK
from orchestrator.result.compare.alignment import Block, Row, measured
from orchestrator.result.model import Status
from orchestrator.scenario.model import Level
from orchestrator.workload.alignment.entries import Entries, entries_of
from orchestrator.workload.alignment.infer import DEDUCED
from orchestrator.workload.alignment.prediction import X86_64, Extent, extent_of
from orchestrator.workload.alignment.spans import Span, spans, stage2_spans
from orchestrator.workload.alignment.stage2 import STAGE2
from orchestrator.yamlfile.units import measured_size

MOST_LINES = 64
"""Lines of a grid, or between entries, that are drawn at most."""
_LEAST_LABEL = 14.0
"""Percent of the range that a part must have for a label."""
_LABELS = 4
"""Parts into which the labels divide the axis at most."""


@dataclass(frozen=True)
class Segment:
    """A part of a bar whose entries have one level, and the lines between these entries if they are few."""

    x: float
    width: float
    level: str
    label: str
    lines: tuple[float, ...]


@dataclass(frozen=True)
class Bar:
    """The entries in the page tables of a process or of stage 2.

    `segments` are empty if it is not known where the entries are.  `text` says all of it.
    """

    name: str
    segments: tuple[Segment, ...]
    grid: tuple[float, ...]
    text: str


@dataclass(frozen=True)
class Lane:
    """One kernel.

    `bars` are empty if nothing was measured; `text` then says why.  `where` is where the address fell; `mark` is the
    alignment on a logarithmic scale from a page to a PUD entry, in percent, None if it was not measured.
    """

    kernel: str
    text: str
    bars: tuple[Bar, ...] = ()
    where: str = ""
    alignment: str = ""
    mark: float | None = None


@dataclass(frozen=True)
class Picture:
    """The picture of a place.  `grid` and `labels` are those of the axis, which is the range in the BAR."""

    lanes: tuple[Lane, ...]
    grid: tuple[float, ...]
    labels: tuple[tuple[float, str], ...]
    note: str
    steps: tuple[tuple[float, str], ...]


def picture(block: Block) -> Picture | None:
    """Return the picture of a place, or None if no kernel has entries in one range there."""
    extents = [extent_of(row.reading.numbers) for row in block.rows]
    known = [extent for extent, row in zip(extents, block.rows, strict=True) if extent and row.reading.entries]
    if not known or known[0].length <= 0:
        return None
    first = known[0]
    unit = _unit(first.length)
    grid = _grid(first.physical, first.length, unit)
    lanes = tuple(_lane(row, extent, unit) for row, extent in zip(block.rows, extents, strict=True))
    steps = ((_step(X86_64.pte), "4 KiB"), (_step(X86_64.pmd), "2 MiB"), (_step(X86_64.pud), "1 GiB"))
    return Picture(lanes, grid, _labels(first, unit), _note(first.length, unit), steps)


def _unit(length: int) -> int:
    """Return the distance of the lines of a grid: that of the largest entries that fit into the range."""
    return next((size for size in (X86_64.pud, X86_64.pmd) if size <= length), X86_64.pte)


def _note(length: int, unit: int) -> str:
    level = next(level for level in Level if X86_64.of(level) == unit)
    if length // unit > MOST_LINES:
        return f"The grid of {measured_size(unit)} ({level}) is too fine to be drawn."
    finer = f"; the grid of 2 MiB (PMD) has {length // X86_64.pmd} parts and is too fine" if level is Level.PUD else ""
    return f"Grid lines: multiples of {measured_size(unit)} ({level}){finer}."


def _grid(start: int, length: int, unit: int) -> tuple[float, ...]:
    """Return where the multiples of `unit` are, in percent of a range that begins at the address `start`."""
    if length // unit > MOST_LINES:
        return ()
    return tuple(_percent(at, length) for at in range(-start % unit, length + 1, unit))


def _percent(at: int, length: int) -> float:
    return round(100 * at / length, 3)


def _labels(extent: Extent, unit: int) -> tuple[tuple[float, str], ...]:
    """Return the labels of the axis: offsets in the BAR at the ends of the range, and at some lines between."""
    step = unit
    while extent.length // step > _LABELS:
        step *= 2
    inside = range(-extent.offset % step, extent.length, step) if step <= extent.length else range(0)
    between = [at for at in inside if 0.2 < at / extent.length < 0.8]
    return tuple(
        (_percent(at, extent.length), measured_size(extent.offset + at)) for at in (0, *between, extent.length)
    )


def _lane(row: Row, extent: Extent | None, unit: int) -> Lane:
    entries = row.reading.entries
    if extent is None or entries is None:
        return Lane(row.kernel, row.reading.note or f"not measured{f': {row.status}' if row.status else ''}")
    found = spans(extent, entries) if extent.length > 0 else ()
    bars = [Bar("process", _segments(found, extent), _grid(extent.address, extent.length, unit), _words(row, entries))]
    bars += _stage2(row, extent, found, unit)
    alignment = row.reading.numbers.get("alignment")
    text = "; ".join(f"{bar.name}: {bar.text}" if len(bars) > 1 else bar.text for bar in bars)
    mark = _step(alignment) if alignment and alignment > 0 else None
    return Lane(row.kernel, text, tuple(bars), _where(extent), measured("alignment", row.reading), mark)


def _words(row: Row, entries: Entries) -> str:
    oracle = row.reading.case("oracle")
    agrees = {Status.PASS: ", as predicted", Status.FAIL: ", not as predicted"}.get(oracle.status, "") if oracle else ""
    deduced = f" {DEDUCED_MARK}deduced" if DEDUCED in row.reading.values else ""
    return f"{_counted(entries)}{deduced}{agrees}"


def _counted(entries: Entries) -> str:
    counts = ((entries.pud, Level.PUD), (entries.pmd, Level.PMD), (entries.pte, Level.PTE))
    return " + ".join(f"{count:,} {level}" for count, level in counts if count) or "no entries"


def _stage2(row: Row, extent: Extent, process: tuple[Span, ...], unit: int) -> Iterator[Bar]:
    entries, guest = entries_of(row.reading.numbers, STAGE2), row.reading.numbers.get("guest_address")
    if entries is None or guest is None:
        return
    found = stage2_spans(process, guest - extent.address, entries)
    yield Bar("stage 2", _segments(found, extent), _grid(guest, extent.length, unit), _counted(entries))


def _segments(found: tuple[Span, ...], extent: Extent) -> tuple[Segment, ...]:
    """Return the parts of a bar; they have labels only if there are several, and where there is room."""
    parts = (_segment(span, extent.length) for span in found)
    wordy = len(found) > 1
    return tuple(part if wordy and part.width >= _LEAST_LABEL else replace(part, label="") for part in parts)


def _segment(span: Span, length: int) -> Segment:
    """Return the part of a bar for a span; the last page of a range can be longer than it."""
    count, size = span.entries(), X86_64.of(span.level)
    start, end = _percent(span.start, length), min(100.0, _percent(span.start + span.length, length))
    lines = tuple(_percent(span.start + at * size, length) for at in range(1, count)) if count <= MOST_LINES else ()
    return Segment(start, round(end - start, 3), span.level.lower(), f"{count:,} {span.level}", lines)


def _where(extent: Extent) -> str:
    """Return where the address fell: how far it is from being congruent to the physical address."""
    pud, pmd = ((extent.address - extent.physical) % size for size in (X86_64.pud, X86_64.pmd))
    if not pud:
        return f"{extent.address:#x} is congruent to the BAR modulo 1 GiB"
    near = f"off by {measured_size(pmd)} modulo 2 MiB" if pmd else "congruent to the BAR modulo 2 MiB"
    far = f", off by {pud:#x} modulo 1 GiB" if extent.length >= X86_64.pud else ""
    return f"{extent.address:#x} is {near}{far}"


def _step(alignment: int) -> float:
    """Return where an alignment is on the scale from a page to a PUD entry, in percent."""
    low, high = log2(X86_64.pte), log2(X86_64.pud)
    return round(6 + 88 * min(1.0, max(0.0, (log2(alignment) - low) / (high - low))), 2)
