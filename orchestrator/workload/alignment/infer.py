# SPDX-License-Identifier: GPL-2.0-only
"""Which page-table entries map a range, on a kernel that cannot show its page tables: deduced, and marked as such.

Distributions leave CONFIG_PTDUMP_DEBUGFS off.  What is left is how much the page tables grew (VmPTE counts them all)
while every page of the range was read, and how many faults that took.  A range that is mapped with entries of a
smaller level has more tables: 2 GiB of PTEs need 1,024 tables that PMD entries do without, and these 2 that PUD
entries do without.  So each way in which a kernel can map the range is held against the numbers, and where exactly
one of them agrees with all of them, that is the answer; else there is none.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from itertools import groupby

from orchestrator.scenario.model import Capability, FaultMaps, Level
from orchestrator.workload.alignment.entries import Entries, entries_of
from orchestrator.workload.alignment.prediction import extent_of, hold, predict
from orchestrator.workload.model import Measurement

DEDUCED = "entries_deduced"
"""The measurement, always 1, that says that the entries of the same test were not read but deduced."""

_WITNESSES = ("faults", "vmpte")
"""Without these nothing is deduced."""

_WAYS = tuple(
    Capability(levels, maps)
    for maps, levels in (
        (FaultMaps.ENTRY, ()),
        (FaultMaps.ENTRY, (Level.PMD,)),
        (FaultMaps.ENTRY, (Level.PMD, Level.PUD)),
        (FaultMaps.MAPPING, ()),
    )
)


def deduce(numbers: Mapping[str, int], can: Capability) -> Entries | None:
    """The entries that the `numbers` of one mapping leave possible; None where that is not exactly one answer.

    What the kernel `can` do decides only where both a fault for each entry and one for the whole mapping would do.
    """
    extent = extent_of(numbers)
    if extent is None or any(name not in numbers for name in _WITNESSES):
        return None
    predicted = [(way, predict(extent, way)) for way in _WAYS]
    fitting = [(way, one.entries) for way, one in predicted if all(held.agrees for held in hold(numbers, one))]
    likely = [entries for way, entries in fitting if way.fault_maps is can.fault_maps]
    for answers in ({entries for _, entries in fitting}, set(likely)):
        if len(answers) == 1:
            return answers.pop()
    return None


def with_deduced(measurements: Iterable[Measurement], can: Capability) -> tuple[Measurement, ...]:
    """`measurements`, of one boot, with the entries of every test that could not read them and left enough to deduce
    them from; the evidence of these is that of the growth of the page tables."""
    return tuple(_with_deduced(measurements, can))


def _with_deduced(measurements: Iterable[Measurement], can: Capability) -> Iterator[Measurement]:
    for _, group in groupby(measurements, key=lambda one: (one.device, one.bar, one.test)):
        told = {one.name: one for one in group}
        yield from told.values()
        numbers = {name: one.value for name, one in told.items()}
        entries = deduce(numbers, can) if entries_of(numbers) is None else None
        if entries:
            like = replace(told["vmpte"], unit="entries", exact=True)
            counts = (("entries_pte", entries.pte), ("entries_pmd", entries.pmd), ("entries_pud", entries.pud))
            yield from (replace(like, name=name, value=value) for name, value in counts)
            yield replace(like, name=DEDUCED, value=1, unit="answer")
