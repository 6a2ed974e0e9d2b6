# SPDX-License-Identifier: GPL-2.0-only
"""The comparison of two runs as text: short lines, only what differs, and nothing of a run acts."""

from __future__ import annotations

import json
import re
import time
from dataclasses import replace

import pytest

from orchestrator.report.diff import MOST, render, to_json
from orchestrator.report.text import say_json
from orchestrator.result.compare.diff import diff_runs
from orchestrator.result.compare.diff_pair import KernelPair
from orchestrator.result.model import Case, CaseId, Status
from orchestrator.result.run import BootResult, Run
from tests.unit.report.test_hostile import ACTING, HOSTILE, OWN_COLOUR, RUNS, run_with
from tests.unit.result.test_samples import GOOD, broken_run, killed_run, pud_run, run_of

LINES = """\
pud-20260617-193406 (2026-06-17T19:34:06Z) -> pud-20260617-193406
  (2026-06-17T19:34:06Z)

Not the same in both runs:
  machine: not recorded in the first and the second run, of an older orch

base -> vfio-size
  version: 7.3.4-base in the first, 7.3.4-vfio-size in the second
  check         base    vfio-size  change
  alignment/testdev/BAR2/kernel
    alignment   4 KiB   1 GiB      fix
    level       PTE     PUD        fix
    entries     524288  2          fix
    faults      524288  2          fix
    dma_faults  524288  2          fix
  5 checks differ, 9 do not

mm-align
  check   first  second  change
  alignment/testdev
    boot  PASS   CRASH   regression
    the guest kernel panicked: Kernel panic - not syncing: Fatal exception in
    interrupt
    see results/pud-20260617-193406/boots/mm-align/alignment/console.log:812
  alignment/testdev/BAR2/kernel
  alignment/testdev/BAR2/qemu
    run   PASS   CRASH   regression
  3 checks differ, 0 do not
"""


def test_the_text_of_a_fix_and_of_a_crash() -> None:
    fixed = diff_runs(pud_run(), pud_run(), (KernelPair("base", "vfio-size"),))
    crashed = diff_runs(pud_run(), broken_run(), (KernelPair("mm-align", "mm-align"),))
    shown = render(replace(fixed, pairs=(*fixed.pairs, *crashed.pairs)))
    assert LINES in shown
    assert shown.endswith(
        """
3 regressions, 5 fixes; no difference in 9 checks
first : results/pud-20260617-193406
second: results/pud-20260617-193406
"""
    )


def many(status: Status) -> Run:
    """Return a run of a suite with more cases than are shown."""
    cases = tuple(Case(CaseId("base", "mm", test=f"case{n}", check="run"), status) for n in range(MOST + 5))
    run = run_of(BootResult("base", "mm", "", GOOD, cases))
    return replace(run, scenario=replace(run.scenario, workloads={"mm": {"command": "x"}}))


def test_thousands_of_differences_are_bounded_in_the_text_and_complete_in_the_json() -> None:
    diff = diff_runs(many(Status.PASS), many(Status.FAIL))
    shown = render(diff)
    assert "  mm/case198\n  mm/case199\n    case  PASS   FAIL    regression\n  ... and" in shown
    assert "mm/case200" not in shown
    assert "... and 5 more: see --json" in shown
    assert len(to_json(diff)["pairs"][0]["differences"]) == MOST + 5


def test_a_name_with_a_newline_is_one_name() -> None:
    run = many(Status.FAIL)
    case = replace(run.boots[0].cases[0], id=CaseId("base", "mm", test="a\nb", check="run"))
    odd = replace(run, boots=(replace(run.boots[0], cases=(case,)),))
    passed = replace(odd, boots=(replace(odd.boots[0], cases=(replace(case, status=Status.PASS),)),))
    assert "  mm/a\\nb\n    case  PASS" in render(diff_runs(passed, odd))


@pytest.mark.parametrize("what", HOSTILE)
@pytest.mark.parametrize("color", [False, True], ids=["plain", "coloured"])
def test_nothing_of_two_hostile_runs_acts(what: str, color: bool, capsys: pytest.CaptureFixture[str]) -> None:
    for name in RUNS:
        plain = run_with(name, "")
        run = run_with(name, HOSTILE[what])
        kernels = tuple(map(KernelPair, plain.scenario.kernels, run.scenario.kernels))
        for diff in (diff_runs(run, run), diff_runs(plain, run, kernels)):
            began = time.monotonic()
            shown = render(diff, color=color)
            assert time.monotonic() - began < 5
            assert not ACTING.findall(OWN_COLOUR.sub("", shown) if color else shown)
            assert len(shown) < 1_000_000
            say_json(to_json(diff))
            printed = capsys.readouterr().out
            assert re.fullmatch(r"[\n -~]*", printed)
            json.loads(printed)


@pytest.mark.parametrize("width", [60, 80, 200])
def test_lines_fit_the_width_except_paths(width: int) -> None:
    runs = (pud_run(), broken_run(), killed_run(), RUNS["suite"](), many(Status.FAIL))
    for first in runs:
        for second in runs:
            lines = render(diff_runs(first, second), width).splitlines()
            assert all(len(line) <= width or "/boots/" in line for line in lines), lines
