# SPDX-License-Identifier: GPL-2.0-only
"""Suites on a terminal: a line per kernel, and then the cases that did not pass everywhere, never all of them."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby

from orchestrator.report.table import Cell, Column, lay_out
from orchestrator.report.text import fit, in_a_line, one_line, paint, path_text, wrap
from orchestrator.result.compare.status import Change
from orchestrator.result.compare.suite import OF_THE_BOOT, CaseChange, Suite, SuiteRow
from orchestrator.result.model import Case, Status

MOST = 20
"""Groups of cases that are shown of one suite; all are in JUnit."""

_ABSENT = "-"
_FAILED = (Status.FAIL, Status.XPASS, Status.TIMEOUT, Status.CRASH, Status.ERROR)

_Outcome = tuple[str, Status | None, str]
"""A kernel, the status of a case there, and what it says."""


def suite_table(suite: Suite, width: int, color: bool) -> list[str]:
    """The lines of a suite: heading, a table with a row per kernel, and what did not pass everywhere."""
    table = lay_out(tuple(_columns(suite)), width, color)
    on = f" on {suite.device}" if suite.device else ""
    lines = [paint(fit(one_line(f"{suite.workload}: {suite.what}{on}"), width), "bold", color), *table.header]
    for row, line in zip(suite.rows, table.rows, strict=True):
        lines += [line, *([fit(f"  {one_line(row.note)}", width)] if row.note else [])]
    return [*lines, *_noteworthy(suite, width, color)]


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


def _noteworthy(suite: Suite, width: int, color: bool) -> list[str]:
    """The cases that did not pass, or not on every kernel; those of which the same is to be said stand together."""
    changes = [{one.name: one for one in row.changes} for row in suite.rows]
    told = [(label, _outcomes(suite, label, changes)) for label in suite.labels]
    shown = [(label, outcomes) for label, outcomes in told if {status for _, status, _ in outcomes} != {Status.PASS}]
    shown.sort(key=lambda one: _urgency(*one))
    groups = [(list(group), key[0]) for key, group in groupby(shown, key=lambda one: (one[1], _own(one[0])))]
    lines: list[str] = []
    for group, outcomes in groups[:MOST]:
        more = f" and {len(group) - 1} more" if len(group) > 1 else ""
        lines += ["", *wrap(f"{in_a_line(group[0][0])}{more}", width, rest="    ")]
        lines += _lines(suite, group[0][0], outcomes, width, color)
    rest = sum(len(group) for group, _ in groups[MOST:])
    return [*lines, "", f"... and {rest} more cases: see junit.xml"] if rest else lines


def _outcomes(suite: Suite, label: str, changes: list[dict[str, CaseChange]]) -> tuple[_Outcome, ...]:
    """What every kernel that could have such a case says of it: a suite that did not end lacks the rest of them.

    `changes` are those of each row, by label.
    """
    rows = zip(suite.rows, changes, strict=True)
    could = (one for one in rows if label in one[0].cases or (one[0].ended and label not in OF_THE_BOOT))
    return tuple(_outcome(row, row.cases.get(label), own.get(label)) for row, own in could)


def _outcome(row: SuiteRow, case: Case | None, told: CaseChange | None) -> _Outcome:
    if case is not None:
        return row.kernel, case.status, told.note if told and told.note else case.message
    status = Status.PASS if row.change and told is None else told.variant if told else None
    return row.kernel, status, ""


def _own(label: str) -> str:
    """The label of a check of the whole, which stands alone; "" for a test."""
    return label if label in OF_THE_BOOT else ""


def _urgency(label: str, outcomes: tuple[_Outcome, ...]) -> tuple[int, bool, tuple[str, ...]]:
    """What is not as expected first, then what differs, then what no kernel passed; checks of the whole lead."""
    statuses = [status for _, status, _ in outcomes]
    bad = any(status is not None and not status.expected for status in statuses)
    rank = 0 if bad else 1 if len(set(statuses)) > 1 else 2
    return rank, not _own(label), tuple(f"{kernel} {status} {message}" for kernel, status, message in outcomes)


def _lines(suite: Suite, label: str, outcomes: tuple[_Outcome, ...], width: int, color: bool) -> Iterator[str]:
    for (status, message), group in groupby(outcomes, key=lambda one: one[1:]):
        kernels = [kernel for kernel, _, _ in group]
        said = f": {message}" if message else ""
        head = f"  {status or 'absent':<8} "
        lines = wrap(f"{', '.join(kernels)}{said}", width, head, " " * len(head))
        bad = status is not None and not status.expected
        yield lines[0].replace(str(status), paint(str(status), "red", color), 1) if bad else lines[0]
        yield from lines[1:]
        told = (row.cases.get(label) for row in suite.rows if row.kernel in kernels)
        evidence = next((case.evidence for case in told if case and bad), "")
        if evidence:
            yield f"{' ' * len(head)}see {path_text(evidence)}"
