# SPDX-License-Identifier: GPL-2.0-only
"""Read and write sizes and durations.

Sizes are binary, as in QEMU and the kernel: 1K is 1024 bytes, and so is 1KiB.  1KB is refused, because many readers
understand it as 1000 bytes.
"""

from __future__ import annotations

import re
from fractions import Fraction

SIZE_PATTERN = r"^(0[xX][0-9a-fA-F]{1,16}|[0-9]{1,20}(\.[0-9]{1,20})? ?([KMGTkmgt](iB)?|B)?)$"
"""The texts that `parse_size` accepts, for JSON Schema.  Not every match is a whole number of bytes."""

DURATION_PATTERN = r"^[0-9]{1,9}(\.[0-9]{1,9})? ?[smh]?$"
"""The texts that `parse_duration` accepts, for JSON Schema."""

_SHIFT = {"": 0, "B": 0, "K": 10, "M": 20, "G": 30, "T": 40}
_SECONDS = {"": 1, "s": 1, "m": 60, "h": 3600}


def parse_size(text: str) -> int:
    """Convert a size such as 4096, 0x1000, 4K, 2GiB or 1.5G to bytes.

    Raises ValueError for anything else, and for a fraction that is not a whole number of bytes.
    """
    if not re.fullmatch(SIZE_PATTERN, text):
        raise ValueError(f"not a size: {text!r}")
    if text[:2].lower() == "0x":
        return int(text, 16)
    number, unit = _split(text)
    size = Fraction(number) * (1 << _SHIFT[unit[:1].upper()])
    if size.denominator != 1:
        raise ValueError(f"not a whole number of bytes: {text!r}")
    return int(size)


def format_size(size: int) -> str:
    """Format `size`, in bytes, in the largest unit without a fraction, such as "1 GiB".

    `parse_size` accepts the result.  Raises ValueError for a negative size.
    """
    if size < 0:
        raise ValueError(f"a size cannot be negative: {size}")
    for unit in "TGMK":
        if size and size % (1 << _SHIFT[unit]) == 0:
            return f"{size >> _SHIFT[unit]} {unit}iB"
    return f"{size} B"


def measured_size(size: int) -> str:
    """Format a size that a guest reported, as `format_size`.

    A negative one is formatted in bytes, without an error.
    """
    return format_size(size) if size >= 0 else f"{size} B"


def parse_duration(text: str) -> float:
    """Convert a duration such as 90, 90s, 5m, 1h or 0.5h to seconds.  Raises ValueError for anything else."""
    if not re.fullmatch(DURATION_PATTERN, text):
        raise ValueError(f"not a duration: {text!r}")
    number, unit = _split(text)
    return float(Fraction(number) * _SECONDS[unit])


def _split(text: str) -> tuple[str, str]:
    """Split a text that matches one of the patterns into its number and unit."""
    number = text.rstrip("KMGTkmgtiBsh ")
    return number, text[len(number) :].strip()
