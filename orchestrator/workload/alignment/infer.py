# SPDX-License-Identifier: GPL-2.0-only
"""Deduce page-table entries on a kernel that cannot show its page tables.

Such entries are marked as deduced.  Distributions disable CONFIG_PTDUMP_DEBUGFS.  Two measurements remain: how much the
page tables grew (VmPTE counts all of them) while every page of the range was read, and the number of faults.  A range
that is mapped with entries of a smaller level has more tables: 2 GiB of PTEs need 1,024 tables that PMD entries do not
need, and these need 2 that PUD entries do not need.  Therefore each way in which a kernel can map the range is compared
with the numbers.  If exactly one agrees with all of them, it is the result; otherwise there is none.
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
"""Name of a measurement, always 1.  It marks the entries of the same test as deduced instead of read."""

_REQUIRED = ("faults", "vmpte")
"""The measurements without which nothing is deduced."""

WAYS = tuple(
    Capability(levels, maps)
    for maps, levels in (
        (FaultMaps.ENTRY, ()),
        (FaultMaps.ENTRY, (Level.PMD,)),
        (FaultMaps.ENTRY, (Level.PMD, Level.PUD)),
        (FaultMaps.MAPPING, ()),
    )
)
"""The ways in which a kernel can map a range."""


def deduce(numbers: Mapping[str, int], can: Capability) -> Entries | None:
    """Return the only entries that are possible with the `numbers` of one mapping.

    Returns None if there is not exactly one.  `can` is used only if both one fault per entry and one fault for the
    whole mapping are possible.
    """
    extent = extent_of(numbers)
    if extent is None or any(name not in numbers for name in _REQUIRED):
        return None
    predictions = [(way, predict(extent, way)) for way in WAYS]
    fitting = [
        (way, prediction.entries)
        for way, prediction in predictions
        if all(check.agrees for check in hold(numbers, prediction))
    ]
    likely = [entries for way, entries in fitting if way.fault_maps is can.fault_maps]
    for answers in ({entries for _, entries in fitting}, set(likely)):
        if len(answers) == 1:
            return answers.pop()
    return None


def with_deduced(measurements: Iterable[Measurement], can: Capability) -> tuple[Measurement, ...]:
    """Return the `measurements` of one boot with deduced entries for every test that could not read them.

    Entries are added only if they can be deduced.  Their evidence is that of the growth of the page tables.
    """
    return tuple(_with_deduced(measurements, can))


def _with_deduced(measurements: Iterable[Measurement], can: Capability) -> Iterator[Measurement]:
    for _, group in groupby(measurements, key=lambda measured: (measured.device, measured.bar, measured.test)):
        by_name = {measured.name: measured for measured in group}
        yield from by_name.values()
        numbers = {name: measured.value for name, measured in by_name.items()}
        entries = deduce(numbers, can) if entries_of(numbers) is None else None
        if entries:
            template = replace(by_name["vmpte"], unit="entries", exact=True)
            counts = (("entries_pte", entries.pte), ("entries_pmd", entries.pmd), ("entries_pud", entries.pud))
            yield from (replace(template, name=name, value=value) for name, value in counts)
            yield replace(template, name=DEDUCED, value=1, unit="answer")
