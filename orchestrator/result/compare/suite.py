# SPDX-License-Identifier: GPL-2.0-only
"""Suites that others wrote, kernel by kernel: how many cases passed, and which of them changed.  Pure.

Unlike the places of a BAR, the cases of a suite are known only once it has run; they are compared by name and status.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Container, Iterator, Mapping
from dataclasses import dataclass, field, replace

from orchestrator.machine.model import BootEnd
from orchestrator.result.compare.alignment import worst_of
from orchestrator.result.compare.readings import why_no_boot
from orchestrator.result.compare.status import Change, change_of_log, new_complaints
from orchestrator.result.judge.kernel_log import complaints
from orchestrator.result.model import Case, Status
from orchestrator.result.run import BootResult, Run

RANK = {Status.PASS: 2, Status.XPASS: 2, Status.FAIL: 1, Status.XFAIL: 1, Status.TIMEOUT: 0, Status.CRASH: 0}
"""How well a case fared; SKIP and ERROR have no rank, for they say nothing about the kernel."""

OF_THE_BOOT = ("(boot)", "(log)", "(build)", "(suite)", "(share)")
"""Labels of the checks of the whole, most of which are cases only where something is wrong; no test has them."""

_LIKE_OURS = re.compile(r"\\*\((?:boot|log|build|suite|share)\)(?=/|$)")


@dataclass(frozen=True)
class CaseChange:
    """The change of one case, by its label; a status is None where the kernel has no such case.

    `note` names what a guest kernel complained of under the variant only.
    """

    name: str
    change: Change
    base: Status | None
    variant: Status | None
    note: str = ""


@dataclass(frozen=True)
class SuiteRow:
    """One kernel's run of a suite.

    `cases` are by label.  `status` is the worst of them that is not as expected, or else PASS where one passed, and
    None where there was no boot; `note` says why there was none.  `ended` says that the boot ended well.
    `change` sums up `changes`, which has what is not unchanged, and is None for the base.  `complaints` are those
    of the guest kernel.
    """

    kernel: str
    cases: Mapping[str, Case] = field(default_factory=dict)
    ended: bool = False
    status: Status | None = None
    change: Change | None = None
    changes: tuple[CaseChange, ...] = ()
    note: str = ""
    complaints: Mapping[str, str] = field(default_factory=dict)

    @property
    def counts(self) -> Mapping[Status, int]:
        """How many cases of the suite itself ended with each status; that of the guest's log is none of them."""
        return Counter(case.status for case in self.cases.values() if case.id.check != "log")


@dataclass(frozen=True)
class Suite:
    """One workload on all kernels, the base first; `what` says in a few words what ran."""

    workload: str
    device: str
    what: str
    rows: tuple[SuiteRow, ...]

    @property
    def labels(self) -> tuple[str, ...]:
        """The cases of all kernels, in the order in which the kernels tell them."""
        return tuple(dict.fromkeys(label for row in self.rows for label in row.cases))


def compare_suites(run: Run) -> tuple[Suite, ...]:
    """Every suite of a run, finished or not, with its kernels held against the base.  Never raises."""
    return tuple(_suite(run, name) for name in run.suites)


def label_of(case: Case) -> str:
    """What a case of a suite is called where its workload is known: its name there, or what of the whole it is.

    A test whose name looks like a label of the whole gets a backslash, so that no two cases have one label.
    """
    test, check = case.id.test, case.id.check
    if test:
        return f"\\{test}" if _LIKE_OURS.match(test) else test
    return f"({check})" if f"({check})" in OF_THE_BOOT else check


def _suite(run: Run, workload: str) -> Suite:
    scenario = run.scenario
    base = _read(run, scenario.base, workload)
    variants = (_read(run, name, workload) for name in scenario.kernels if name != scenario.base)
    told = scenario.workloads[workload]
    targets = told.get("targets")
    what = f"selftests {', '.join(targets)}" if isinstance(targets, list | tuple) else f"command {told.get('command')}"
    return Suite(workload, str(told.get("device", "")), what, (base, *(_compared(base, one) for one in variants)))


def _read(run: Run, kernel: str, workload: str) -> SuiteRow:
    boot = run.boot(kernel, workload)
    if boot is None:
        note, _, failed = why_no_boot(run, kernel, workload)
        return SuiteRow(kernel, status=worst_of(case.status for case in failed), note=note)
    cases = {label_of(case): case for case in boot.cases}
    ended = boot.boot.end is BootEnd.OK
    return SuiteRow(kernel, cases, ended, _sum_of(boot), complaints=complaints(boot.boot))


def _sum_of(boot: BootResult) -> Status | None:
    """The worst status of a suite's cases, in which a skipped case takes nothing from those that passed."""
    statuses = {case.status for case in boot.cases if case.id.check != "log" or not case.status.expected}
    unexpected = {status for status in statuses if not status.expected}
    return worst_of(unexpected or ({Status.PASS} & statuses) or statuses)


def _compared(base: SuiteRow, variant: SuiteRow) -> SuiteRow:
    changes = tuple(_changes(base, variant)) if base.cases and variant.cases else ()
    change = _sum_up(changes) if base.cases and variant.cases else Change.INCOMPLETE
    return replace(variant, change=change, changes=changes)


def _sum_up(changes: tuple[CaseChange, ...]) -> Change:
    """The first of these that any case shows, as for the checks of a place."""
    order = (Change.REGRESSION, Change.INCOMPLETE, Change.FIX, Change.REMOVED, Change.ADDED)
    found = {one.change for one in changes}
    return next((change for change in order if change in found), Change.UNCHANGED)


def _changes(base: SuiteRow, variant: SuiteRow) -> Iterator[CaseChange]:
    labels = tuple(dict.fromkeys((*base.cases, *variant.cases)))
    parents = {label[:at] for label in labels for at, letter in enumerate(label) if letter == "/"}
    for label in labels:
        before, after = (_status(row, label, parents) for row in (base, variant))
        change, note = _change(before, after, base, variant), ""
        if label == "(log)":
            note = new_complaints(base.complaints, variant.complaints)
            both = before and after and RANK.get(before) == RANK.get(after) is not None
            change = change_of_log(base.complaints, variant.complaints) if both else change
        if change is not Change.UNCHANGED:
            yield CaseChange(label, change, before, after, note)


def _status(row: SuiteRow, label: str, parents: Container[str]) -> Status | None:
    """A case's status; where there is no such case, that of the program that was to tell it, if that went wrong.

    One that exists only where something is wrong is PASS where it does not; so is one of `parents`, which have others
    below them.
    """
    parts = label.split("/")
    for length in range(len(parts), 0, -1):
        case = row.cases.get("/".join(parts[:length]))
        if case is not None:
            return case.status
    exceptional = label in OF_THE_BOOT or label in parents
    return Status.PASS if exceptional and row.ended else None


def _change(before: Status | None, after: Status | None, base: SuiteRow, variant: SuiteRow) -> Change:
    if before is after:
        return Change.UNCHANGED
    ranks = [RANK.get(side) if side else None for side in (before, after)]
    if before is None:
        bad = ranks[1] is not None and ranks[1] < RANK[Status.PASS]
        return Change.REGRESSION if bad else Change.ADDED if base.ended else Change.INCOMPLETE
    if after is None:
        return Change.REMOVED if variant.ended else Change.INCOMPLETE
    if ranks[0] is None or ranks[1] is None:
        return Change.INCOMPLETE
    if ranks[0] == ranks[1]:
        return Change.UNCHANGED
    return Change.FIX if ranks[1] > ranks[0] else Change.REGRESSION
