# SPDX-License-Identifier: GPL-2.0-only
"""The guest kernel's taint: its letters, and which of its bits say that something went wrong.  Pure."""

from __future__ import annotations

_LETTERS = "PFSRMBUDAWCIOELKXTNJ"
"""The letters of the bits of /proc/sys/kernel/tainted, from bit 0 (Documentation/admin-guide/tainted-kernels.rst)."""


def bits(letters: str) -> int:
    """The taint that has the bits of `letters`.  Raises ValueError where one is none."""
    return sum(1 << _LETTERS.index(letter) for letter in letters)


ORDINARY = bits("CKTN")
"""What code of the kernel's own tree says of itself: staging, a live patch, a random layout, a test that ran."""
_FOREIGN = bits("POEX")
"""What modules say of themselves that were not built with the kernel, or that a distribution marked."""
_USER = bits("U")
"""What VFIO taints the kernel with when no-IOMMU mode gives it a device (vfio_group_find_or_alloc in 7.3's group.c)."""
EVENTS = ~(ORDINARY | _FOREIGN | _USER)
"""The bits of what happened, and not of what was loaded; a bit that has no letter yet is one of them."""
SPLATTERS = bits("MBDWL")
"""The bits that the kernel sets when it writes a splat: machine check, bad page, oops, warning, lockup."""


def ordinary(*, prebuilt: bool, noiommu: bool) -> int:
    """The bits of a taint that are no fault of a kernel.

    `prebuilt` is whether others built it, with modules that orch knows nothing of; `noiommu` whether VFIO is in
    no-IOMMU mode.
    """
    return ORDINARY | (_FOREIGN if prebuilt else 0) | (_USER if noiommu else 0)


def letters_of(taint: int) -> str:
    """The letters of a taint, from bit 0; a bit without one is a question mark."""
    found = [bit for bit in range(taint.bit_length()) if taint >> bit & 1]
    return "".join(_LETTERS[bit] if bit < len(_LETTERS) else "?" for bit in found)


def spell_taint(taint: int) -> str:
    """A taint with its letters, such as "512 (W)"."""
    letters = letters_of(taint)
    return f"{taint} ({letters})" if letters else str(taint)
