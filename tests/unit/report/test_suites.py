# SPDX-License-Identifier: GPL-2.0-only
"""The comparison of suites by kernel, and its report."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from orchestrator.machine.model import BootEnd, BootReport, Splat
from orchestrator.report import junit, terminal
from orchestrator.report.as_json import to_json
from orchestrator.result.compare.alignment import compare
from orchestrator.result.compare.status import Change
from orchestrator.result.compare.suite import compare_suites
from orchestrator.result.judge.suite import SuiteOutput, judge_suite
from orchestrator.result.model import Case, CaseId, Status
from orchestrator.result.repeated import with_boot
from orchestrator.result.run import (
    BootResult,
    Job,
    JobKind,
    JobStatus,
    Run,
    RunStatus,
    ScenarioRecord,
    with_failed_build,
)
from orchestrator.scenario.model import CommandWorkload, Outcome

WORKLOAD = CommandWorkload("own", "./test", outcome=Outcome.KTAP, device="dev", timeout=60.0)
GOOD = BootReport(BootEnd.OK, 9.0, taint=(0, 0))
PANIC = BootReport(BootEnd.PANIC, 9.0, ("Kernel panic - not syncing: x",), "boots/v/own/console.log:8")


def tap(*results: str) -> str:
    """Return a TAP document of these results."""
    numbered = (result.replace("ok ", f"ok {number} ", 1) for number, result in enumerate(results, 1))
    return "\n".join(["TAP version 13", f"1..{len(results)}", *numbered, ""])


def run_of(boots: dict[str, str], ends: dict[str, BootReport] | None = None, names: tuple[str, ...] = ()) -> Run:
    """Return a run of one suite; `boots` has its output by kernel, the base first."""
    kernels = names or tuple(boots)
    jobs = [Job(f"build/{name}", JobKind.BUILD, name, status=JobStatus.DONE) for name in kernels]
    jobs += [Job(f"boot/{name}/own", JobKind.BOOT, name, "own", JobStatus.DONE, 9.0) for name in kernels]
    workloads: dict[str, dict[str, Any]] = {"own": {"name": "own", "command": "./test", "device": "dev"}}
    scenario = ScenarioRecord("s", "s.yaml", "0" * 64, "What?", kernels[0], kernels, workloads)
    run = Run("s-1", Path("results/s-1"), RunStatus.FINISHED, scenario, "2026-06-17T19:34:06Z", jobs=tuple(jobs))
    for name, output in boots.items():
        report = (ends or {}).get(name, GOOD)
        cases = judge_suite(name, WORKLOAD, report, SuiteOutput(output, 0, evidence=f"boots/{name}/own/output.log"))
        run = with_boot(run, BootResult(name, "own", "dev", report, cases))
    return run


def change(base: str, variant: str, end: BootReport = GOOD) -> Change | None:
    """Return the change of the suite between two outputs."""
    (suite,) = compare_suites(run_of({"base": base, "v": variant}, {"v": end}))
    return suite.rows[1].change


@pytest.mark.parametrize(
    ("base", "variant", "expected"),
    [
        (["ok a", "ok b"], ["ok a", "ok b"], Change.UNCHANGED),
        (["ok a", "ok b"], ["ok a", "not ok b"], Change.REGRESSION),
        (["ok a", "not ok b"], ["ok a", "ok b"], Change.FIX),
        (["not ok a", "ok b"], ["ok a", "not ok b"], Change.REGRESSION),
        (["ok a"], ["ok a", "ok b"], Change.ADDED),
        (["ok a"], ["ok a", "not ok b"], Change.REGRESSION),
        (["ok a", "ok b"], ["ok a"], Change.REMOVED),
        (["ok a"], ["ok a # SKIP no device"], Change.INCOMPLETE),
        (["ok a # SKIP"], ["ok a # SKIP"], Change.UNCHANGED),
        (["not ok a"], ["not ok a # TODO"], Change.UNCHANGED),
    ],
)
def test_changes_are_by_status(base: list[str], variant: list[str], expected: Change) -> None:
    assert change(tap(*base), tap(*variant)) is expected


def test_a_guest_that_died_is_a_regression_whatever_it_left_out() -> None:
    assert change(tap("ok a", "ok b"), "TAP version 13\n1..2\nok 1 a\n", PANIC) is Change.REGRESSION
    assert change(tap("ok a", "ok b"), "", PANIC) is Change.REGRESSION


def test_a_program_whose_time_was_over_takes_its_tests_along() -> None:
    nested = "TAP version 13\n1..1\n# TAP version 13\n# 1..1\n# ok 1 x\nok 1 selftests: m: a\n"
    (suite,) = compare_suites(run_of({"base": nested, "v": tap("not ok selftests: m: a # TIMEOUT 9 seconds")}))
    (one, whole) = suite.rows[1].changes
    assert (one.name, one.change, one.base, one.variant) == ("m:a/x", Change.REGRESSION, Status.PASS, Status.TIMEOUT)
    assert (whole.name, whole.base, whole.variant) == ("m:a", Status.PASS, Status.TIMEOUT)


def text_of(run: Run) -> str:
    return terminal.render(compare(run))


def test_a_suite_is_a_line_per_kernel_and_what_did_not_pass_everywhere() -> None:
    good = [f"ok t{number}" for number in range(200)]
    run = run_of({"base": tap(*good, "ok x"), "v": tap(*good, "not ok x # exit=1")})
    text = text_of(run)
    assert "own: command ./test on dev\nkernel  passed  failed  skipped  vs base     status\n" in text
    assert "\nbase       201       0        0  (base)      PASS\n" in text
    assert "\nv          200       1        0  regression  FAIL\n" in text
    assert "\nx\n  PASS     base\n  FAIL     v: exit=1\n           see boots/v/own/output.log:203\n" in text
    assert "t7" not in text
    assert "Not as expected" not in text
    assert len(text.splitlines()) < 20


def test_what_is_the_same_of_many_stands_together_and_the_rest_is_cut() -> None:
    crashed = text_of(run_of({"base": "TAP version 13\n1..90\nok 1 a\n"}, {"base": PANIC}))
    assert "(boot)\n  CRASH    base: the guest kernel panicked" in crashed
    assert "#2 and 88 more\n" in crashed
    failing = tap(*(f"not ok t{number} # reason {number}" for number in range(90)))
    text = text_of(run_of({"base": failing}))
    assert "... and 70 more cases: see junit.xml" in text
    assert len(text.splitlines()) < 100


def nested(*results: str, parent: str = "ok") -> str:
    """Return the output of the kernel's runner for one program with these results."""
    below = "".join(f"# {line}\n" for line in tap(*results).splitlines())
    return f"TAP version 13\n1..1\n{below}{parent.replace('ok', 'ok 1 selftests: m: a', 1)}\n"


def test_a_test_that_a_program_took_along_has_no_evidence_of_its_own() -> None:
    text = text_of(run_of({"base": nested("ok x"), "v": tap("not ok selftests: m: a # TIMEOUT 9 seconds")}))
    assert "\nm:a/x\n  PASS     base\n  TIMEOUT  v\n" in text


def test_tests_that_are_called_as_checks_of_the_whole_are_tests() -> None:
    names = ("log", "boot", "build", "suite", "(log)", "\\(log)")
    base, less = tap(*(f"ok {name}" for name in names)), tap("ok x")
    (suite,) = compare_suites(run_of({"base": base, "v": less}))
    removed = [one.name for one in suite.rows[1].changes if one.change is Change.REMOVED]
    assert removed == ["log", "boot", "build", "suite", "\\(log)", "\\\\(log)"]
    assert len(suite.rows[0].cases) == len(names) + 1
    text = text_of(run_of({"base": tap("ok log"), "v": tap("not ok log # why")}))
    assert "\nlog\n  PASS     base\n  FAIL     v: why\n" in text


@pytest.mark.parametrize("name", ["log", "(log)"])
def test_a_guest_that_warned_is_seen_among_many_failures(name: str) -> None:
    failing = tap(f"ok {name}", *(f"not ok t{number} # reason {number}" for number in range(90)))
    warned = replace(GOOD, splats=(Splat("WARNING", "WARNING: x.c", "WARNING: x.c:1", "console.log:1"),))
    text = text_of(run_of({"base": failing}, {"base": warned}))
    assert "\n(log)\n  FAIL     base: the guest kernel warned: WARNING: x.c:1\n" in text


def test_no_line_is_wider_than_80_columns() -> None:
    name = "vfio:vfio_dma_mapping_test/" + "vfio_dma_mapping_test.iommufd_compat_type1v2_anonymous_hugetlb_2mb." * 2
    text = text_of(run_of({"base" * 5: tap(f"ok {name}"), "variant" * 3: tap(f"not ok {name} # {'why ' * 40}")}))
    assert max(len(line) for line in text.splitlines()) <= 80
    assert not [line for line in text.splitlines() if line != line.rstrip()]


def test_a_kernel_that_was_not_built_has_a_line_that_says_so() -> None:
    run = run_of({"base": tap("ok a")}, names=("base", "v"))
    run = with_failed_build(run, Case(CaseId.of_build("v"), Status.FAIL, message="mm/x.c:1: error"))
    text = text_of(run)
    assert "\nv            -       -        -  incomplete  FAIL\n  not built: mm/x.c:1: error\n" in text


def test_skips_and_known_failures_take_nothing_from_a_pass() -> None:
    run = run_of({"base": tap("ok a", "ok b # SKIP no device", "not ok c # TODO later")})
    assert "\nbase         1       0      1        1  (base)   PASS\n" in text_of(run)
    assert "\nb\n  SKIP     base: no device\n" in text_of(run)


def test_json_and_junit_have_every_case() -> None:
    run = run_of({"base": tap("ok a", "ok b"), "v": tap("ok a", "not ok b")})
    data = json.loads(json.dumps(to_json(compare(run))))
    assert data["blocks"] == []
    (suite,) = data["suites"]
    assert (suite["workload"], suite["device"], suite["what"]) == ("own", "dev", "command ./test")
    assert suite["rows"][0]["counts"] == {"PASS": 2}
    assert suite["rows"][1]["changes"] == {"b": {"change": "regression", "base": "PASS", "variant": "FAIL"}}
    assert junit.render(run).count("<testcase") == 6


def test_a_run_that_has_not_booted_yet() -> None:
    run = replace(run_of({}, names=("base", "v")), status=RunStatus.RUNNING)
    assert "\nbase         -       -        -  (base)      -\n" in text_of(run)
