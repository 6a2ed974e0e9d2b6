# SPDX-License-Identifier: GPL-2.0-only
"""Compare selftests and commands by kernel: how many cases passed, and which of them changed.  Pure.

Unlike the places of a BAR, the cases of a suite are known only after it has run.  They are compared by name and status.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Container, Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import accumulate

from orchestrator.machine.model import BootEnd
from orchestrator.result.compare.readings import why_no_boot
from orchestrator.result.compare.status import (
    Change,
    change_of_log,
    change_of_statuses,
    is_bad,
    new_complaints,
    same_rank,
    sum_up,
    worst_of,
)
from orchestrator.result.judge.kernel_log import complaints
from orchestrator.result.model import Case, Status
from orchestrator.result.run import BootResult, Run

OF_THE_BOOT = ("(boot)", "(log)", "(build)", "(suite)", "(share)")
"""Labels of the checks of the whole boot.  Most are cases only if something is wrong; no test has such a label."""

_LIKE_OURS = re.compile(r"\\*\((?:boot|log|build|suite|share)\)(?=/|$)")


@dataclass(frozen=True)
class CaseChange:
    """The change of one case, by its label.

    A status is None if the kernel has no such case.  `note` names the complaints of the guest kernel that are new under
    the variant.
    """

    name: str
    change: Change
    base: Status | None
    variant: Status | None
    note: str = ""


@dataclass(frozen=True)
class SuiteRow:
    """One kernel's run of a suite.

    `cases` are by label.  `status` is the worst one that is not as expected, or else PASS if a case passed.  It is None
    if there was no boot; `note` is then the reason.  `ended` is whether the boot ended well.  `change` sums up
    `changes`, which leaves out what is unchanged; it is None for the base.  `complaints` are those of the guest kernel.
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
        """The number of cases with each status.

        The case of the guest's log is not counted.
        """
        return Counter(case.status for case in self.cases.values() if case.id.check != "log")


@dataclass(frozen=True)
class Suite:
    """One workload on all kernels, the base first.

    `what` is a short description of what ran.
    """

    workload: str
    device: str
    what: str
    rows: tuple[SuiteRow, ...]

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels of all kernels' cases, in the order of the reports."""
        return tuple(dict.fromkeys(label for row in self.rows for label in row.cases))


def compare_suites(run: Run) -> tuple[Suite, ...]:
    """Return all suites of a run, with each kernel compared with the base.

    The run may be unfinished.  Never raises.
    """
    return tuple(_suite(run, name) for name in run.suites)


def label_of(case: Case) -> str:
    """Return the label of a case inside its suite.

    It is the name of its test, or its check in parentheses.  If the name of a test looks like such a check, it gets a
    backslash, so that no two cases have the same label.
    """
    test, check = case.id.test, case.id.check
    if test:
        return f"\\{test}" if _LIKE_OURS.match(test) else test
    return f"({check})" if f"({check})" in OF_THE_BOOT else check


def _suite(run: Run, workload: str) -> Suite:
    scenario = run.scenario
    base = read_suite(run, scenario.base, workload)
    variants = (read_suite(run, name, workload) for name in scenario.kernels if name != scenario.base)
    stored = scenario.workloads[workload]
    targets, command = stored.get("targets"), stored.get("command")
    what = f"selftests {', '.join(targets)}" if isinstance(targets, list | tuple) else f"command {command}"
    rows = (base, *(compare_suite_rows(base, variant) for variant in variants))
    return Suite(workload, str(stored.get("device", "")), what, rows)


def read_suite(run: Run, kernel: str, workload: str) -> SuiteRow:
    """Return what `kernel` did in the suite `workload`; a note is why it did nothing."""
    boot = run.boot(kernel, workload)
    if boot is None:
        note, _, failed = why_no_boot(run, kernel, workload)
        return SuiteRow(kernel, status=worst_of(case.status for case in failed), note=note)
    cases = {label_of(case): case for case in boot.cases}
    ended = boot.boot.end is BootEnd.OK
    return SuiteRow(kernel, cases, ended, _sum_of(boot), complaints=complaints(boot.boot))


def _sum_of(boot: BootResult) -> Status | None:
    """Return the worst status of a suite's cases.

    A skipped case does not count if another one passed.
    """
    statuses = {case.status for case in boot.cases if case.id.check != "log" or not case.status.expected}
    unexpected = {status for status in statuses if not status.expected}
    return worst_of(unexpected or ({Status.PASS} & statuses) or statuses)


def compare_suite_rows(base: SuiteRow, variant: SuiteRow) -> SuiteRow:
    """Return `variant` with its changes from `base`."""
    changes = tuple(_changes(base, variant)) if base.cases and variant.cases else ()
    otherwise = Change.UNCHANGED if base.cases and variant.cases else Change.INCOMPLETE
    total = sum_up((change.change for change in changes), otherwise)
    return replace(variant, change=total, changes=changes)


def _changes(base: SuiteRow, variant: SuiteRow) -> Iterator[CaseChange]:
    labels = tuple(dict.fromkeys((*base.cases, *variant.cases)))
    parents = {parent for label in labels for parent in accumulate(label.split("/")[:-1], "{}/{}".format)}
    for label in labels:
        before, after = (_status(row, label, parents) for row in (base, variant))
        change, note = _change(before, after, base, variant), ""
        if label == "(log)":
            note = new_complaints(base.complaints, variant.complaints)
            if same_rank(before, after):
                change = change_of_log(base.complaints, variant.complaints)
        if change is not Change.UNCHANGED:
            yield CaseChange(label, change, before, after, note)


def _status(row: SuiteRow, label: str, parents: Container[str]) -> Status | None:
    """Return the status of a case.

    If there is no such case, the status is that of the program that had to report it, if that has a case.  A case that
    exists only if something is wrong is then PASS; so is one of `parents`, which have other cases below them.
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
    if before is None:
        if is_bad(after):
            return Change.REGRESSION
        return Change.ADDED if base.ended else Change.INCOMPLETE
    if after is None:
        return Change.REMOVED if variant.ended else Change.INCOMPLETE
    return change_of_statuses(before, after)
