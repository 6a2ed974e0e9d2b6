# SPDX-License-Identifier: GPL-2.0-only
"""Suites on a terminal: a line per kernel, then cases.

Cases that passed on every kernel are not shown.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby

from orchestrator.report.table import Cell, Column, lay_out
from orchestrator.report.text import fit, in_a_line, one_line, paint, path_text, wrap
from orchestrator.result.compare.status import Change
from orchestrator.result.compare.suite import OF_THE_BOOT, CaseChange, Suite, SuiteRow
from orchestrator.result.model import Case, Status

MOST = 20
"""Groups of cases that are shown of one suite at most; all are in JUnit."""

_ABSENT = "-"
_FAILED = (Status.FAIL, Status.XPASS, Status.TIMEOUT, Status.CRASH, Status.ERROR)

_Outcome = tuple[str, Status | None, str]
"""A kernel, the status of a case there, and its message."""


def suite_table(suite: Suite, width: int, color: bool) -> list[str]:
    """Return the lines of a suite: heading, table, and cases.

    The table has a row per kernel.  Cases that passed everywhere are not shown.
    """
    table = lay_out(suite_columns(suite), width, color)
    lines = [paint(fit(suite_title(suite), width), "bold", color), *table.header]
    for row, line in zip(suite.rows, table.rows, strict=True):
        lines += [line, *([fit(f"  {one_line(row.note)}", width)] if row.note else [])]
    return [*lines, *_noteworthy(suite, width, color)]


def suite_title(suite: Suite) -> str:
    """Return what ran, and on which device."""
    on = f" on {suite.device}" if suite.device else ""
    return one_line(f"{suite.workload}: {suite.what}{on}")


def suite_columns(suite: Suite) -> tuple[Column, ...]:
    """Return the columns of a suite: counts, the change from the base, and the status."""
    return tuple(_columns(suite))


def _columns(suite: Suite) -> Iterator[Column]:
    rows = suite.rows
    yield Column("kernel", tuple(Cell(row.kernel) for row in rows), left=True)
    yield Column("passed", tuple(_count(row, Status.PASS) for row in rows))
    yield Column("failed", tuple(_count(row, *_FAILED) for row in rows))
    if any(row.counts.get(Status.XFAIL) for row in rows):
        yield Column("xfail", tuple(_count(row, Status.XFAIL) for row in rows))
    yield Column("skipped", tuple(_count(row, Status.SKIP) for row in rows), short="skip")
    yield Column("vs base", tuple(_change(row) for row in rows), left=True)
    yield Column("status", tuple(_status(row) for row in rows), left=True)


def _count(row: SuiteRow, *statuses: Status) -> Cell:
    if not row.cases:
        return Cell(_ABSENT)
    count = sum(row.counts.get(status, 0) for status in statuses)
    return Cell(str(count), "red" if count and statuses == _FAILED else "")


def _change(row: SuiteRow) -> Cell:
    colours = {Change.FIX: "green", Change.REGRESSION: "red"}
    return Cell(row.change, colours.get(row.change, "")) if row.change else Cell("(base)")


def _status(row: SuiteRow) -> Cell:
    if row.status is None:
        return Cell(_ABSENT)
    return Cell(row.status, "" if row.status.expected else "red")


@dataclass(frozen=True)
class Noteworthy:
    """Cases of a suite with the same outcomes, which are not all PASS.

    `outcomes` are (kernels, status, message, evidence), the status None for a case that is absent.
    """

    labels: tuple[str, ...]
    outcomes: tuple[tuple[tuple[str, ...], Status | None, str, str], ...]

    @property
    def title(self) -> str:
        """The first label, and how many more there are."""
        more = f" and {len(self.labels) - 1} more" if len(self.labels) > 1 else ""
        return f"{in_a_line(self.labels[0])}{more}"


def noteworthy(suite: Suite) -> tuple[Noteworthy, ...]:
    """Return the cases that did not pass on every kernel, the most urgent first.

    Those with equal outcomes are one group.
    """
    changes = [{change.name: change for change in row.changes} for row in suite.rows]
    cases = [(label, _outcomes(suite, label, changes)) for label in suite.labels]
    shown = [(label, outcomes) for label, outcomes in cases if {status for _, status, _ in outcomes} != {Status.PASS}]
    shown.sort(key=lambda case: _urgency(*case))
    grouped = [(list(group), key[0]) for key, group in groupby(shown, key=lambda case: (case[1], _own(case[0])))]
    return tuple(
        Noteworthy(tuple(label for label, _ in group), tuple(_by_message(suite, group[0][0], outcomes)))
        for group, outcomes in grouped
    )


def _noteworthy(suite: Suite, width: int, color: bool) -> list[str]:
    """Return the lines of the cases that did not pass on every kernel."""
    found, lines = noteworthy(suite), []
    for group in found[:MOST]:
        lines += ["", *wrap(group.title, width, rest="    "), *_lines(group, width, color)]
    rest = sum(len(group.labels) for group in found[MOST:])
    return [*lines, "", f"... and {rest} more cases: see junit.xml"] if rest else lines


def _outcomes(suite: Suite, label: str, changes: list[dict[str, CaseChange]]) -> tuple[_Outcome, ...]:
    """Return the outcome of a case for each kernel that could have it.

    If a suite did not end, cases are missing.  `changes` are those of each row, by label.
    """
    return tuple(
        _outcome(row, row.cases.get(label), own.get(label))
        for row, own in zip(suite.rows, changes, strict=True)
        if label in row.cases or (row.ended and label not in OF_THE_BOOT)
    )


def _outcome(row: SuiteRow, case: Case | None, change: CaseChange | None) -> _Outcome:
    if case is not None:
        return row.kernel, case.status, change.note if change and change.note else case.message
    status = Status.PASS if row.change and change is None else change.variant if change else None
    return row.kernel, status, ""


def _own(label: str) -> str:
    """Return the label of a check of the whole boot, which is never grouped.

    Returns "" for a test.
    """
    return label if label in OF_THE_BOOT else ""


def _urgency(label: str, outcomes: tuple[_Outcome, ...]) -> tuple[int, bool, tuple[str, ...]]:
    """Return the sort key of a case.

    Unexpected cases are first, then those that differ, then those that no kernel passed.  In each of these, checks of
    the whole boot come first.
    """
    statuses = [status for _, status, _ in outcomes]
    bad = any(status is not None and not status.expected for status in statuses)
    rank = 0 if bad else 1 if len(set(statuses)) > 1 else 2
    return rank, not _own(label), tuple(f"{kernel} {status} {message}" for kernel, status, message in outcomes)


def _by_message(
    suite: Suite, label: str, outcomes: tuple[_Outcome, ...]
) -> Iterator[tuple[tuple[str, ...], Status | None, str, str]]:
    """Yield the kernels with each outcome, and the evidence of one that is not as expected."""
    for (status, message), group in groupby(outcomes, key=lambda outcome: outcome[1:]):
        kernels = tuple(kernel for kernel, _, _ in group)
        cases = (row.cases.get(label) for row in suite.rows if row.kernel in kernels)
        bad = status is not None and not status.expected
        yield kernels, status, message, next((case.evidence for case in cases if case and bad), "")


def _lines(group: Noteworthy, width: int, color: bool) -> Iterator[str]:
    for kernels, status, message, evidence in group.outcomes:
        detail = f": {message}" if message else ""
        head = f"  {status or 'absent':<8} "
        lines = wrap(f"{', '.join(kernels)}{detail}", width, head, " " * len(head))
        bad = status is not None and not status.expected
        yield lines[0].replace(str(status), paint(str(status), "red", color), 1) if bad else lines[0]
        yield from lines[1:]
        if evidence:
            yield f"{' ' * len(head)}see {path_text(evidence)}"
