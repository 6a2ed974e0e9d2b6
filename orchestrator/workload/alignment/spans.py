# SPDX-License-Identifier: GPL-2.0-only
"""Which part of a range is mapped by entries of which level.

A guest reports how many entries there are of each level, not where they are.  Where they are follows from the address:
entries of a level are the aligned blocks of its size, and the largest level that the kernel can use comes first.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import groupby

from orchestrator.scenario.model import Level
from orchestrator.workload.alignment.entries import Entries
from orchestrator.workload.alignment.infer import WAYS
from orchestrator.workload.alignment.prediction import X86_64, Extent, PageSizes, predict, regions


@dataclass(frozen=True)
class Span:
    """A part of a range whose entries have one level: bytes from the first mapped byte, and a length in bytes."""

    start: int
    length: int
    level: Level

    def entries(self, sizes: PageSizes = X86_64) -> int:
        """Return the number of entries that map it."""
        return self.length // sizes.of(self.level)


def spans(extent: Extent, entries: Entries, sizes: PageSizes = X86_64) -> tuple[Span, ...]:
    """Return where the measured `entries` of `extent` are, in ascending order.

    There are none if no way in which a kernel can map this extent has exactly these entries.
    """
    way = next((way for way in WAYS if predict(extent, way, sizes).entries == entries), None)
    if way is None:
        return ()
    found = [Span(start - extent.address, length, level) for start, length, level in regions(extent, way, sizes)]
    return tuple(span for span in found if span.length)


def stage2_spans(
    process: Iterable[Span], distance: int, entries: Entries, sizes: PageSizes = X86_64
) -> tuple[Span, ...]:
    """Return where the measured `entries` of stage 2 are, given those of the process.

    `distance` is that from the virtual to the guest-physical address, in bytes.  There are none if a prediction
    (`stage2.predict_stage2`) has other entries.
    """
    largest = Level.PUD if distance % sizes.pud == 0 else Level.PMD if distance % sizes.pmd == 0 else Level.PTE
    found = tuple(_merged(_at_most(span, largest) for span in process))
    return found if counted(found, sizes) == entries else ()


def counted(found: Iterable[Span], sizes: PageSizes = X86_64) -> Entries:
    """Return the number of entries of each level in `found`."""
    by_level = dict.fromkeys(Level, 0)
    for span in found:
        by_level[span.level] += span.entries(sizes)
    return Entries(by_level[Level.PTE], by_level[Level.PMD], by_level[Level.PUD])


def _at_most(span: Span, largest: Level) -> Span:
    order = tuple(Level)
    return replace(span, level=min(span.level, largest, key=order.index))


def _merged(found: Iterable[Span]) -> Iterator[Span]:
    """Yield the spans, those beside each other with one level as one."""
    for level, group in groupby(found, key=lambda span: span.level):
        parts = list(group)
        yield Span(parts[0].start, sum(part.length for part in parts), level)
