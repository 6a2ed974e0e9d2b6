# SPDX-License-Identifier: GPL-2.0-only
"""Compare a scenario's claim of a level with the mapping of a BAR.

The claim is compared with one mapping or with many addresses.

A claim is about the kernel, not about the range: PUD means PUD entries where a range of the BAR has room for one, and
smaller entries for the rest.  A better level than claimed fails, too.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import takewhile

from orchestrator.scenario.model import Capability, Level
from orchestrator.workload.alignment.entries import Entries, entries_of
from orchestrator.workload.alignment.prediction import X86_64, extent_of, largest, predict
from orchestrator.workload.alignment.stage2 import STAGE2
from orchestrator.yamlfile.units import format_size, measured_size

Numbers = Mapping[str, int]
"""The measurements of one test of one BAR, by name."""

_ORDER = (Level.PTE, Level.PMD, Level.PUD)


def rank(level: Level) -> int:
    """Return how good a level is; larger is better."""
    return _ORDER.index(level)


def best_entries(numbers: Numbers, level: Level) -> Entries | None:
    """Return the best entries for a test's range, on a kernel with `level`.

    The kernel has entries up to `level`, and the address is the best possible one.  Returns None if the test did not
    report what it mapped.
    """
    extent = extent_of(numbers)
    return predict(extent.congruent, Capability(_ORDER[1 : rank(level) + 1])).entries if extent else None


def level_of_one(numbers: Numbers, claim: Level) -> tuple[str, str, bool]:
    """Return the expected value, the measured value, and whether they agree.

    The expected value is what the claim means for the mapping.  Both are ready to print.
    """
    return _compared(numbers, claim, entries_of(numbers))


def level_of_stage2(numbers: Numbers, claim: Level) -> tuple[str, str, bool]:
    """Return the same as `level_of_one` for the entries with which KVM maps the range into a virtual machine."""
    return _compared(numbers, claim, entries_of(numbers, STAGE2))


def _compared(numbers: Numbers, claim: Level, entries: Entries | None) -> tuple[str, str, bool]:
    best = best_entries(numbers, claim)
    expected = claim.value if best is None or best.pure is claim else f"{claim}, which is {best} here"
    return expected, str(entries) if best and entries else "", best is not None and entries == best


@dataclass(frozen=True)
class Proven:
    """What a test of many addresses proves.

    `level` is the best level that no address rules out, `room` the largest level for which any range has room.
    `why` has the numbers, ready to print.
    """

    level: Level
    room: Level
    why: str

    def __str__(self) -> str:
        return f"{self.level} ({self.why})"


def level_of_many(test: str, numbers: Numbers, can: Capability, claim: Level) -> tuple[str, str, bool]:
    """Return the same as `level_of_one` for a test of many addresses.

    `can` is what the kernel can do.
    """
    found = proven(test, numbers, can)
    if found is None:
        return claim.value, "", False
    most = min(claim, found.room, key=rank)
    expected = claim.value if most is claim else f"{claim}, with room for {most} only"
    return expected, str(found), found.level is most


def proven(test: str, numbers: Numbers, can: Capability) -> Proven | None:
    """Return what the tests `random` and `repeat.*` prove.

    Returns None for other tests, or if a number is missing.
    """
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
    """Return the best usable level up to `room` that is good.

    All usable levels below it are good, too.
    """
    usable = [level for level in _ORDER[1 : rank(room) + 1] if level in can.levels]
    return [Level.PTE, *takewhile(good, usable)][-1]
