# SPDX-License-Identifier: GPL-2.0-only
"""Levels on kernels that cannot show their page tables.

The measurements are of real stock kernels, and of undecidable cases.
"""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.scenario.model import Capability, FaultMaps, Level
from orchestrator.workload.alignment.entries import Entries
from orchestrator.workload.alignment.infer import DEDUCED, deduce, with_deduced
from orchestrator.workload.alignment.prediction import Extent, predict
from orchestrator.workload.model import Measurement

NEW = Capability()
OLD = Capability((), FaultMaps.MAPPING)
GIB = 1 << 30
READ = {"entries_pte": 0, "entries_pmd": 0, "entries_pud": 2}
PTES, PMDS, PUDS = Entries(524288, 0, 0), Entries(0, 1024, 0), Entries(0, 0, 2)


def numbers(address: int, faults: int, vmpte: int, length: int = 2 * GIB) -> dict[str, int]:
    place = {"address": address, "bar_address": 1 << 32, "offset": 0, "length": length}
    return {**place, "faults": faults, "own_faults": 0, "dma_faults": faults, "vmpte": vmpte}


@pytest.mark.parametrize(
    ("measured", "can", "entries"),
    [
        # Debian's 6.1.192, then 6.12.117, then 7.2.12: kernel's choice, aligned address, misaligned address.
        (numbers(0x7FF7048EF000, 1, 4202496), OLD, PTES),
        (numbers(0x7FF6C0000000, 1, 4202496), OLD, PTES),
        (numbers(0x7F3DC5E00000, 1024, 8192), NEW, PMDS),
        (numbers(0x7F3D80000000, 2, 0), NEW, PUDS),
        (numbers(0x7F3DC5A01000, 524288, 4206592), NEW, PTES),
        (numbers(0x7F778A231000, 524288, 4202496), NEW, PTES),
    ],
)
def test_what_stock_kernels_measured_leaves_one_answer(
    measured: dict[str, int], can: Capability, entries: Entries
) -> None:
    assert deduce(measured, can) == entries


def test_the_numbers_decide_and_not_what_the_kernel_is_thought_to_do() -> None:
    assert deduce(numbers(0x7F3D80000000, 524288, 4202496), NEW) == PTES
    assert deduce(numbers(0x7F3D80000000, 1, 4202496), NEW) == PTES
    assert deduce(numbers(0x7F3D80000000, 2, 0), OLD) == PUDS


@pytest.mark.parametrize(
    ("faults", "vmpte"),
    [
        (2, 4202496),  # the faults of PUD entries, the tables of PTEs
        (524288, 0),
        (700, 8192),  # neither one for each entry, nor one for all
        (1, 0),
    ],
)
def test_numbers_that_no_kernel_explains_leave_the_level_unknown(faults: int, vmpte: int) -> None:
    assert deduce(numbers(0x7F3D80000000, faults, vmpte), NEW) is None


def test_repeated_faults_leave_the_level_unknown() -> None:
    assert deduce(numbers(0x7F3D80000000, 2, 0) | {"own_faults": 1}, NEW) is None


@pytest.mark.parametrize("missing", ["faults", "vmpte", "address", "length"])
def test_without_all_witnesses_nothing_is_deduced(missing: str) -> None:
    measured = numbers(0x7F3D80000000, 2, 0)
    del measured[missing]
    assert deduce(measured, NEW) is None


def test_one_fault_for_two_mebibytes_depends_on_what_the_kernel_does_with_a_fault() -> None:
    """4 KiB can be a table for 512 PTEs or for one PMD entry."""
    measured = numbers(0x7F3D80000000, 1, 4096, length=2 << 20)
    assert deduce(measured, NEW) == Entries(0, 1, 0)
    assert deduce(measured, OLD) == Entries(512, 0, 0)


@given(
    address=st.integers(1 << 20, 1 << 34).map(lambda page: page << 12),
    length=st.integers(1, 1 << 20).map(lambda pages: pages << 12),
    levels=st.sampled_from([(), (Level.PMD,), (Level.PMD, Level.PUD)]),
    maps=st.sampled_from(FaultMaps),
    tables=st.integers(0, 3),
)
def test_an_answer_is_never_wrong_about_a_kernel_that_does_one_of_the_known_things(
    address: int, length: int, levels: tuple[Level, ...], maps: FaultMaps, tables: int
) -> None:
    can = Capability(levels, maps)
    truth = predict(Extent(address, 1 << 32, 0, length), can)
    vmpte = min(truth.vmpte[0] + 4096 * tables, truth.vmpte[1])
    measured = numbers(address, truth.faults, vmpte, length)
    assert deduce(measured, can) in (truth.entries, None)


def measurements(test: str, values: dict[str, int]) -> list[Measurement]:
    return [Measurement("k", "w", "d", 2, test, name, value, "x", True, f"m:{name}") for name, value in values.items()]


def test_deduced_entries_stand_beside_their_witnesses_and_say_what_they_are() -> None:
    read = measurements("kernel", numbers(0x7F3D80000000, 2, 0) | READ)
    unread = measurements("qemu", numbers(0x7F3D80000000, 2, 0))
    other = measurements("random", {"congruent_pmd": 3})
    measured = with_deduced([*read, *unread, *other], NEW)
    added = {(one.test, one.name): (one.value, one.evidence) for one in measured if one not in [*read, *unread, *other]}
    assert added == {
        ("qemu", "entries_pte"): (0, "m:vmpte"),
        ("qemu", "entries_pmd"): (0, "m:vmpte"),
        ("qemu", "entries_pud"): (2, "m:vmpte"),
        ("qemu", DEDUCED): (1, "m:vmpte"),
    }
    assert len(measured) == len(read) + len(unread) + len(other) + 4
