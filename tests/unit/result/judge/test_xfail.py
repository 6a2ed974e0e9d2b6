# SPDX-License-Identifier: GPL-2.0-only
"""Known failures of cases."""

from __future__ import annotations

from dataclasses import replace

import pytest

from orchestrator.machine.model import BootEnd, BootReport
from orchestrator.result.judge.xfail import boot_with_xfail, cases_with_xfail, known_reason, with_xfail, without_case
from orchestrator.result.model import Case, CaseId, Status
from orchestrator.result.run import BootResult

KNOWN = (("life.mremap*", "takes a PUD entry for a bad one"), ("fork", "never seen"))


def case(test: str, status: Status, check: str = "run") -> Case:
    return Case(CaseId("base", "life", "ram", 2, test, check), status, message="the kernel logged: bad pud")


@pytest.mark.parametrize(
    ("test", "before", "after"),
    [
        ("life.mremap", Status.FAIL, Status.XFAIL),
        ("life.mremap-part", Status.TIMEOUT, Status.XFAIL),
        ("life.mremap", Status.PASS, Status.XPASS),
        ("life.mremap", Status.SKIP, Status.SKIP),
        ("life.mremap", Status.CRASH, Status.XFAIL),
        ("life.mremap", Status.ERROR, Status.ERROR),
        ("life.fork", Status.FAIL, Status.FAIL),
    ],
)
def test_a_known_failure_is_expected_and_a_pass_is_news(test: str, before: Status, after: Status) -> None:
    assert with_xfail(case(test, before), KNOWN).status is after


def test_the_reason_and_what_was_seen_are_both_reported() -> None:
    result = with_xfail(case("life.mremap", Status.FAIL), KNOWN)
    assert result.message == "takes a PUD entry for a bad one (the kernel logged: bad pud)"
    assert with_xfail(case("life.mremap", Status.PASS), KNOWN).message.endswith("remove the xfail")
    silent = with_xfail(replace(case("life.mremap", Status.FAIL), message=""), KNOWN)
    assert silent.message == "takes a PUD entry for a bad one (no reason given)"


def test_a_case_without_a_test_goes_by_its_check() -> None:
    assert with_xfail(case("", Status.FAIL, check="fork"), KNOWN).status is Status.XFAIL
    assert with_xfail(case("", Status.CRASH, check="boot"), (("life/boot", "oopses"),)).status is Status.XFAIL
    assert with_xfail(case("", Status.CRASH, check="boot"), (("split/boot", "oopses"),)).status is Status.CRASH


@pytest.mark.parametrize(("known", "well"), [((("life/boot", "oopses"),), True), ((), False)])
def test_a_boot_that_crashes_as_it_is_known_to_ended_well(known: tuple[tuple[str, str], ...], well: bool) -> None:
    report = BootReport(BootEnd.OOPS, 3.0, ("BUG: unable to handle page fault",))
    crash = with_xfail(case("", Status.CRASH, check="boot"), known)
    assert BootResult("base", "life", "ram", report, (crash,)).ended_well is well


@pytest.mark.parametrize(
    ("reason", "seen"),
    [
        ("get_old_pud() takes it for bad (mm/mremap.c), see there", "bad pud 00000(80000002000002b7)"),
        ("takes it for bad (mm/mremap.c)", "level PTE (4 of 10 ranges (random)), expected PUD"),
        ("plain", ""),
    ],
)
def test_the_reason_can_be_separated_from_what_was_seen(reason: str, seen: str) -> None:
    assert known_reason(f"{reason} ({seen})") == reason


@pytest.mark.parametrize("message", ["", "no parentheses", "unbalanced)", "(all of it)"])
def test_a_message_without_both_is_the_reason(message: str) -> None:
    assert known_reason(message) == message


def test_a_check_that_fails_is_known_by_its_test_and_a_test_passes_only_as_a_whole() -> None:
    known = (("kernel", "places badly"),)
    run, level = case("kernel", Status.PASS), case("kernel", Status.FAIL, check="level")
    assert [one.status for one in cases_with_xfail([run, level], known)] == [Status.PASS, Status.XFAIL]
    good = case("kernel", Status.PASS, check="level")
    assert [one.status for one in cases_with_xfail([run, good], known)] == [Status.XPASS, Status.PASS]


@pytest.mark.parametrize(
    ("status", "began", "after"),
    [
        (Status.CRASH, True, Status.XFAIL),
        (Status.CRASH, False, Status.CRASH),
        (Status.TIMEOUT, True, Status.TIMEOUT),
        (Status.ERROR, True, Status.ERROR),
    ],
)
def test_of_a_boot_only_a_crash_of_the_workload_can_be_known(status: Status, began: bool, after: Status) -> None:
    known = (("life/boot", "oopses"),)
    assert boot_with_xfail(case("", status, check="boot"), known, began=began).status is after


@pytest.mark.parametrize(
    ("test", "known", "reason"),
    [
        ("map[2M]", {"map[2M]": "exact"}, "exact"),
        ("map[2M]", {"map*": "pattern", "map[2M]": "exact"}, "exact"),
        ("map2", {"map[2M]": "pattern"}, "pattern"),
        ("map[1G]", {"map[2M]": "other"}, None),
        ("map*", {"*": "pattern", "map*": "exact"}, "exact"),
        ("a?[!b]", {"a?[!b]": "exact"}, "exact"),
        ("map[", {"map[": "exact"}, "exact"),
        ("Map", {"map": "other"}, None),
    ],
)
def test_an_exact_name_comes_before_every_pattern(test: str, known: dict[str, str], reason: str | None) -> None:
    result = with_xfail(case(test, Status.FAIL), tuple(known.items()))
    assert result.message.partition(" (")[0] == (reason or "the kernel logged: bad pud")
    assert result.status is (Status.XFAIL if reason else Status.FAIL)


@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        ("mm:a", True), ("mm:*", True), ("map[2M]", True), ("mm:c", False), ("map[1G]", False), ("mm:a/x", False),
        ("mm:skipped/x", True), ("mm:skip*/x/y", True), ("mm:skipped2/x", False), ("log/BUG: x", True),
        ("life/log", True),
        ("suite", True), ("life/suite", True), ("boot", True), ("split/boot", False), ("logs", False), ("run", False),
    ],
)  # fmt: skip
def test_an_entry_that_names_no_case(pattern: str, found: bool) -> None:
    cases = [case("mm:a", Status.PASS), case("map[2M]", Status.FAIL), case("mm:skipped", Status.SKIP)]
    assert without_case(cases, ((pattern, "why"),)) == (() if found else (pattern,))
