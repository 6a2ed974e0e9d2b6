# SPDX-License-Identifier: GPL-2.0-only
"""Variants against the base: what each did better, worse or alike.  Pure, exact, and blind to timed numbers.

A change is about what was measured, not about what was expected: a variant that maps PMDs where the base maps PTEs
is a fix even if both do what the scenario expects of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import TypeVar

from orchestrator.result.compare.readings import CompareKey, KernelReading, Reader, places
from orchestrator.result.compare.status import Change, change_of_log, new_complaints
from orchestrator.result.judge.checks import OWN_FAULTS
from orchestrator.result.judge.levels import proven, rank
from orchestrator.result.model import Case, Status
from orchestrator.result.run import Run
from orchestrator.scenario.model import Capability
from orchestrator.workload.alignment.entries import Entries
from orchestrator.yamlfile.units import measured_size

CHECKS = (
    "alignment",
    "level",
    "entries",
    "faults",
    "dma_faults",
    "run",
    "oracle",
    "attributes",
    "log",
    "boot",
    "share",
)
"""What is compared: checks of `result.judge.alignment`, stated by an expectation or not, and the end of the boot."""

_BY_STATUS = ("run", "oracle", "attributes", "log", "share")
"""The checks without a number of their own: their status is all that they measure."""


@dataclass(frozen=True)
class CheckChange:
    """The change of one check: what base and variant measured, ready to print, empty where nothing was.

    `note` names what a guest kernel complained of under the variant only.
    """

    check: str
    change: Change
    base: str
    variant: str
    note: str = ""


@dataclass(frozen=True)
class Row:
    """One kernel at one place.  `change` sums up `changes` and is None for the base.

    `status` is the worst of its cases and of the boot's end; None where there is none.
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
    """All kernels at one place, the base first.  `length` is in bytes, None where no kernel told it."""

    place: CompareKey
    length: int | None
    rows: tuple[Row, ...]


@dataclass(frozen=True)
class Comparison:
    """A run and its blocks, one per place."""

    run: Run
    blocks: tuple[Block, ...]

    @property
    def unexpected(self) -> tuple[Case, ...]:
        """The cases that did not end as expected."""
        return tuple(case for case in self.run.cases if not case.status.expected)


def compare(run: Run) -> Comparison:
    """Compare every variant of a run with its base, place by place.

    The run need not be finished: what is missing is `incomplete`.  Never raises.
    """
    reader = Reader(run)
    return Comparison(run, tuple(_block(run, reader, place) for place in places(run)))


def _block(run: Run, reader: Reader, place: CompareKey) -> Block:
    scenario = run.scenario
    names = (scenario.base, *(name for name in scenario.kernels if name != scenario.base))
    base, *variants = (reader.read(name, place) for name in names)
    lengths = (one.values["length"].value for one in (base, *variants) if "length" in one.values)
    rows = (Row(base, worst_status(base), None), *(_row(base, variant) for variant in variants))
    return Block(place, next(lengths, None), rows)


def _row(base: KernelReading, variant: KernelReading) -> Row:
    pairs = ((check, _change(check, base, variant)) for check in CHECKS)
    changes = tuple(
        CheckChange(check, change, measured(check, base), measured(check, variant), _note(check, base, variant))
        for check, change in pairs
        if change
    )
    status, note = worst_status(variant), next((one.note for one in changes if one.note), "")
    about_log = note and variant.note == getattr(variant.case("log"), "message", "")
    return Row(replace(variant, note=note) if about_log else variant, status, _sum_up(changes), changes)


def _note(check: str, base: KernelReading, variant: KernelReading) -> str:
    told = check == "log" and base.end is not None and variant.end is not None
    return new_complaints(base.complaints, variant.complaints) if told else ""


_WORST_FIRST = (
    Status.CRASH,
    Status.TIMEOUT,
    Status.FAIL,
    Status.ERROR,
    Status.XPASS,
    Status.XFAIL,
    Status.SKIP,
    Status.PASS,
)


def worst_status(reading: KernelReading) -> Status | None:
    """The worst status of a reading's cases and of its boot's end; None where there was no boot and no case."""
    found = {case.status for case in reading.cases} | ({reading.end} if reading.end else set())
    return worst_of(found)


def worst_of(statuses: Iterable[Status]) -> Status | None:
    """The worst of `statuses`; None where there are none."""
    found = set(statuses)
    return next((status for status in _WORST_FIRST if status in found), None)


def _sum_up(changes: tuple[CheckChange, ...]) -> Change:
    """A row's change: the first of these that any check shows.

    Incomplete outranks fix: who has not seen all of a variant cannot call it better.
    """
    order = (Change.REGRESSION, Change.INCOMPLETE, Change.FIX, Change.REMOVED, Change.ADDED, Change.UNCHANGED)
    found = {change.change for change in changes}
    return next((change for change in order if change in found), Change.INCOMPLETE)


_RANK = {Status.PASS: 2, Status.XPASS: 2, Status.FAIL: 1, Status.XFAIL: 1, Status.TIMEOUT: 0, Status.CRASH: 0}
"""How well a check fared; SKIP, ERROR and "not run" have no rank, for they say nothing about the kernel."""


@dataclass(frozen=True)
class _Outcome:
    """PASS with a number, or the status that stands in for it; None for not run."""

    status: Status | None

    @property
    def rank(self) -> int | None:
        return _RANK.get(self.status) if self.status else None


def _change(check: str, base: KernelReading, variant: KernelReading) -> Change | None:
    """The change of one check; None where neither side has it."""
    before, after = _outcome(check, base), _outcome(check, variant)
    if _uneventful(check, before, after):
        return None
    if any(side is not None and side.rank is None for side in (before, after)):
        return Change.INCOMPLETE
    if before is None or after is None:
        return Change.ADDED if before is None else Change.REMOVED
    if check == "log" and before.rank == after.rank:
        return change_of_log(base.complaints, variant.complaints)
    if before.status is after.status is Status.PASS and check in _ORDER:
        return _ORDER[check](base, variant)
    return _ordered(before.rank or 0, after.rank or 0)


def _uneventful(check: str, before: _Outcome | None, after: _Outcome | None) -> bool:
    """Two boots with a good end, or clean logs, are nothing to tell; nor is any check that neither side came to.

    Attributes that could be read of one side only are nothing either.
    """
    if before is None or after is None:
        return check == "attributes" or before is after
    boring = Status.PASS if check in ("boot", "log") else None
    return before.status is boring and after.status is boring


def _outcome(check: str, reading: KernelReading) -> _Outcome | None:
    """How `check` fared; None where a good boot simply has no such check."""
    if check == "boot":
        return _Outcome(reading.end)
    if check not in _BY_STATUS and measured(check, reading):
        return _Outcome(Status.PASS)
    case = reading.case(check)
    if case:
        return _Outcome(case.status)
    return None if reading.gap is Status.PASS else _Outcome(reading.gap)


def measured(check: str, reading: KernelReading) -> str:
    """What `check` measured, ready to print: a number, a level, a status; empty where nothing was measured."""
    if check == "boot":
        return reading.end or ""
    if check in _BY_STATUS:
        case = reading.case(check)
        return case.status if case else ""
    if check in ("level", "entries"):
        return _level(reading) if check == "level" else str(reading.entries.total) if reading.entries else ""
    one = reading.values.get(check)
    if one is None:
        return ""
    return measured_size(one.value) if check == "alignment" else str(one.value)


def _level(reading: KernelReading) -> str:
    """The levels in use, or the level that many addresses prove possible."""
    many = proven(reading.place.test, reading.numbers, Capability())
    return str(reading.entries or many or "")


_Key = TypeVar("_Key", int, tuple[int, int], tuple[tuple[int, int], int])


def _ordered(before: _Key, after: _Key) -> Change:
    """Larger is better."""
    if before == after:
        return Change.UNCHANGED
    return Change.FIX if after > before else Change.REGRESSION


def _by_alignment(base: KernelReading, variant: KernelReading) -> Change:
    return _ordered(base.values["alignment"].value, variant.values["alignment"].value)


def _by_level(base: KernelReading, variant: KernelReading) -> Change:
    many = [proven(one.place.test, one.numbers, Capability()) for one in (base, variant)]
    if many[0] and many[1]:
        return _ordered(rank(many[0].level), rank(many[1].level))
    before, after = _entries(base), _entries(variant)
    if before.pure and before.pure is after.pure:
        return Change.UNCHANGED
    return _ordered(before.quality, after.quality)


def _by_entries(base: KernelReading, variant: KernelReading) -> Change:
    return _ordered(_entries(base).quality, _entries(variant).quality)


def _entries(reading: KernelReading) -> Entries:
    return reading.entries or Entries(0, 0, 0)


def _by_faults(name: str) -> Callable[[KernelReading, KernelReading], Change]:
    """Entries decide, and then the faults beyond one per entry.

    Linux before 6.12 fills a whole mapping with PTEs on its first fault, so that a lone fault is the worst case, and
    no better than one fault for each of the same PTEs.  What is worse is to take several faults for one entry.  Where
    a test counts no entries, no number of faults is better than another.
    """

    def order(base: KernelReading, variant: KernelReading) -> Change:
        before, after = base.entries, variant.entries
        if before is None and after is None:
            return Change.UNCHANGED
        if before is None or after is None:
            same = base.values[name].value == variant.values[name].value
            return Change.UNCHANGED if same else Change.INCOMPLETE
        waste = [_waste(base, name, before.total), _waste(variant, name, after.total)]
        return _ordered((before.quality, -waste[0]), (after.quality, -waste[1]))

    return order


def _waste(reading: KernelReading, name: str, entries: int) -> int:
    """Faults beyond one per entry and the program's own."""
    return max(0, reading.values[name].value - entries - OWN_FAULTS)


_ORDER: dict[str, Callable[[KernelReading, KernelReading], Change]] = {
    "alignment": _by_alignment,
    "level": _by_level,
    "entries": _by_entries,
    "faults": _by_faults("faults"),
    "dma_faults": _by_faults("dma_faults"),
}
