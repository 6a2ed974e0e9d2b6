# SPDX-License-Identifier: GPL-2.0-only
"""The attributes of the entries that map a BAR, held against what vfio-pci asks for.

vfio_pci_core_mmap() (drivers/vfio/pci/vfio_pci_core.c) takes the protection of the mmap and makes it uncached by
pgprot_noncached(): UC- on x86, which is PCD without PWT and PAT (arch/x86/include/asm/pgtable.h), and DEVICE_nGnRnE on
arm64 (arch/arm64/include/asm/pgtable.h).  The guest program asks for reading, and for writing where VFIO lets it, never
for executing; and the entries are a process's own, so that none is global or the kernel's.  That holds for every level,
and whatever mprotect() does: pte_modify(), pmd_modify() and pud_modify() keep the memory type.
"""

from __future__ import annotations

from collections.abc import Mapping

from orchestrator.workload.alignment.entries import entries_of
from orchestrator.workload.alignment.prediction import PredictionCheck

_NEVER = ("entries_cached", "entries_executable", "entries_global", "entries_kernel")
"""How many entries are so: none may be."""

_WRITABLE = "entries_writable"
_ASKED = "asked_writable"


def hold_attributes(numbers: Mapping[str, int]) -> tuple[PredictionCheck, ...] | None:
    """The attributes among the measured numbers of one mapping; None where no entries were read.

    A number that is missing among others contradicts.  Whether entries are writable is not held where the kernel makes
    them so with the first write only (arm64): there the guest program tells no `asked_writable`.
    """
    entries = entries_of(numbers)
    if entries is None or not any(name in numbers for name in (*_NEVER, _WRITABLE, _ASKED)):
        return None
    predicted = dict.fromkeys(_NEVER, 0)
    if _WRITABLE in numbers or _ASKED in numbers:
        predicted[_WRITABLE] = entries.total if numbers.get(_ASKED) else 0
    return tuple(_held(name, numbers.get(name), wanted) for name, wanted in predicted.items())


def _held(name: str, measured: int | None, predicted: int) -> PredictionCheck:
    return PredictionCheck(name, "none" if measured is None else str(measured), str(predicted), measured == predicted)
