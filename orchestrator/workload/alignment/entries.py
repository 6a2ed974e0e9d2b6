# SPDX-License-Identifier: GPL-2.0-only
"""The number of page-table entries per level that map one range.

It is measured by the guest or predicted by the oracle.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from orchestrator.scenario.model import Level

_SMALLEST_FIRST = (Level.PTE, Level.PMD, Level.PUD)


@dataclass(frozen=True)
class Entries:
    """The number of entries of each level that map a range."""

    pte: int
    pmd: int
    pud: int

    @property
    def total(self) -> int:
        """The number of entries of all levels."""
        return self.pte + self.pmd + self.pud

    @property
    def levels(self) -> tuple[Level, ...]:
        """The levels in use, smallest first; empty if nothing is mapped."""
        counts = zip(_SMALLEST_FIRST, (self.pte, self.pmd, self.pud), strict=True)
        return tuple(level for level, count in counts if count)

    @property
    def pure(self) -> Level | None:
        """The common level of all entries, or None if levels are mixed or nothing is mapped."""
        return self.levels[0] if len(self.levels) == 1 else None

    @property
    def quality(self) -> tuple[int, int]:
        """A sort key, larger is better: by the smallest level in use, then by fewer entries.

        A range without entries has the worst key.
        """
        worst = _SMALLEST_FIRST.index(self.levels[0]) if self.levels else -1
        return worst, -self.total

    @property
    def counted(self) -> str:
        """The number of entries of each level in use, such as "1 PUD + 3 PTE"."""
        counts = ((self.pud, Level.PUD), (self.pmd, Level.PMD), (self.pte, Level.PTE))
        return " + ".join(f"{count} {level}" for count, level in counts if count) or "no entries"

    def __str__(self) -> str:
        return self.pure.value if self.pure else self.counted


def entries_of(numbers: Mapping[str, int], prefix: str = "entries") -> Entries | None:
    """Return the entries in the measured numbers of one test, whose names begin with `prefix`.

    Returns None unless all three levels were reported.  If a guest died between two lines, the levels that it reported
    must not be taken for the whole mapping.
    """
    counts = [numbers.get(f"{prefix}_{level.lower()}") for level in _SMALLEST_FIRST]
    reported = [count for count in counts if count is not None]
    return Entries(*reported) if len(reported) == len(_SMALLEST_FIRST) else None
