# SPDX-License-Identifier: GPL-2.0-only
"""What a run shows about a variant, in one sentence.  Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from orchestrator.result.compare.alignment import Block, CheckChange, Comparison, Row
from orchestrator.result.compare.status import Change, sum_up
from orchestrator.result.compare.suite import CaseChange, Suite, compare_suites
from orchestrator.result.model import NO_BAR, Case, CaseId, Status
from orchestrator.scenario.model import Level, Placement
from orchestrator.workload.alignment.entries import Entries
from orchestrator.yamlfile.units import measured_size

_LOG = re.compile(r" \(log: [^()]*\)$")
_ENDS = {Status.CRASH: "crashes", Status.TIMEOUT: "hangs"}
_MAPPED = ("level", "entries")
_IMPORTANT = (
    "boot",
    "log",
    "level",
    "entries",
    "stage2",
    "faults",
    "dma_faults",
    "stage2_faults",
    "alignment",
    "oracle",
    "attributes",
    "run",
    "share",
)
"""The checks in the order in which one of them is chosen to stand for all."""


@dataclass(frozen=True)
class Finding:
    """What a run shows about the kernel `kernel` against the base.

    `sentence` says it without a final period.  `differ` is how many compared values differ, `of` how many were
    compared.
    """

    kernel: str
    change: Change
    sentence: str
    differ: int
    of: int


@dataclass(frozen=True)
class Difference:
    """One value that differs between base and variant, with the place where it was measured."""

    block: Block
    base: Row
    row: Row
    change: CheckChange


def findings(comparison: Comparison) -> tuple[Finding, ...]:
    """Return a finding for each variant, in the order of the scenario."""
    suites = compare_suites(comparison.run)
    return tuple(_finding(comparison, suites, name) for name in variants(comparison))


def variants(comparison: Comparison) -> tuple[str, ...]:
    """Return the kernels that are compared with the base."""
    scenario = comparison.run.scenario
    return tuple(name for name in scenario.kernels if name != scenario.base)


def differences(comparison: Comparison, variant: str) -> tuple[Difference, ...]:
    """Return all values of `variant` that differ from the base's, in the order of the report."""
    return tuple(found for found in _all(comparison, variant) if found.change.change is not Change.UNCHANGED)


def _all(comparison: Comparison, variant: str) -> Iterator[Difference]:
    """Yield all compared values of `variant`: without those that neither kernel was tested for."""
    for block in comparison.blocks:
        for row in block.rows:
            found = [Difference(block, block.rows[0], row, change) for change in row.changes]
            yield from (one for one in found if row.kernel == variant and not _skipped_by_both(one))


def _skipped_by_both(found: Difference) -> bool:
    """Whether a check was skipped on both kernels, as for a device that cannot show it."""
    sides = (found.base.reading, found.row.reading)
    cases = [side.case(found.change.check) for side in sides]
    statuses = [case.status if case else side.gap for case, side in zip(cases, sides, strict=True)]
    return found.change.change is Change.INCOMPLETE and statuses == [Status.SKIP, Status.SKIP]


def suite_changes(suites: Iterable[Suite], variant: str) -> tuple[tuple[str, CaseChange], ...]:
    """Return (workload, change) of each case of selftests and commands that differs under `variant`."""
    rows = ((suite.workload, row) for suite in suites for row in suite.rows if row.kernel == variant)
    return tuple((workload, change) for workload, row in rows for change in row.changes)


def _finding(comparison: Comparison, suites: tuple[Suite, ...], variant: str) -> Finding:
    every, base = tuple(_all(comparison, variant)), comparison.run.scenario.base
    own = differences(comparison, variant)
    of_suites = suite_changes(suites, variant)
    compared = len(every) + sum(len(suite.labels) for suite in suites)
    differ = len(own) + len(of_suites)
    changes = [found.change.change for found in every] + [change.change for _, change in of_suites]
    change = sum_up(changes, otherwise=Change.UNCHANGED if compared else Change.INCOMPLETE)

    def found(change: Change, sentence: str) -> Finding:
        return Finding(variant, change, sentence, differ, compared)

    for kernel, what in ((variant, Change.REGRESSION), (base, Change.INCOMPLETE)):
        failed = _failed_build(comparison, kernel)
        if failed:
            return found(what, f"{kernel} {_why_not_built(failed)}")
    if not compared:
        why = next((case.message for case in comparison.run.cases if case.message), "")
        return found(change, f"nothing of {variant} could be compared with {base}" + (f": {why}" if why else ""))
    if change is Change.UNCHANGED:
        return found(change, f"{variant} shows no difference from {base} in {compared} compared values")
    first = _first(own, change)
    if first:
        return found(change, _sentence(first, variant, base))
    workload, case = next(pair for pair in of_suites if pair[1].change is change)
    before, after = (status or "absent" for status in (case.base, case.variant))
    return found(change, f"{variant} has {after} in {workload}/{case.name}, and {base} has {before}")


def _failed_build(comparison: Comparison, kernel: str) -> Case | None:
    return next((case for case in comparison.run.builds if case.id == CaseId.of_build(kernel)), None)


def _why_not_built(case: Case) -> str:
    """Return the message of a failed build, without its beginning with the kernel's name, and the log's path."""
    message = without_log(case.message).removeprefix(f"kernel '{case.id.kernel}' ").removeprefix("does not build: ")
    verb = "does not build" if case.status is Status.FAIL else "could not be built"
    return f"{verb}: {message}" if message else verb


def without_log(message: str) -> str:
    """Return the message of a case without the path of a log on the machine that built the kernel."""
    return _LOG.sub("", message)


def _first(found: tuple[Difference, ...], change: Change) -> Difference | None:
    """Return the difference that stands for all: the kernel's own placement and the most important check first."""
    wanted = [one for one in found if one.change.change is change]
    return min(wanted, key=_importance, default=None)


def _importance(found: Difference) -> tuple[int, bool, int]:
    return (
        min(1, _IMPORTANT.index(found.change.check) // 2),
        found.block.place.test != Placement.KERNEL,
        _IMPORTANT.index(found.change.check),
    )


def _sentence(found: Difference, variant: str, base: str) -> str:
    row, before = found.row.reading, found.base.reading
    where = place_of(found.block)
    check, change = found.change.check, found.change
    if change.change is Change.INCOMPLETE:
        why = row.note or before.note
        return f"{variant} cannot be compared with {base} for {where}" + (f": {why}" if why else "")
    if check == "boot":
        verb = _ENDS.get(row.end or Status.ERROR, "does not end its boot")
        good = change.change is Change.FIX
        who, other = (base, variant) if good else (variant, base)
        verb = _ENDS.get(before.end or Status.ERROR, verb) if good else verb
        note = (before if good else row).note
        return f"{who} {verb}, and {other} does not" + (f": {note}" if note else "")
    if check == "log" and change.note:
        return f"{variant} has {change.note}"
    if check in _MAPPED and row.entries and before.entries:
        return f"{variant} maps {where} with {_counted(row.entries)}, and {base} with {_counted(before.entries)}"
    name = check.replace("_", " ")
    return f"{variant} has {name} {change.variant or '-'} for {where}, and {base} has {change.base or '-'}"


def _counted(entries: Entries) -> str:
    """Return the entries by level, with separators of thousands: "1,024 PMD entries"."""
    counts = ((entries.pud, Level.PUD), (entries.pmd, Level.PMD), (entries.pte, Level.PTE))
    shown = " + ".join(f"{count:,} {level}" for count, level in counts if count)
    return f"{shown} entr{'y' if entries.total == 1 else 'ies'}" if shown else "no entries"


def place_of(block: Block) -> str:
    """Return what was mapped, in words: length, device, BAR, and placement or test."""
    place = block.place
    if place.bar == NO_BAR:
        return f"workload {place.workload}"
    length = f"{measured_size(block.length)} of " if block.length else ""
    kind = "placement" if place.test in tuple(Placement) else "test"
    return f"{length}{place.device} BAR{place.bar}" + (f" ({kind} {place.test})" if place.test else "")
