# SPDX-License-Identifier: GPL-2.0-only
"""The level at which a BAR is mapped: what a scenario claims, held against one mapping or against many addresses.

A claim is about the kernel, not about the range: PUD means PUD entries wherever a range of the BAR has room for one,
and the smaller ones for the rest.  A better level than claimed fails, too.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import takewhile

from orchestrator.scenario.model import Capability, Level
from orchestrator.workload.alignment.entries import Entries, entries_of
from orchestrator.workload.alignment.prediction import X86_64, extent_of, largest, predict
from orchestrator.yamlfile.units import format_size, measured_size

Numbers = Mapping[str, int]
"""The measurements of one test of one BAR, by name."""

_ORDER = (Level.PTE, Level.PMD, Level.PUD)


def rank(level: Level) -> int:
    """Larger is better."""
    return _ORDER.index(level)


def best_entries(numbers: Numbers, level: Level) -> Entries | None:
    """The entries that a kernel with entries up to `level` would map a test's range with, at the best of addresses.

    None where the test did not say what it mapped.
    """
    extent = extent_of(numbers)
    return predict(extent.congruent, Capability(_ORDER[1 : rank(level) + 1])).entries if extent else None


def level_of_one(numbers: Numbers, claim: Level) -> tuple[str, str, bool]:
    """What a claim means for one mapping, what was measured (each ready to print), and whether it is so."""
    best, entries = best_entries(numbers, claim), entries_of(numbers)
    expected = claim.value if best is None or best.pure is claim else f"{claim}, which is {best} here"
    return expected, str(entries) if best and entries else "", best is not None and entries == best


@dataclass(frozen=True)
class Proven:
    """What many addresses prove together.

    `level` is the best one that none of them rules out, `room` the largest one that any of their ranges has room for.
    `why` has the numbers, ready to print.
    """

    level: Level
    room: Level
    why: str

    def __str__(self) -> str:
        return f"{self.level} ({self.why})"


def level_of_many(test: str, numbers: Numbers, can: Capability, claim: Level) -> tuple[str, str, bool]:
    """The same as `level_of_one` for a test of many addresses on a kernel that `can` do so much."""
    found = proven(test, numbers, can)
    if found is None:
        return claim.value, "", False
    most = min(claim, found.room, key=rank)
    expected = claim.value if most is claim else f"{claim}, with room for {most} only"
    return expected, str(found), found.level is most


def proven(test: str, numbers: Numbers, can: Capability) -> Proven | None:
    """What the tests `random` and `repeat.*` prove; None for other tests, and where not all of it was reported."""
    try:
        if test == "random":
            return _of_ranges(numbers, can)
        return _of_mmaps(numbers, can) if test.startswith("repeat.") else None
    except KeyError:
        return None


def _of_ranges(numbers: Numbers, can: Capability) -> Proven:
    long = {level: numbers[f"long_{level.lower()}"] for level in _ORDER[1:]}
    congruent = {level: numbers[f"congruent_{level.lower()}"] for level in _ORDER[1:]}
    room = next((level for level in reversed(_ORDER) if long.get(level)), Level.PTE)
    why = (
        f"{congruent[Level.PMD]} of {long[Level.PMD]} ranges congruent modulo {format_size(X86_64.pmd)}, "
        f"{congruent[Level.PUD]} of {long[Level.PUD]} modulo {format_size(X86_64.pud)}"
    )
    return Proven(_reached(room, can, lambda level: congruent[level] == long[level]), room, why)


def _of_mmaps(numbers: Numbers, can: Capability) -> Proven:
    least, room = numbers["alignment"], largest(numbers["offset"], numbers["length"])
    why = f"least alignment of {numbers['mmaps']} mmaps: {measured_size(least)}"
    return Proven(_reached(room, can, lambda level: least >= X86_64.of(level)), room, why)


def _reached(room: Level, can: Capability, good: Callable[[Level], bool]) -> Level:
    """The best level up to `room` that the kernel can use, with all below it good, too."""
    usable = [level for level in _ORDER[1 : rank(room) + 1] if level in can.levels]
    return [Level.PTE, *takewhile(good, usable)][-1]
