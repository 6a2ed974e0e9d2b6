# SPDX-License-Identifier: GPL-2.0-only
"""The guest kernel's taint: its letters, and which of its bits show a fault.  Pure."""

from __future__ import annotations

_LETTERS = "PFSRMBUDAWCIOELKXTNJ"
"""The letters of the bits of /proc/sys/kernel/tainted, from bit 0 (Documentation/admin-guide/tainted-kernels.rst)."""


def bits(letters: str) -> int:
    """Return the taint that has the bits of `letters`.  Raises ValueError for an unknown letter."""
    return sum(1 << _LETTERS.index(letter) for letter in letters)


ORDINARY = bits("CKTN")
"""Bits set by code of the kernel tree: staging, a live patch, a random layout, a test that ran."""
_FOREIGN = bits("POEX")
"""Bits set by modules that were not built with the kernel, or that a distribution marked."""
_USER = bits("U")
"""The bit that VFIO sets for a device in no-IOMMU mode (vfio_group_find_or_alloc in group.c of Linux 7.3)."""
EVENTS = ~(ORDINARY | _FOREIGN | _USER)
"""The bits of events, not of loaded code; a bit that has no letter yet is one of them."""
SPLATTERS = bits("MBDWL")
"""The bits that the kernel sets when it writes a splat: machine check, bad page, oops, warning, lockup."""


def ordinary(*, prebuilt: bool, noiommu: bool) -> int:
    """Return the bits of a taint that are not a fault of the kernel.

    `prebuilt` is whether orch did not build the kernel, so that its modules are not known; `noiommu` is whether VFIO is
    in no-IOMMU mode.
    """
    return ORDINARY | (_FOREIGN if prebuilt else 0) | (_USER if noiommu else 0)


def letters_of(taint: int) -> str:
    """Return the letters of a taint, from bit 0.

    A bit without a letter is a question mark.
    """
    found = [bit for bit in range(taint.bit_length()) if taint >> bit & 1]
    return "".join(_LETTERS[bit] if bit < len(_LETTERS) else "?" for bit in found)


def spell_taint(taint: int) -> str:
    """Return a taint with its letters, such as "512 (W)"."""
    letters = letters_of(taint)
    return f"{taint} ({letters})" if letters else str(taint)
