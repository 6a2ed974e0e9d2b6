# SPDX-License-Identifier: GPL-2.0-only
"""What a guest wrote has a bounded size in the results."""

from __future__ import annotations

from orchestrator.machine.model import BootEnd, BootReport, Splat
from orchestrator.result.model import Case, CaseId, Status
from orchestrator.result.run import BootResult
from orchestrator.result.store.bounds import LONGEST_LINE, LONGEST_MESSAGE, LONGEST_NAME, MOST_CASES, bounded


def test_what_a_guest_wrote_has_a_bounded_size_in_the_results() -> None:
    text = "\ufffd" * 1_000_000
    splat = Splat("WARNING", text, text, "console.log:1")
    report = BootReport(BootEnd.QEMU, 1.0, (text,) * 200, "console.log:1", (splat,), odd=(text,), why=text)
    cases = tuple(
        Case(CaseId("k", "w", test=f"{text}{number}"), Status.FAIL, text, text, text, lines=(text,) * 200)
        for number in range(3)
    )
    result = bounded(BootResult("k", "w", "d", report, cases))
    assert len({case.id for case in result.cases}) == 3
    assert all(len(case.id.test) < LONGEST_NAME + 50 for case in result.cases)
    assert all(len(case.message) < LONGEST_MESSAGE + 50 for case in result.cases)
    assert all(len(line) < LONGEST_LINE + 50 for line in (*result.cases[0].lines, *result.boot.lines))
    assert len(result.boot.lines) == 100
    assert len(result.boot.splats[0].text) < LONGEST_LINE + 50
    assert len(result.boot.why) < LONGEST_MESSAGE + 50


def test_a_short_result_stays_as_it_is() -> None:
    case = Case(CaseId("k", "w", test="t"), Status.FAIL, "a", "b", "c", lines=("d",))
    result = BootResult("k", "w", "d", BootReport(BootEnd.OK, 1.0, ("x",), odd=("y",)), (case,))
    assert bounded(result) == result


def test_more_cases_than_can_be_kept_are_an_error() -> None:
    cases = tuple(Case(CaseId("k", "w", test=f"{number}"), Status.PASS) for number in range(MOST_CASES + 1))
    result = bounded(BootResult("k", "w", "", BootReport(BootEnd.OK, 1.0), cases))
    assert len(result.cases) == MOST_CASES + 1
    assert result.cases[-1].status is Status.ERROR
    assert result.cases[-1].message == "only the first 20,000 of 20,001 cases are kept"
