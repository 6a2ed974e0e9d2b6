# SPDX-License-Identifier: GPL-2.0-only
"""The cases of a run as one list; of very many, those that matter most."""

from __future__ import annotations

from dataclasses import dataclass

from orchestrator.report.text import fit, one_line
from orchestrator.result.model import Case, Status
from orchestrator.result.run import Run

MOST = 1500
"""Cases that are listed at most."""
_LONGEST = 200


@dataclass(frozen=True)
class CaseLine:
    """One case as it is listed."""

    kernel: str
    name: str
    status: Status
    text: str


@dataclass(frozen=True)
class CaseList:
    """The cases that are listed, the number of the others, and the statuses among the first."""

    lines: tuple[CaseLine, ...]
    left_out: int
    statuses: tuple[Status, ...]


def case_list(run: Run) -> CaseList:
    """Return the cases in the order of the run.

    If there are more than `MOST`, those that are not as expected come first, and some of the others are left out.
    """
    cases = run.cases
    if len(cases) > MOST:
        cases = tuple(sorted(cases, key=lambda case: case.status.expected))
    lines = tuple(_line(case) for case in cases[:MOST])
    found = {line.status for line in lines}
    return CaseList(lines, len(cases) - len(lines), tuple(status for status in Status if status in found))


def _line(case: Case) -> CaseLine:
    both = f"expected {case.expected}, measured {case.measured}" if case.expected and case.measured else ""
    text = one_line(case.message) or (case.measured if case.status.expected else both)
    return CaseLine(fit(case.id.kernel, _LONGEST), fit(case.id.name, 2 * _LONGEST), case.status, fit(text, _LONGEST))
