# SPDX-License-Identifier: GPL-2.0-only
"""Compare each variant with the base: better, worse or equal.  Pure and exact; times are compared in `times`.

A change is about the measured values, not about the expected ones: if a variant maps PMDs and the base maps PTEs, this
is a fix, even if both do what the scenario expects of them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from orchestrator.result.compare.readings import CompareKey, KernelReading, Reader, places
from orchestrator.result.compare.status import (
    Change,
    change_of_log,
    change_of_statuses,
    change_of_values,
    new_complaints,
    rank_of,
    same_rank,
    sum_up,
    worst_of,
)
from orchestrator.result.compare.times import Times, compare_times
from orchestrator.result.judge.checks import OWN_FAULTS
from orchestrator.result.judge.levels import proven, rank
from orchestrator.result.model import REPEATABLE, Case, Status
from orchestrator.result.run import Run
from orchestrator.scenario.model import Capability
from orchestrator.workload.alignment.entries import Entries, entries_of
from orchestrator.workload.alignment.stage2 import STAGE2
from orchestrator.yamlfile.units import measured_size

CHECKS = (
    "alignment",
    "level",
    "entries",
    "faults",
    "dma_faults",
    "stage2",
    "stage2_faults",
    "run",
    "oracle",
    "attributes",
    REPEATABLE,
    "log",
    "boot",
    "share",
)
"""What is compared: the checks of `result.judge.alignment`, even without an expectation, and the end of the boot."""

_BY_STATUS = ("run", "oracle", "attributes", REPEATABLE, "log", "share")
"""The checks that have no number: only their statuses are compared."""


@dataclass(frozen=True)
class CheckChange:
    """The change of one check.

    `base` and `variant` are the measured values, ready to print, empty if nothing was measured.  `note` names the
    complaints of the guest kernel that are new under the variant.
    """

    check: str
    change: Change
    base: str
    variant: str
    note: str = ""


@dataclass(frozen=True)
class Row:
    """One kernel at one place.  `change` sums up `changes` and is None for the base.

    `status` is the worst of its cases and of the boot's end; None if there is neither.
    """

    reading: KernelReading
    status: Status | None
    change: Change | None
    changes: tuple[CheckChange, ...] = ()

    @property
    def kernel(self) -> str:
        """The kernel's name."""
        return self.reading.kernel


@dataclass(frozen=True)
class Block:
    """All kernels at one place, the base first.  `length` is in bytes, None if no kernel reported it."""

    place: CompareKey
    length: int | None
    rows: tuple[Row, ...]


@dataclass(frozen=True)
class Comparison:
    """A run and its blocks, one for each place.

    `times` compares the times if each kernel was booted several times, else it is None.
    """

    run: Run
    blocks: tuple[Block, ...]
    times: Times | None = None

    @property
    def unexpected(self) -> tuple[Case, ...]:
        """The cases that did not end as expected."""
        return tuple(case for case in self.run.cases if not case.status.expected)


def compare(run: Run) -> Comparison:
    """Compare every variant of a run with its base, place by place.

    The run may be unfinished: what is missing is `incomplete`.  Never raises.
    """
    reader = Reader(run)
    return Comparison(run, tuple(_block(run, reader, place) for place in places(run)), compare_times(run))


def _block(run: Run, reader: Reader, place: CompareKey) -> Block:
    scenario = run.scenario
    names = (scenario.base, *(name for name in scenario.kernels if name != scenario.base))
    base, *variants = (reader.read(name, place) for name in names)
    lengths = (reading.values["length"].value for reading in (base, *variants) if "length" in reading.values)
    rows = (Row(base, worst_status(base), None), *(compare_readings(base, variant) for variant in variants))
    return Block(place, next(lengths, None), rows)


def compare_readings(base: KernelReading, variant: KernelReading) -> Row:
    """Return what `variant` did at its place, compared with `base`, check by check."""
    pairs = ((check, _change(check, base, variant)) for check in CHECKS)
    changes = tuple(
        CheckChange(check, change, measured(check, base), measured(check, variant), _note(check, base, variant))
        for check, change in pairs
        if change
    )
    status, note = worst_status(variant), next((change.note for change in changes if change.note), "")
    total = sum_up((change.change for change in changes), otherwise=Change.INCOMPLETE)
    about_log = note and variant.note == getattr(variant.case("log"), "message", "")
    return Row(replace(variant, note=note) if about_log else variant, status, total, changes)


def _note(check: str, base: KernelReading, variant: KernelReading) -> str:
    both_booted = base.end is not None and variant.end is not None
    return new_complaints(base.complaints, variant.complaints) if check == "log" and both_booted else ""


def worst_status(reading: KernelReading) -> Status | None:
    """Return the worst status of a reading's cases and of its boot's end.

    Returns None if there was no boot and no case.
    """
    found = {case.status for case in reading.cases} | ({reading.end} if reading.end else set())
    return worst_of(found)


@dataclass(frozen=True)
class _Outcome:
    """PASS for a check with a number, else the status that replaces it.

    `status` is None if the check was not run.
    """

    status: Status | None


def _change(check: str, base: KernelReading, variant: KernelReading) -> Change | None:
    """Return the change of one check, or None if it is left out."""
    before, after = _outcome(check, base), _outcome(check, variant)
    if _uneventful(check, before, after):
        return None
    if any(side is not None and rank_of(side.status) is None for side in (before, after)):
        return Change.INCOMPLETE
    if before is None or after is None:
        return Change.ADDED if before is None else Change.REMOVED
    if check == "log" and same_rank(before.status, after.status):
        return change_of_log(base.complaints, variant.complaints)
    if before.status is after.status is Status.PASS and check in _ORDER:
        return _ORDER[check](base, variant)
    return change_of_statuses(before.status, after.status)


def _uneventful(check: str, before: _Outcome | None, after: _Outcome | None) -> bool:
    """Whether a check is left out of the changes.

    This holds for two boots with a good end, two clean logs, numbers that are equal in every boot, and a check that
    neither side reached.  It also holds for attributes that could be read on one side only.
    """
    if before is None or after is None:
        return check == "attributes" or before is after
    left_out = Status.PASS if check in ("boot", "log", REPEATABLE) else None
    return before.status is left_out and after.status is left_out


def _outcome(check: str, reading: KernelReading) -> _Outcome | None:
    """Return the outcome of `check`.

    Returns None if the boot was good and has no such check.
    """
    if check == "boot":
        return _Outcome(reading.end)
    if check not in _BY_STATUS and measured(check, reading):
        return _Outcome(Status.PASS)
    case = reading.case(check)
    if case:
        return _Outcome(case.status)
    if check == REPEATABLE:  # it is a case only if a number differs between boots
        return _Outcome(Status.PASS)
    return None if reading.gap is Status.PASS else _Outcome(reading.gap)


def measured(check: str, reading: KernelReading) -> str:
    """Return what `check` measured, ready to print: a number, a level, a status.

    Returns "" if nothing was measured.
    """
    if check == "boot":
        return reading.end or ""
    if check in _BY_STATUS:
        case = reading.case(check)
        return case.status if case else ""
    if check == "stage2":
        return str(entries_of(reading.numbers, STAGE2) or "")
    if check in ("level", "entries"):
        return _level(reading) if check == "level" else str(reading.entries.total) if reading.entries else ""
    found = reading.values.get(check)
    if found is None:
        return ""
    return measured_size(found.value) if check == "alignment" else str(found.value)


def _level(reading: KernelReading) -> str:
    """Return the levels in use, or the level that many addresses prove possible."""
    many = proven(reading.place.test, reading.numbers, Capability())
    return str(reading.entries or many or "")


def _by_alignment(base: KernelReading, variant: KernelReading) -> Change:
    return change_of_values(base.values["alignment"].value, variant.values["alignment"].value)


def _by_level(base: KernelReading, variant: KernelReading) -> Change:
    many = [proven(reading.place.test, reading.numbers, Capability()) for reading in (base, variant)]
    if many[0] and many[1]:
        return change_of_values(rank(many[0].level), rank(many[1].level))
    before, after = _entries(base), _entries(variant)
    if before.pure and before.pure is after.pure:
        return Change.UNCHANGED
    return change_of_values(before.quality, after.quality)


def _by_entries(base: KernelReading, variant: KernelReading) -> Change:
    return change_of_values(_entries(base).quality, _entries(variant).quality)


def _by_stage2(base: KernelReading, variant: KernelReading) -> Change:
    return change_of_values(*(_stage2(reading).quality for reading in (base, variant)))


def _by_stage2_faults(base: KernelReading, variant: KernelReading) -> Change:
    """Compare the faults of the vCPU beyond one per entry, if the entries are equally good."""
    quality = [_stage2(reading).quality for reading in (base, variant)]
    waste = [max(0, r.values["stage2_faults"].value - _stage2(r).total) for r in (base, variant)]
    return change_of_values((quality[0], -waste[0]), (quality[1], -waste[1]))


def _stage2(reading: KernelReading) -> Entries:
    return entries_of(reading.numbers, STAGE2) or Entries(0, 0, 0)


def _entries(reading: KernelReading) -> Entries:
    return reading.entries or Entries(0, 0, 0)


def _by_faults(name: str) -> Callable[[KernelReading, KernelReading], Change]:
    """Return the comparison of a fault count.

    Entries are compared first, then the faults beyond one per entry.  Linux before 6.12 fills a whole mapping with PTEs
    on its first fault.  A single fault is then the worst case, and not better than one fault for each of the same
    PTEs.  Several faults for one entry are worse.  If a test counts no entries, no number of faults is better than
    another.
    """

    def order(base: KernelReading, variant: KernelReading) -> Change:
        before, after = base.entries, variant.entries
        if before is None and after is None:
            return Change.UNCHANGED
        if before is None or after is None:
            same = base.values[name].value == variant.values[name].value
            return Change.UNCHANGED if same else Change.INCOMPLETE
        waste = [_waste(base, name, before.total), _waste(variant, name, after.total)]
        return change_of_values((before.quality, -waste[0]), (after.quality, -waste[1]))

    return order


def _waste(reading: KernelReading, name: str, entries: int) -> int:
    """Return the number of faults beyond one per entry and the program's own."""
    return max(0, reading.values[name].value - entries - OWN_FAULTS)


_ORDER: dict[str, Callable[[KernelReading, KernelReading], Change]] = {
    "alignment": _by_alignment,
    "level": _by_level,
    "entries": _by_entries,
    "faults": _by_faults("faults"),
    "dma_faults": _by_faults("dma_faults"),
    "stage2": _by_stage2,
    "stage2_faults": _by_stage2_faults,
}
