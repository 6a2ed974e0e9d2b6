# SPDX-License-Identifier: GPL-2.0-only
"""Limit the size of what a guest wrote, for a result.

All of it is in the console log and in the share.

One line of a console can have 30 MB, and a document of KTAP a million cases.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import replace

from orchestrator.machine.model import BootReport
from orchestrator.result.model import Case, CaseId, Status
from orchestrator.result.run import BootResult

MOST_CASES = 20_000
MOST_LINES = 100
LONGEST_LINE = 1000
LONGEST_MESSAGE = 2000
LONGEST_NAME = 400


def bounded(result: BootResult) -> BootResult:
    """Return `result` with a bounded number of cases, and with texts of a bounded length.

    If cases are left out, there is one more case, an ERROR, since their results are not kept.
    """
    cases = tuple(bounded_case(case) for case in result.cases[:MOST_CASES])
    if len(result.cases) > MOST_CASES:
        message = f"only the first {MOST_CASES:,} of {len(result.cases):,} cases are kept"
        case_id = CaseId(result.kernel, result.workload, result.device, check="share")
        cases = (*(case for case in cases if case.id != case_id), Case(case_id, Status.ERROR, message=message))
    return replace(result, boot=_bounded_report(result.boot), cases=cases)


def bounded_case(case: Case) -> Case:
    """Return `case` with texts of a bounded length."""
    return replace(
        case,
        id=replace(case.id, test=_name(case.id.test)),
        expected=cut(case.expected, LONGEST_LINE),
        measured=cut(case.measured, LONGEST_LINE),
        message=cut(case.message, LONGEST_MESSAGE),
        lines=_lines(case.lines),
    )


def cut(text: str, most: int) -> str:
    """Return `text`, or its first `most` characters and its length if it is longer."""
    return text if len(text) <= most else f"{text[:most]}... ({len(text):,} characters)"


def _name(name: str) -> str:
    """Return a name, a long one as its start and a hash.

    It is still unique.
    """
    if len(name) <= LONGEST_NAME:
        return name
    digest = hashlib.sha256(name.encode(errors="surrogatepass")).hexdigest()
    return f"{name[:LONGEST_NAME]}...{digest[:12]}"


def _bounded_report(report: BootReport) -> BootReport:
    splats = tuple(
        replace(splat, title=cut(splat.title, LONGEST_LINE), text=cut(splat.text, LONGEST_LINE))
        for splat in report.splats[:MOST_LINES]
    )
    why = cut(report.why, LONGEST_MESSAGE)
    return replace(report, lines=_lines(report.lines), splats=splats, odd=_lines(report.odd), why=why)


def _lines(lines: Iterable[str]) -> tuple[str, ...]:
    return tuple(cut(line, LONGEST_LINE) for line in tuple(lines)[:MOST_LINES])
