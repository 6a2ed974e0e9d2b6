# SPDX-License-Identifier: GPL-2.0-only
"""Several boots of one kernel for one workload, as one result.  Pure.

A report has one verdict for a case, however often the kernel was booted: the worst one, which says in how many boots it
was so.  A number that has to be equal in every boot, and is not, is a failed case of its own (`repeatable`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from functools import reduce
from operator import or_
from statistics import median_low

from orchestrator.machine.model import BootEnd, Splat
from orchestrator.result.compare.status import worst_of
from orchestrator.result.model import REPEATABLE, Case, CaseId, Status, status_of_end
from orchestrator.result.run import BootResult, Run
from orchestrator.workload.model import Measurement

_HAPPENED = {
    Status.PASS: "passed",
    Status.FAIL: "failed",
    Status.SKIP: "skipped",
    Status.XFAIL: "failed as expected",
    Status.XPASS: "passed unexpectedly",
    Status.TIMEOUT: "timed out",
    Status.CRASH: "crashed",
    Status.ERROR: "not measured",
}
_EXCEPTIONAL = ("boot", "log", "share", "xfail")
"""The checks of whole boots: most are cases only if something is wrong."""
_MOST_VALUES = 4
"""Different values of one number that a message names."""

_Place = tuple[str, str, int]
"""Kernel, workload and round of a boot."""
_Key = tuple[str, int, str, str]
"""Device, BAR, test and name of a measurement."""


def with_boot(run: Run, result: BootResult) -> Run:
    """Return `run` with one more boot's result; see `with_boots`."""
    return with_boots(run, (result,))


def with_boots(run: Run, results: Iterable[BootResult]) -> Run:
    """Return `run` with the results of further boots, in the order of the jobs.

    The order in which the boots ended does not matter.
    """
    found = tuple(results)
    if run.repeat == 1:
        return replace(run, boots=_added(run, run.boots, found))
    run = replace(run, samples=_added(run, run.samples, found))
    changed = dict.fromkeys((result.kernel, result.workload) for result in found)
    together = (combined(run.samples_of(*place), run.repeat) for place in changed)
    return replace(run, boots=_added(run, run.boots, together))


def _added(run: Run, boots: tuple[BootResult, ...], results: Iterable[BootResult]) -> tuple[BootResult, ...]:
    """Return `boots` with `results`, each in place of the same boot; round 0 comes where the first round does."""
    order: dict[_Place, int] = {}
    for at, job in enumerate(run.jobs):
        order[job.kernel, job.workload, job.round] = at
        order.setdefault((job.kernel, job.workload, 0), at)
    by_place = {(boot.kernel, boot.workload, boot.round): boot for boot in (*boots, *results)}
    return tuple(by_place[place] for place in sorted(by_place, key=lambda place: order.get(place, len(order))))


def combined(boots: Sequence[BootResult], planned: int) -> BootResult:
    """Return the result of several boots of one kernel for one workload; at least one, in their order.

    `planned` is how many there will be.  A case has its worst verdict.  A measurement has the value of the first boot
    if it must be equal in all, else the median; its evidence is of the boot that measured it.  The report is of the
    boot with the worst end, with what the guest kernel complained about in all of them.
    """
    worst = _with_worst_end(boots)
    splats, taint = tuple(_splats(boots, worst)), _taint(boots)
    odd = tuple(f"boot {boot.round}: {text}" for boot in boots for text in boot.boot.odd)
    return replace(
        worst,
        boot=replace(worst.boot, splats=splats, taint=taint, odd=odd),
        cases=(*_cases(boots, planned), *_unequal(boots)),
        measurements=tuple(_measurements(boots)),
        round=0,
    )


def _with_worst_end(boots: Sequence[BootResult]) -> BootResult:
    """Return the boot with the worst end, the first of equals."""
    statuses = [_status_of_end(boot) for boot in boots]
    return boots[statuses.index(worst_of(statuses) or statuses[0])]


def _status_of_end(boot: BootResult) -> Status:
    if boot.boot.end is BootEnd.OK:
        return Status.PASS
    return Status.XFAIL if boot.ended_well else status_of_end(boot.boot.end)


def _splats(boots: Sequence[BootResult], worst: BootResult) -> Iterator[Splat]:
    """Yield the complaints of the guest kernel in all boots, each title once, those of `worst` first.

    The place of a splat is relative to the directory of its boot; that of another boot is beside it.
    """
    found: set[str] = set()
    for boot in (worst, *boots):
        for splat in boot.boot.splats:
            if splat.title not in found:
                place = splat.place if boot is worst else f"../{boot.round}/{splat.place}"
                yield replace(splat, place=place)
                found.add(splat.title)


def _taint(boots: Sequence[BootResult]) -> tuple[int, int] | None:
    """Return the bits that were set in any boot, before and after the workload; None if no boot reported them."""
    found = [boot.boot.taint for boot in boots if boot.boot.taint is not None]
    before, after = (reduce(or_, bits) for bits in zip(*found, strict=True)) if found else (0, 0)
    return (before, after) if found else None


def _cases(boots: Sequence[BootResult], planned: int) -> Iterator[Case]:
    """Yield each case of the boots once, in the order of the boot that has it first."""
    by_id: dict[CaseId, list[Case]] = {}
    for boot in boots:
        for case in boot.cases:
            by_id.setdefault(case.id, []).append(case)
    for cases in by_id.values():
        yield _worst(cases, len(boots), planned)


def _worst(cases: Sequence[Case], ended: int, planned: int) -> Case:
    """Return the case with the worst status, whose message says in how many boots it was so.

    A case that was the same in all boots is kept as it is.
    """
    status = worst_of(case.status for case in cases) or cases[0].status
    alike = [case for case in cases if case.status is status]
    first = alike[0]
    exceptional = first.id.check in _EXCEPTIONAL
    if len(alike) == ended or (exceptional and status is Status.PASS):
        return first
    among = f"in {len(alike)} of {ended} boots" if ended == planned else f"in {len(alike)} of the {ended} boots so far"
    missing = f" (no result in {ended - len(cases)})" if len(cases) < ended and not exceptional else ""
    happened = f"{_HAPPENED[status]} {among}{missing}"
    message = f"{happened}: {first.message}" if first.message else happened
    return replace(first, message=message, measured=f"{first.measured} {among}" if first.measured else "")


def _measurements(boots: Sequence[BootResult]) -> Iterator[Measurement]:
    for found in _by_number(boots).values():
        measured = [measurement for _, measurement in found]
        middle = median_low(measurement.value for measurement in measured)
        typical = next(measurement for measurement in measured if measurement.value == middle)
        yield measured[0] if measured[0].exact else typical


def _unequal(boots: Sequence[BootResult]) -> Iterator[Case]:
    """Yield a failed case for each test of which a number must be equal in all boots, and is not."""
    by_test: dict[CaseId, list[str]] = {}
    evidence: dict[CaseId, str] = {}
    for found in _by_number(boots).values():
        first = found[0][1]
        different = {measurement.value: measurement for _, measurement in reversed(found)}
        if first.exact and len(different) > 1:
            case_id = CaseId(first.kernel, first.workload, first.device, first.bar, first.test, REPEATABLE)
            by_test.setdefault(case_id, []).append(_difference(first, found))
            other = next(measurement for _, measurement in found if measurement.value != first.value)
            evidence.setdefault(case_id, other.evidence)
    for case_id, texts in by_test.items():
        yield Case(case_id, Status.FAIL, "equal in every boot", "", "; ".join(texts), evidence[case_id])


def _difference(first: Measurement, found: Iterable[tuple[int, Measurement]]) -> str:
    """Return a sentence with the different values of a number, and the boots with each."""
    rounds: dict[int, list[str]] = {}
    for number, measurement in found:
        rounds.setdefault(measurement.value, []).append(str(number))
    ranked = [value for value, _ in Counter({value: len(where) for value, where in rounds.items()}).most_common()]
    unit = f" {first.unit}" if first.unit and first.unit != first.name else ""
    texts = [
        f"{value}{unit} (boot{'s' if len(rounds[value]) > 1 else ''} {', '.join(rounds[value])})"
        for value in ranked[:_MOST_VALUES]
    ]
    more = f", and {len(ranked) - _MOST_VALUES} more values" if len(ranked) > _MOST_VALUES else ""
    return f"{first.name} must be equal in every boot, but is {', '.join(texts)}{more}"


def _by_number(boots: Sequence[BootResult]) -> dict[_Key, list[tuple[int, Measurement]]]:
    """Return, for each number, its measurements with the boot's round, in the order of the boots."""
    found: dict[_Key, list[tuple[int, Measurement]]] = {}
    for boot in boots:
        for each in boot.measurements:
            found.setdefault((each.device, each.bar, each.test, each.name), []).append((boot.round, each))
    return found
