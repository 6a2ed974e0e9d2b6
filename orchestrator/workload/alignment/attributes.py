# SPDX-License-Identifier: GPL-2.0-only
"""Compare the attributes of the entries that map a BAR with those that vfio-pci requests.

vfio_pci_core_mmap() (drivers/vfio/pci/vfio_pci_core.c) uses the protection of the mmap and makes it uncached with
pgprot_noncached(): UC- on x86, which is PCD without PWT and PAT (arch/x86/include/asm/pgtable.h), and DEVICE_nGnRnE on
arm64 (arch/arm64/include/asm/pgtable.h).  The guest program requests read access, and write access if VFIO allows it,
never execute access.  The entries belong to a process, so that none is global or a kernel entry.  This is true for
every level, and after any mprotect(): pte_modify(), pmd_modify() and pud_modify() keep the memory type.
"""

from __future__ import annotations

from collections.abc import Mapping

from orchestrator.workload.alignment.entries import entries_of
from orchestrator.workload.alignment.prediction import PredictionCheck

_NEVER = ("entries_cached", "entries_executable", "entries_global", "entries_kernel")
"""Numbers of entries with an attribute that no entry may have."""

_WRITABLE = "entries_writable"
_ASKED = "asked_writable"


def hold_attributes(numbers: Mapping[str, int]) -> tuple[PredictionCheck, ...] | None:
    """Check the attributes in the measured numbers of one mapping.

    Return None if no entries were read.  If only some of the numbers are present, a missing one fails its check.
    Whether entries are writable is not checked if the kernel makes them writable only at the first write (arm64): the
    guest program then reports no `asked_writable`.
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
