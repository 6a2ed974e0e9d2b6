# SPDX-License-Identifier: GPL-2.0-only
"""The checks of an expectation: the stated value, the measured value, and whether they agree.  Pure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from orchestrator.result.judge.levels import Numbers, level_of_many, level_of_one, level_of_stage2
from orchestrator.scenario.model import Capability, Expectation
from orchestrator.workload.alignment.entries import Entries, entries_of
from orchestrator.workload.alignment.tests import STAGE2_TESTS, VMM_TEST, placement_of
from orchestrator.yamlfile.units import format_size, measured_size

OWN_FAULTS = 8
"""Faults of the workload itself (stack, libc, the counters' page) that may be counted with those of a mapping.

A count passes if it is the expected number or up to this many more.  Fewer than expected never passes.
"""


@dataclass(frozen=True)
class CheckResult:
    """The result of a check, ready to print.

    `measured` is empty if the guest did not report it.
    """

    expected: str
    measured: str
    met: bool


Find = Callable[[Expectation, Numbers, Capability], CheckResult | None]
"""A function that compares an expectation with numbers, for what the kernel can do; None without such a check."""


@dataclass(frozen=True)
class Check:
    """One check, by its name in cases.  `source` is the measurement whose line is the evidence."""

    name: str
    source: str
    find: Find


def checks_of(test: str) -> tuple[Check, ...]:
    """Return the checks that the expectation of a placement, or of a workload with a VMM, has for `test`.

    Expected entries and faults are for the range in the workload, and so only for the tests of its placements.  A
    level is claimed for every range.
    """
    if test == placement_of(test):
        return _OF_PLACEMENTS
    if test == VMM_TEST:
        return (_ALIGNMENT, _LEVEL, _ENTRIES, _STAGE2)
    if test.startswith(("before.", "after.")):
        return (_LEVEL,)
    if test.startswith(STAGE2_TESTS):
        return (_STAGE2,) if placement_of(test) else ()
    if test == "random" or test.startswith("repeat."):
        return (_level_of_many(test),)
    return ()


def _alignment(expectation: Expectation, numbers: Numbers, _: Capability) -> CheckResult | None:
    least, found = expectation.alignment, numbers.get("alignment")
    if least is None:
        return None
    measured = "" if found is None else measured_size(found)
    return CheckResult(f"at least {format_size(least)}", measured, found is not None and found >= least)


def _level(expectation: Expectation, numbers: Numbers, _: Capability) -> CheckResult | None:
    return CheckResult(*level_of_one(numbers, expectation.level)) if expectation.level else None


def _stage2(expectation: Expectation, numbers: Numbers, _: Capability) -> CheckResult | None:
    return CheckResult(*level_of_stage2(numbers, expectation.stage2)) if expectation.stage2 else None


def _level_of_many(test: str) -> Check:
    def find(expectation: Expectation, numbers: Numbers, can: Capability) -> CheckResult | None:
        return CheckResult(*level_of_many(test, numbers, can, expectation.level)) if expectation.level else None

    return Check("level", "alignment" if test.startswith("repeat.") else "congruent_pmd", find)


def _entries(expectation: Expectation, numbers: Numbers, _: Capability) -> CheckResult | None:
    if expectation.entries is None:
        return None
    entries = entries_of(numbers)
    measured = f"{entries.total} ({_levels(entries)})" if entries else ""
    return CheckResult(str(expectation.entries), measured, entries is not None and entries.total == expectation.entries)


def _levels(entries: Entries) -> str:
    return f"all {entries.pure}" if entries.pure else str(entries)


def _faults(name: str, stated: Callable[[Expectation], int | None]) -> Check:
    """Return the check of a fault count: from the expected number up to `OWN_FAULTS` more."""

    def find(expectation: Expectation, numbers: Numbers, _: Capability) -> CheckResult | None:
        least, found = stated(expectation), numbers.get(name)
        if least is None:
            return None
        most = least + OWN_FAULTS
        measured = "" if found is None else str(found)
        return CheckResult(f"{least} to {most}", measured, found is not None and least <= found <= most)

    return Check(name, name, find)


_LEVEL = Check("level", "entries_pte", _level)

_STAGE2 = Check("stage2", "stage2_pte", _stage2)

_ALIGNMENT = Check("alignment", "alignment", _alignment)

_ENTRIES = Check("entries", "entries_pte", _entries)

_OF_PLACEMENTS = (
    _ALIGNMENT,
    _LEVEL,
    _ENTRIES,
    _faults("faults", lambda expectation: expectation.faults),
    _faults("dma_faults", lambda expectation: expectation.dma_faults),
)
