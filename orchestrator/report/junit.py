# SPDX-License-Identifier: GPL-2.0-only
"""A run as JUnit XML, for CI: a suite per kernel, a test case per case.

FAIL, XPASS, TIMEOUT, CRASH   <failure type=STATUS>
ERROR                         <error>
SKIP, XFAIL                   <skipped>, an XFAIL with "XFAIL: " and its reason
"""

from __future__ import annotations

import json
from collections.abc import Mapping

from junit_xml import TestCase, TestSuite, to_xml_report_string

from orchestrator.report.text import clean, one_line
from orchestrator.result.model import Case, CaseId, Status
from orchestrator.result.record import JobKind, Run


def render(run: Run) -> str:
    """The XML document.  Well-formed whatever the consoles said; times are in seconds.  Never raises.

    A boot's time is shared by its `run` cases, which are what took it; checks of their numbers take none.
    """
    suites = [_suite(run, kernel) for kernel in run.scenario.kernels]
    return str(to_xml_report_string(suites, encoding="utf-8"))


def _suite(run: Run, kernel: str) -> TestSuite:
    cases = [case for case in run.cases if case.id.kernel == kernel]
    seconds = _seconds(run, kernel, cases)
    return TestSuite(
        clean(kernel),
        [_test_case(run, case, seconds.get(case.id, 0.0)) for case in cases],
        hostname=clean(run.host),
        timestamp=run.started,
        properties=_properties(run, kernel),
    )


def _properties(run: Run, kernel: str) -> dict[str, str]:
    """Where the numbers come from: the kernel's provenance, the device, the tools."""
    devices = {boot.device: None for boot in run.boots if boot.kernel == kernel}
    told = {
        "kernel": kernel,
        **run.kernels.get(kernel, {}),
        "device": " ".join(devices),
        "accelerator": run.accelerator,
        **run.tools,
        "scenario": run.scenario.name,
        "scenario_sha256": run.scenario.sha256,
        "overrides": run.scenario.overrides,
        "run": run.id,
    }
    return {one_line(name): one_line(_text(value)) for name, value in told.items() if value not in (None, "")}


def _text(value: object) -> str:
    if isinstance(value, list | tuple):
        return " ".join(_text(one) for one in value)
    return json.dumps(value, default=str) if isinstance(value, Mapping | bool) else str(value)


def _seconds(run: Run, kernel: str, cases: list[Case]) -> dict[CaseId, float]:
    shares: dict[CaseId, float] = {}
    for job in run.jobs:
        if job.kernel != kernel or not job.seconds:
            continue
        own = [case.id for case in cases if _belongs(case.id, job.kind, job.workload)]
        bearers = [one for one in own if one.check == "run"] or own[:1]
        shares |= {one: job.seconds / len(bearers) for one in bearers}
    return shares


def _belongs(case: CaseId, kind: JobKind, workload: str) -> bool:
    is_build = case == CaseId.of_build(case.kernel)
    return is_build if kind is JobKind.BUILD else not is_build and case.workload == workload


def _test_case(run: Run, case: Case, seconds: float) -> TestCase:
    test = TestCase(clean(case.id.name), clean(f"{run.scenario.name}.{case.id.kernel}"), seconds)
    # The package drops an element that has neither message nor output.
    message = one_line(case.message) or case.status.value
    if case.status in (Status.FAIL, Status.XPASS, Status.TIMEOUT, Status.CRASH):
        test.add_failure_info(message, _details(case), case.status.value)
    elif case.status is Status.ERROR:
        test.add_error_info(message, _details(case), case.status.value)
    elif case.status is Status.SKIP:
        test.add_skipped_info(message)
    elif case.status is Status.XFAIL:
        test.add_skipped_info(f"XFAIL: {message}", _details(case))
    return test


def _details(case: Case) -> str:
    told = (("expected", case.expected), ("measured", case.measured), ("evidence", case.evidence))
    lines = [f"{name}: {text}" for name, text in told if text]
    return clean("\n".join([*lines, *case.lines]))
