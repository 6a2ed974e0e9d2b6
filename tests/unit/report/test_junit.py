# SPDX-License-Identifier: GPL-2.0-only
"""JUnit XML, as CI reads it."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from dataclasses import replace
from pathlib import Path

import junitparser
import lxml.etree
import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.report import junit
from orchestrator.report.text import clean
from orchestrator.result.model import Case, CaseId, Status
from orchestrator.result.run import Run, with_failed_build
from tests.unit.result.test_samples import ALL_PTE, PTE, booted, broken_run, kernel, killed_run, pud_run, run_of, told


def suites(run: Run) -> dict[str, ET.Element]:
    """Return the suites of the rendered document by kernel."""
    return {suite.attrib["name"]: suite for suite in ET.fromstring(junit.render(run).encode())}


def with_case(case: Case) -> Run:
    """Return a run of one kernel with this case."""
    run = run_of(booted(kernel("base", ALL_PTE), told("base", {"kernel": PTE})))
    return replace(run, boots=(replace(run.boots[0], cases=(case,)),))


def element(
    status: Status, expected: str = "", measured: str = "", message: str = "", evidence: str = ""
) -> ET.Element:
    """Return the `testcase` of a case with this status."""
    case = Case(
        CaseId("base", "alignment", "testdev", 2, "kernel", "level"), status, expected, measured, message, evidence
    )
    found = suites(with_case(case))["base"].find("testcase")
    assert found is not None
    return found


def test_a_suite_per_kernel_and_a_test_case_per_case() -> None:
    run = pud_run()
    found = suites(run)
    assert list(found) == list(run.scenario.kernels)
    cases = [
        (case.attrib["classname"], case.attrib["name"]) for suite in found.values() for case in suite.iter("testcase")
    ]
    assert cases == [(f"pud.{case.id.kernel}", case.id.name) for case in run.cases]


def test_properties_say_where_the_numbers_come_from() -> None:
    run = pud_run()
    run = replace(run, kernels={"base": {"version": "7.3.4", "patches": ["a", "b"], "from_cache": True, "note": None}})
    found = {one.attrib["name"]: one.attrib["value"] for one in suites(run)["base"].iter("property")}
    assert found == {
        "kernel": "base",
        "version": "7.3.4",
        "patches": "a b",
        "from_cache": "true",
        "device": "testdev",
        "host": "local",
        "accelerator": "tcg",
        "orch": "0.1.0",
        "qemu": "10.0.2",
        "virtme-ng": "1.42",
        "scenario": "pud",
        "scenario_sha256": "0" * 64,
        "run": "pud-20260617-193406",
    }


@pytest.mark.parametrize("status", [Status.FAIL, Status.XPASS, Status.TIMEOUT, Status.CRASH])
def test_failures(status: Status) -> None:
    failure = element(status, expected="PUD", measured="PTE", message="level PTE, expected PUD", evidence="m:3")[0]
    assert (failure.tag, failure.attrib["type"]) == ("failure", status.value)
    assert failure.attrib["message"] == "level PTE, expected PUD"
    assert failure.text == "expected: PUD\nmeasured: PTE\nevidence: m:3"


def test_an_error_a_skip_an_xfail_and_a_pass() -> None:
    assert element(Status.ERROR, message="no QEMU")[0].tag == "error"
    skipped = element(Status.SKIP, message="no IOMMU")[0]
    assert (skipped.tag, skipped.attrib["message"]) == ("skipped", "no IOMMU")
    known = element(Status.XFAIL, message="needs a patch (level PTE, expected PUD)")[0]
    assert (known.tag, known.attrib["message"]) == ("skipped", "XFAIL: needs a patch (level PTE, expected PUD)")
    assert list(element(Status.PASS)) == []


@pytest.mark.parametrize("status", [status for status in Status if status is not Status.PASS])
def test_no_status_is_lost_for_want_of_a_message(status: Status) -> None:
    assert len(element(status)) == 1


def test_the_lines_that_show_a_crash_are_in_the_text() -> None:
    crash = suites(broken_run())["mm-align"].find("testcase/failure")
    assert crash is not None
    assert crash.text is not None
    assert "Not tainted 7.3.4-mm-align #1" in crash.text


def test_a_kernel_that_did_not_build_has_one_failing_case() -> None:
    run = run_of(booted(kernel("base"), told("base", {"kernel": PTE})), names=("base", "variant"))
    failed = Case(CaseId.of_build("variant"), Status.FAIL, message="mm/mmap.c:1: error", evidence="build.log:9")
    suite = suites(with_failed_build(run, failed))["variant"]
    assert [case.attrib["name"] for case in suite.iter("testcase")] == ["build"]
    assert suite.attrib["failures"] == "1"
    assert suite.attrib["time"] == "12.000"


def test_times_of_a_boot_add_up_to_its_seconds() -> None:
    suite = suites(pud_run())["base"]
    times = [float(case.attrib.get("time", 0)) for case in suite.iter("testcase")]
    assert (sum(times), float(suite.attrib["time"])) == (12.0, 12.0)


SCHEMA = lxml.etree.XMLSchema(file=str(Path(__file__).parent / "data/junit.xsd"))


def problems(document: str) -> list[str]:
    """Return what Jenkins or Surefire would refuse."""
    try:
        SCHEMA.assertValid(lxml.etree.fromstring(document.encode()))
    except lxml.etree.DocumentInvalid as error:
        return [str(error)]
    return []


def all_statuses() -> Run:
    """Return a run with a case of each status, two of them without a message."""
    cases = tuple(
        Case(CaseId("base", "mm", "dev", test=f"t{at}", check="run"), status, message=f"why {status}" if at % 3 else "")
        for at, status in enumerate(Status)
    )
    return replace(with_case(cases[0]), boots=(replace(with_case(cases[0]).boots[0], cases=cases),))


@pytest.mark.parametrize("run", [pud_run(), broken_run(), killed_run(), all_statuses()], ids=lambda run: run.id)
def test_jenkins_and_surefire_accept_it(run: Run) -> None:
    assert problems(junit.render(run)) == []
    assert problems(junit.render_all((run, broken_run(), run))) == []


PLANTED = {
    "disabled": ("<testsuite ", '<testsuite disabled="0" '),
    "decimals": (r'(<testcase .*time=")[0-9.]+', r"\g<1>0.333333"),
    "no time": (r'(<testcase .*) time="[0-9.]+"', r"\1"),
    "type of skipped": (r"(<testcase .*)/>", r'\1><skipped type="skipped"/></testcase>'),
    "two outcomes": (r"(<testcase .*)/>", r'\1><failure type="x"/><skipped/></testcase>'),
    "no type": (r"(<testcase .*)/>", r'\1><failure message="x"/></testcase>'),
    "properties": (r"(<testcase .*)/>", r'\1><properties><property name="a" value="b"/></properties></testcase>'),
    "count": (r'( tests=")[0-9]+', r"\1x"),
}


@pytest.mark.parametrize("what", PLANTED)
def test_the_schema_sees_what_they_refuse(what: str) -> None:
    document = junit.render(pud_run())
    planted = re.sub(*PLANTED[what], document, count=1)
    assert planted != document
    assert problems(planted)


def test_junitparser_reads_it_back() -> None:
    run = all_statuses()
    read = junitparser.JUnitXml.fromstring(junit.render(run).encode())
    (suite,) = read
    assert (read.tests, read.failures, read.errors, suite.skipped) == (8, 4, 1, 2)
    found = {test.name: test for test in suite}
    assert set(found) == {case.id.name for case in run.cases}
    kinds = {
        Status.PASS: [],
        Status.SKIP: [junitparser.Skipped],
        Status.XFAIL: [junitparser.Skipped],
        Status.ERROR: [junitparser.Error],
    }
    for case in run.cases:
        results = found[case.id.name].result
        assert [type(result) for result in results] == kinds.get(case.status, [junitparser.Failure])
        assert all(case.message in result.message for result in results)


def test_several_runs_are_one_document_in_which_no_test_hides_another() -> None:
    document = junit.render_all((pud_run(), broken_run(), killed_run()))
    root = ET.fromstring(document.encode())
    cases = [(test.get("classname"), test.get("name")) for test in root.iter("testcase")]
    total = sum(len(run.cases) for run in (pud_run(), broken_run(), killed_run()))
    assert len(cases) == len(set(cases)) == total
    assert {str(name).split(".")[0] for name, _ in cases} == {"pud", "pud (2)", "pud (3)"}
    assert root.get("tests") == str(total)
    assert root.get("time") == f"{sum(float(suite.get('time', 0)) for suite in root):.3f}"


def test_a_night_has_the_names_of_the_night_before() -> None:
    tonight = replace(pud_run(), id="pud-20260618-193406", started="2026-06-18T19:34:06Z")
    names = [
        [(test.get("classname"), test.get("name")) for test in ET.fromstring(junit.render(run)).iter("testcase")]
        for run in (pud_run(), tonight)
    ]
    assert names[0] == names[1]


@pytest.mark.parametrize("seconds", [1 / 3, 1e-9, 12.3456, 1e9, -1.0])
def test_a_time_has_at_most_three_decimals(seconds: float) -> None:
    run = replace(pud_run(), jobs=tuple(replace(job, seconds=seconds) for job in pud_run().jobs))
    assert problems(junit.render(run)) == []


@pytest.mark.parametrize(
    "started", ["", "x", "2026-06-17", "20260617T193406Z", "2026-13-17T19:34:06Z", "2026-06-17T19:34:06Z"]
)
def test_a_time_that_is_none_is_left_out(started: str) -> None:
    document = junit.render(replace(pud_run(), started=started))
    assert problems(document) == []
    assert ("timestamp" in document) == (started == "2026-06-17T19:34:06Z")


NASTY = st.text(st.characters(codec=None, exclude_categories=())) | st.sampled_from(
    ["\x1b[31mred\x1b[0m", "a\x00b", "\udcff", "]]>", "<&\"'>", "\ufffe", "\x85\u2028", "\x1b]0;title\x07x", "\r\n\t"]
)


@given(NASTY, NASTY, NASTY)
def test_the_document_is_well_formed_whatever_is_on_the_console(message: str, line: str, name: str) -> None:
    case = Case(CaseId("base", name), Status.CRASH, name, line, message, name, (line, message))
    run = with_case(case)
    run = replace(run, host=name, kernels={"base": {name: line}}, tools={"qemu": message})
    test = suites(run)["base"].find("testcase")
    assert test is not None
    assert len(test) == 1


def test_escape_sequences_are_shown_and_hide_nothing() -> None:
    shown = clean("\x1b[1mBUG\x1b[0m: \x1b]0;title\x07bad page\x9c")
    assert shown == r"\x1b[1mBUG\x1b[0m: \x1b]0;title\x07bad page\x9c"
