# SPDX-License-Identifier: GPL-2.0-only
"""Compare a kernel of one run with a kernel of another run.  Pure and exact.

The rules are those of the comparison inside a run (`alignment`, `suite`).  What differs is kept, the rest is counted.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from orchestrator.result.compare.alignment import CheckChange, compare_readings, measured
from orchestrator.result.compare.conditions import build_changes
from orchestrator.result.compare.readings import CompareKey, KernelReading, Reader
from orchestrator.result.compare.status import Change, change_of_statuses
from orchestrator.result.compare.suite import SuiteRow, compare_suite_rows, read_suite
from orchestrator.result.judge.checks import OWN_FAULTS
from orchestrator.result.model import Status
from orchestrator.result.run import JobKind, JobStatus, Run

OF_A_BOOT = ("boot", "log", "share")
"""The checks of a whole boot.  They are compared once, and not at every place."""

NOT_RUN = "not run"
ABSENT = "-"

_NO_RESULT = (Status.SKIP, Status.ERROR, NOT_RUN)
_CAUSES = ("run", "boot")
_FAULTS = ("faults", "dma_faults", "stage2_faults")


@dataclass(frozen=True)
class KernelPair:
    """A kernel of the first run, and the kernel of the second run that is compared with it."""

    base: str
    variant: str


@dataclass(frozen=True)
class Difference:
    """One check that differs.

    `place` has no BAR if the check is about a whole boot or a case of a suite, and no workload if it is about the
    build.  `base` and `variant` are values or statuses, ready to print.  `note` is one sentence on the second kernel,
    with `evidence` in the directory of its run.
    """

    place: CompareKey
    check: str
    change: Change
    base: str
    variant: str
    note: str = ""
    evidence: str = ""

    @property
    def lost(self) -> bool:
        """Whether the second run has no result of what the first one measured; a skipped test is a result."""
        without = self.variant in (Status.ERROR, NOT_RUN, ABSENT)
        return self.change is Change.INCOMPLETE and self.base not in _NO_RESULT and without


@dataclass(frozen=True)
class PairDiff:
    """The comparison of one pair.

    `same_build` is whether both kernels are the same artifact, None if a run does not know.  `builds` has a sentence
    for each input that the builds do not have in common.  `unchanged` is the number of checks that both runs measured
    and that do not differ, `unknown` of those that neither run measured.
    """

    pair: KernelPair
    same_build: bool | None
    differences: tuple[Difference, ...] = ()
    unchanged: int = 0
    unknown: int = 0
    builds: tuple[str, ...] = ()


@dataclass(frozen=True)
class Common:
    """What two runs have in common: workloads with a place for each test of each BAR; a suite has no places."""

    first: Run
    second: Run
    places: dict[str, tuple[CompareKey, ...]]
    suites: frozenset[str]


@dataclass
class _Tally:
    """What was found of one pair so far."""

    differences: list[Difference] = field(default_factory=list)
    unchanged: int = 0
    unknown: int = 0


class PairReader:
    """Compares pairs of kernels of two runs, whose boots are sorted only once."""

    def __init__(self, common: Common) -> None:
        self._common = common
        self._first, self._second = Reader(common.first), Reader(common.second)

    def read(self, pair: KernelPair, place: CompareKey) -> tuple[KernelReading, KernelReading]:
        """Return what both kernels did at `place`."""
        return self._first.read(pair.base, place), self._second.read(pair.variant, place)

    def diff(self, pair: KernelPair) -> PairDiff:
        """Compare one pair: the builds, and if both kernels were built, each workload."""
        tally, common = _Tally(), self._common
        if self._built(pair, tally):
            for workload in common.places:
                compare = self._suite if workload in common.suites else self._places
                compare(pair, workload, tally)
        before, after = common.first.kernels.get(pair.base, {}), common.second.kernels.get(pair.variant, {})
        builds = before.get("build"), after.get("build")
        same = builds[0] == builds[1] if all(builds) else None
        changed = tuple(build_changes(before, after))
        return PairDiff(pair, same, tuple(tally.differences), tally.unchanged, tally.unknown, changed)

    def _built(self, pair: KernelPair, tally: _Tally) -> bool:
        """Compare the builds.  Return whether the boots are compared, too: not if only one kernel was built."""
        before, after = _build(self._common.first, pair.base), _build(self._common.second, pair.variant)
        if before == after or NOT_RUN in (before, after):
            return True
        change = change_of_statuses(Status(before), Status(after))
        failed = next((case for case in self._common.second.builds if case.id.kernel == pair.variant), None)
        note, evidence = (failed.message, failed.evidence) if failed else ("", "")
        tally.differences.append(Difference(CompareKey("", ""), "build", change, before, after, note, evidence))
        return False

    def _places(self, pair: KernelPair, workload: str, tally: _Tally) -> None:
        """Compare the ends and logs of two boots, and if both booted, each place."""
        base, variant = self.read(pair, _whole(self._common.first, workload))
        _count(tally, base, variant, (c for c in compare_readings(base, variant).changes if c.check in OF_A_BOOT))
        if base.end is None or variant.end is None:
            return
        for place in self._common.places[workload]:
            base, variant = self.read(pair, place)
            if not other_range(base, variant):
                changes = compare_readings(base, variant).changes
                _count(tally, base, variant, (c for c in changes if c.check not in OF_A_BOOT))

    def _suite(self, pair: KernelPair, workload: str, tally: _Tally) -> None:
        base = read_suite(self._common.first, pair.base, workload)
        variant = read_suite(self._common.second, pair.variant, workload)
        place = _whole(self._common.first, workload)
        if base.cases and variant.cases:
            row = compare_suite_rows(base, variant)
            tally.unchanged += len({*base.cases, *variant.cases}) - len(row.changes)
            tally.differences += _cases(place, row)
        elif base.cases or variant.cases:
            before, after = (str(row.status or ABSENT) if row.cases else NOT_RUN for row in (base, variant))
            tally.differences.append(Difference(place, "boot", Change.INCOMPLETE, before, after, variant.note))
        else:
            tally.unknown += 1


def other_range(base: KernelReading, variant: KernelReading) -> str:
    """Return the name of what two mapped ranges do not have in common, `offset` or `length`; "" if they are equal."""
    both = [name for name in ("offset", "length") if name in base.values and name in variant.values]
    return next((name for name in both if base.values[name].value != variant.values[name].value), "")


def _whole(run: Run, workload: str) -> CompareKey:
    """Return the place of a whole boot of `workload`."""
    return CompareKey(workload, str(run.scenario.workloads[workload].get("device") or ""))


def _build(run: Run, kernel: str) -> str:
    """Return how the build of `kernel` ended: a status, or `NOT_RUN`."""
    failed = next((case for case in run.builds if case.id.kernel == kernel), None)
    if failed:
        return failed.status
    done = any((job.kind, job.kernel, job.status) == (JobKind.BUILD, kernel, JobStatus.DONE) for job in run.jobs)
    return Status.PASS if done else NOT_RUN


def _cases(place: CompareKey, row: SuiteRow) -> Iterator[Difference]:
    """Yield the changes of the cases of a suite."""
    for change in row.changes:
        case = row.cases.get(change.name)
        note, evidence = (change.note or case.message, case.evidence) if case else (change.note, "")
        before, after = (str(status or ABSENT) for status in (change.base, change.variant))
        yield Difference(place, change.name, change.change, before, after, note, evidence)


def _count(tally: _Tally, base: KernelReading, variant: KernelReading, changes: Iterable[CheckChange]) -> None:
    """Add the changes of one place: those that differ, and the number of the others."""
    found = []
    for change in changes:
        before, after = _shown(change.check, base), _shown(change.check, variant)
        if change.change is Change.INCOMPLETE and before == after:
            tally.unknown += 1
        elif change.change is Change.UNCHANGED and _equal(change.check, before, after):
            tally.unchanged += 1
        else:
            note = change.note or variant.note
            evidence = variant.evidence if variant.note else _evidence(change.check, variant)
            found.append(Difference(base.place, change.check, change.change, before, after, note, evidence))
    tally.differences += _without_consequences(found, base, variant)


def _without_consequences(found: list[Difference], base: KernelReading, variant: KernelReading) -> Iterator[Difference]:
    """Leave out what one side lacks because its test or its boot did not end well, if that is a difference, too.

    Left out is also what neither side has.
    """
    caused = any(difference.check in _CAUSES for difference in found)
    for difference in found:
        has = _has_result(difference.check, base), _has_result(difference.check, variant)
        if all(has) or difference.check in _CAUSES or (any(has) and not caused):
            yield difference


def _has_result(check: str, reading: KernelReading) -> bool:
    return bool(measured(check, reading) or reading.case(check))


def _shown(check: str, reading: KernelReading) -> str:
    """Return what `check` measured, or the status that explains why it did not."""
    case = reading.case(check)
    known = measured(check, reading) or (case.status if case else "")
    return known or (ABSENT if reading.gap is Status.PASS else reading.gap or NOT_RUN)


def _equal(check: str, before: str, after: str) -> bool:
    """Whether two values are equal, except for the program's own faults."""
    if check in _FAULTS and before.isdigit() and after.isdigit():
        return abs(int(before) - int(after)) <= OWN_FAULTS
    return before == after


def _evidence(check: str, reading: KernelReading) -> str:
    case, value = reading.case(check), reading.values.get(check)
    return case.evidence if case else value.evidence if value else ""
