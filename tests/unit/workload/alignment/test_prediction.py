# SPDX-License-Identifier: GPL-2.0-only
"""The oracle, compared with a simple model and with the numbers in the mail thread.

The model walks page by page.
"""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.scenario.model import Capability, FaultMaps, Level
from orchestrator.workload.alignment.entries import Entries, entries_of
from orchestrator.workload.alignment.prediction import (
    X86_64,
    Extent,
    PageSizes,
    Prediction,
    alignment_of,
    contradictions,
    extent_of,
    hold,
    largest,
    predict,
)

MIB, GIB = 1 << 20, 1 << 30
HIGH = 127 << 40
BAR = 4 * GIB
ALL = Capability()
PMDS = Capability((Level.PMD,))
PTES = Capability(())
OLD = Capability((), FaultMaps.MAPPING)

SMALL = PageSizes(pte=1, pmd=4, pud=16, p4d=64, table=1)
LEVELS = ((Level.PUD, SMALL.pud, SMALL.p4d), (Level.PMD, SMALL.pmd, SMALL.pud), (Level.PTE, SMALL.pte, SMALL.pmd))

capabilities = st.builds(
    Capability, st.sampled_from([(), (Level.PMD,), (Level.PUD,), (Level.PMD, Level.PUD)]), st.sampled_from(FaultMaps)
)
each_entry = capabilities.map(lambda can: replace(can, fault_maps=FaultMaps.ENTRY))
extents = st.builds(
    Extent, st.integers(0, 200), st.integers(0, 12).map(lambda at: at * 16), st.integers(0, 70), st.integers(1, 200)
)


def walked(extent: Extent, can: Capability) -> tuple[Entries, int, set[tuple[Level, int]]]:
    """Return entries, faults and tables of a mapping that is touched page by page.

    Each new entry is a fault.
    """
    mapped: dict[int, Level] = {}
    tables: set[tuple[Level, int]] = set()
    counts, faults = dict.fromkeys(Level, 0), 0
    for page in range(extent.address, extent.address + extent.length):
        if page in mapped:
            continue
        level, size = next((level, size) for level, size, _ in LEVELS if fits(extent, can, page, level, size))
        mapped |= dict.fromkeys(range(page - page % size, page - page % size + size), level)
        counts[level] += 1
        faults += 1
        for holds, entry, spans in LEVELS:
            if entry >= size:
                tables.add((holds, page // spans))
    return Entries(*counts.values()), 1 if can.fault_maps is FaultMaps.MAPPING else faults, tables


def fits(extent: Extent, can: Capability, page: int, level: Level, size: int) -> bool:
    """Return whether the kernel would map the block of `size` around `page`."""
    block = page - page % size
    whole = extent.address <= block and block + size <= extent.address + extent.length
    allowed = level is Level.PTE or (level in can.levels and can.fault_maps is FaultMaps.ENTRY)
    return allowed and whole and (block - extent.address + extent.physical) % size == 0


def is_own(extent: Extent, table: tuple[Level, int]) -> bool:
    """Return whether the whole range of a table is in the mapping.

    If it is, no neighbouring mapping can share the table.
    """
    spans = next(spans for level, _, spans in LEVELS if level is table[0])
    first = table[1] * spans
    return extent.address <= first and first + spans <= extent.address + extent.length


@given(extents, capabilities)
def test_it_agrees_with_a_walk_from_page_to_page(extent: Extent, can: Capability) -> None:
    entries, faults, tables = walked(extent, can)
    prediction = predict(extent, can, SMALL)
    assert prediction.entries == entries
    assert prediction.faults == prediction.dma_faults == faults
    assert prediction.vmpte == (sum(is_own(extent, table) for table in tables), len(tables))


@given(extents, capabilities)
def test_the_entries_map_the_whole_range_and_nothing_else(extent: Extent, can: Capability) -> None:
    entries = predict(extent, can, SMALL).entries
    assert entries.pte * SMALL.pte + entries.pmd * SMALL.pmd + entries.pud * SMALL.pud == extent.length


@given(extents, capabilities, st.integers(1, 5))
def test_moving_both_addresses_by_the_largest_size_changes_nothing_but_neighbours(
    extent: Extent, can: Capability, times: int
) -> None:
    by = times * SMALL.p4d
    moved = replace(extent, address=extent.address + by, bar_address=extent.bar_address + by)
    assert predict(moved, can, SMALL) == predict(extent, can, SMALL)
    by = times * SMALL.pud
    moved = replace(extent, address=extent.address + by, bar_address=extent.bar_address + by)
    assert predict(moved, can, SMALL).entries == predict(extent, can, SMALL).entries


@given(extents, each_entry)
def test_who_can_do_more_never_needs_more_entries(extent: Extent, can: Capability) -> None:
    least = predict(extent, ALL, SMALL)
    some = predict(extent, can, SMALL)
    most = predict(extent, PTES, SMALL)
    assert least.entries.total <= some.entries.total <= most.entries.total
    assert least.vmpte[1] <= some.vmpte[1] <= most.vmpte[1]


@given(extents, each_entry)
def test_no_address_is_better_than_a_congruent_one(extent: Extent, can: Capability) -> None:
    best, here = predict(extent.congruent, can, SMALL).entries, predict(extent, can, SMALL).entries
    assert best.pud >= here.pud
    assert best.total <= here.total


@given(extents, capabilities)
def test_there_is_always_a_fault_and_the_least_is_no_more_than_the_most(extent: Extent, can: Capability) -> None:
    prediction = predict(extent, can, SMALL)
    assert prediction.faults >= 1
    assert 0 <= prediction.vmpte[0] <= prediction.vmpte[1]
    # A mapping has two ends, each of which can be in a table of every level.
    assert prediction.vmpte[1] - prediction.vmpte[0] <= 2 * len(LEVELS)


@given(extents, capabilities, st.integers(0, 40))
def test_a_longer_mapping_never_has_fewer_large_entries(extent: Extent, can: Capability, more: int) -> None:
    shorter, longer = (
        predict(one, can, SMALL).entries for one in (extent, replace(extent, length=extent.length + more))
    )
    assert longer.pud >= shorter.pud
    assert longer.pud * SMALL.pud + longer.pmd * SMALL.pmd >= shorter.pud * SMALL.pud + shorter.pmd * SMALL.pmd


@given(extents, st.integers(0, 40))
def test_with_ptes_alone_a_longer_mapping_never_costs_less(extent: Extent, more: int) -> None:
    shorter, longer = (predict(one, PTES, SMALL) for one in (extent, replace(extent, length=extent.length + more)))
    assert longer.entries.total >= shorter.entries.total
    assert longer.faults >= shorter.faults
    assert longer.vmpte[1] >= shorter.vmpte[1]


@given(st.integers(1, 1 << 50))
def test_an_alignment_is_a_power_of_two_that_divides_the_distance(distance: int) -> None:
    alignment = alignment_of(distance)
    assert alignment & (alignment - 1) == 0
    assert distance % alignment == 0
    assert alignment == GIB or distance % (2 * alignment) != 0
    assert alignment_of(-distance) == alignment


@pytest.mark.parametrize(
    ("can", "address", "entries", "faults"),
    [
        (ALL, HIGH, Entries(0, 0, 2), 2),
        (PMDS, HIGH, Entries(0, 1024, 0), 1024),
        (PTES, HIGH, Entries(524288, 0, 0), 524288),
        (OLD, HIGH, Entries(524288, 0, 0), 1),
        (ALL, HIGH + 2 * MIB, Entries(0, 1024, 0), 1024),
        (ALL, HIGH + 4096, Entries(524288, 0, 0), 524288),
    ],
)
def test_the_numbers_of_the_thread(can: Capability, address: int, entries: Entries, faults: int) -> None:
    prediction = predict(Extent(address, BAR, 0, 2 * GIB), can)
    assert (prediction.entries, prediction.faults, prediction.dma_faults) == (entries, faults, faults)


def test_page_tables_of_the_thread_are_those_that_were_measured() -> None:
    """Measured on 7.3 with 2 GiB of pci-testdev.

    Page tables: 4104 and 4108 KiB at unaligned addresses, 8 KiB with PMDs, none or one with PUDs.
    """
    unaligned = predict(Extent(140105652260864, BAR, 0, 2 * GIB), ALL)
    assert all(unaligned.vmpte[0] <= grown <= unaligned.vmpte[1] for grown in (4202496, 4206592, 4210688))
    assert predict(Extent(140103980679168, BAR, 0, 2 * GIB), PMDS).vmpte == (8192, 12288)
    assert predict(Extent(140103980679168, BAR, 0, 2 * GIB), ALL).vmpte == (0, 4096)
    assert predict(Extent(140103980679168, BAR, 0, 2 * GIB), OLD).vmpte == (4202496, 4206592)


def test_an_odd_range_mixes_three_levels() -> None:
    prediction = predict(Extent(HIGH + 4096, BAR, 4096, 2 * GIB - 4096), ALL)
    assert prediction.entries == Entries(511, 511, 1)
    assert prediction.faults == 1023
    assert prediction.alignment == GIB
    assert prediction.vmpte == (0, 3 * 4096)


def test_a_page_that_is_covered_in_part_is_mapped_whole() -> None:
    assert predict(Extent(HIGH, 0xFEBF1000, 0, 256), ALL).entries == Entries(1, 0, 0)


def test_the_alignment_is_to_the_offset_and_the_entries_go_by_the_physical_address() -> None:
    """A BAR below 2 MiB need not be aligned to 2 MiB."""
    prediction = predict(Extent(HIGH, 0xFEB00000, 0, MIB), ALL)
    assert (prediction.alignment, prediction.entries) == (GIB, Entries(256, 0, 0))


@pytest.mark.parametrize(
    ("offset", "length", "level"),
    [
        (0, GIB, Level.PUD),
        (4096, 2 * GIB - 4096, Level.PUD),
        (4096, 2 * GIB - 8192, Level.PMD),
        (0, GIB - 4096, Level.PMD),
        (2 * MIB, 2 * MIB, Level.PMD),
        (4096, 4 * MIB - 8192, Level.PTE),
        (0, 4096, Level.PTE),
    ],
)
def test_the_largest_level_that_fits_a_range(offset: int, length: int, level: Level) -> None:
    assert largest(offset, length) is level
    entries = predict(Extent(0, BAR, offset, length).congruent, ALL).entries
    assert entries.levels[-1] is level


NUMBERS = {
    "address": HIGH,
    "bar_address": BAR,
    "offset": 0,
    "length": 2 * GIB,
    "alignment": GIB,
    "entries_pte": 0,
    "entries_pmd": 0,
    "entries_pud": 2,
    "faults": 2,
    "own_faults": 0,
    "dma_faults": 2,
    "vmpte": 4096,
    "touch_time": 7,
}


def predicted() -> Prediction:
    extent = extent_of(NUMBERS)
    assert extent is not None
    return predict(extent, ALL)


def test_nothing_contradicts_what_is_as_predicted_or_missing() -> None:
    assert contradictions(NUMBERS, predicted()) == ()
    assert contradictions({}, predicted()) == ()
    assert hold({"touch_time": 1}, predicted()) == ()


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"entries_pud": 0, "entries_pte": 524288}, "entries: measured 524288 PTE, predicted 2 PUD"),
        ({"faults": 3}, "faults: measured 3, predicted 2"),
        ({"faults": 1}, "faults: measured 1, predicted 2"),
        ({"dma_faults": 524288}, "dma_faults: measured 524288, predicted 2"),
        ({"own_faults": 1}, "own_faults: measured 1, predicted 0"),
        ({"alignment": 2 * MIB}, "alignment: measured 2 MiB, predicted 1 GiB"),
        ({"vmpte": 8192}, "vmpte: measured 8 KiB, predicted 0 B to 4 KiB"),
        ({"vmpte": -4096}, "vmpte: measured -4096 B, predicted 0 B to 4 KiB"),
    ],
)
def test_each_contradiction_has_both_numbers(wrong: dict[str, int], sentence: str) -> None:
    assert contradictions(NUMBERS | wrong, predicted()) == (sentence,)


def test_one_page_too_few_is_reported() -> None:
    assert contradictions(NUMBERS | {"entries_pte": 1}, predicted()) == (
        "entries: measured 2 PUD + 1 PTE, predicted 2 PUD",
    )


def test_a_test_of_no_single_mapping_has_no_extent() -> None:
    assert extent_of({name: value for name, value in NUMBERS.items() if name != "address"}) is None
    assert extent_of({"alignment": 4096, "length": 4096, "offset": 0, "mmaps": 200}) is None


def test_torn_entries_are_none() -> None:
    assert entries_of({"entries_pte": 0, "entries_pmd": 0}) is None
    assert entries_of(NUMBERS) == Entries(0, 0, 2)


def test_sizes_are_those_of_x86_64() -> None:
    assert [X86_64.of(level) for level in Level] == [4096, 2 * MIB, GIB]
