# SPDX-License-Identifier: GPL-2.0-only
"""Predict with which entries KVM maps a range of a BAR into a virtual machine (stage 2).

KVM maps the largest block for which all of this holds (arch/x86/kvm/mmu/mmu.c: kvm_mmu_hugepage_adjust and
kvm_mmu_max_mapping_level; arch/arm64/kvm/mmu.c of 7.3: transparent_hugepage_adjust):

- The page tables of the process map the block with an entry of this level, or a larger one (host_pfn_mapping_level).
- The guest-physical address is congruent to the virtual one modulo the block's size, and the block is completely in the
  memory slot (kvm_alloc_memslot_metadata, arch/x86/kvm/x86.c).
- The dirty pages of the slot are not logged.  When logging begins, larger entries are split (eager_page_split).  When
  it ends, Linux since 6.13 creates the larger entries again (kvm_mmu_recover_huge_pages); before, it removes those that
  can be larger, for the next fault (kvm_mmu_zap_collapsible_sptes).  On arm64, KVM refuses to log a BAR
  (kvm_arch_prepare_memory_region).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from orchestrator.scenario.model import Capability
from orchestrator.workload.alignment.entries import Entries, entries_of
from orchestrator.workload.alignment.prediction import (
    X86_64,
    Extent,
    PageSizes,
    PredictionCheck,
    alignment_of,
    extent_of,
    predict,
)
from orchestrator.yamlfile.units import measured_size

STAGE2 = "stage2"
"""The beginning of the names of measured entries after every page was read."""

STEPS = (STAGE2, "stage2_log_on", "stage2_logged", "stage2_log_off", "stage2_again")
"""The same for all steps of a test: as logging begins, after all was read with it, as it ends, all was read again."""


def predict_stage2(extent: Extent, guest_address: int, can: Capability, sizes: PageSizes = X86_64) -> Entries:
    """Predict the entries of stage 2 after a vCPU has read every page of `extent`.

    The range is a memory slot of its own at `guest_address`, a guest-physical address.
    """
    process, distance = predict(extent, can, sizes).entries, guest_address - extent.address
    if distance % sizes.pud == 0:
        return process
    if distance % sizes.pmd == 0:
        return Entries(process.pte, process.pmd + process.pud * (sizes.pud // sizes.pmd), 0)
    return _small(process, sizes)


def hold_stage2(numbers: Mapping[str, int], can: Capability) -> tuple[PredictionCheck, ...]:
    """Compare the numbers of one test with the prediction: entries at each step, and the faults of the vCPU.

    There are none if the test started no virtual machine.  Numbers without a prediction are left out.
    """
    extent, guest = extent_of(numbers), numbers.get("guest_address")
    if extent is None or guest is None:
        return ()
    return tuple(_held(numbers, predict_stage2(extent, guest, can), can, guest - extent.address))


def _held(numbers: Mapping[str, int], full: Entries, can: Capability, distance: int) -> Iterator[PredictionCheck]:
    for name, predicted in _steps(full, can).items():
        entries = entries_of(numbers, name)
        if entries is not None:
            yield PredictionCheck(name, entries.counted, predicted.counted, entries == predicted)
    for name, count in (("stage2_faults", full.total), ("stage2_own_faults", 0)):
        if name in numbers:
            yield PredictionCheck(name, str(numbers[name]), str(count), numbers[name] == count)
    if "guest_alignment" in numbers:
        found, predicted_alignment = numbers["guest_alignment"], alignment_of(distance)
        agrees = found == predicted_alignment
        yield PredictionCheck("guest_alignment", measured_size(found), measured_size(predicted_alignment), agrees)


def _steps(full: Entries, can: Capability) -> dict[str, Entries]:
    """Return the entries at each step of a test, by the beginning of their names."""
    small = _small(full)
    left = full if can.recovers_stage2 or not (full.pmd or full.pud) else Entries(full.pte, 0, 0)
    return dict(zip(STEPS, (full, small, small, left, full), strict=True))


def _small(entries: Entries, sizes: PageSizes = X86_64) -> Entries:
    """Return PTEs that map as much as `entries`."""
    size = entries.pte * sizes.pte + entries.pmd * sizes.pmd + entries.pud * sizes.pud
    return Entries(size // sizes.pte, 0, 0)
