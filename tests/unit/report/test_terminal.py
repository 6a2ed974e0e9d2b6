# SPDX-License-Identifier: GPL-2.0-only
"""Reports for users: golden outputs in 80 columns, and properties of all reports."""

from __future__ import annotations

import json
import re
from dataclasses import replace

import pytest

from orchestrator.machine.model import BootEnd, BootReport
from orchestrator.report.as_json import to_json
from orchestrator.report.table import Cell, Column, lay_out
from orchestrator.report.terminal import render
from orchestrator.report.text import fit, format_ns, format_ratio
from orchestrator.result.compare.alignment import compare
from orchestrator.result.model import Case, CaseId, Status, Verdict, WorkloadOutput
from orchestrator.result.run import JobStatus, Run, RunStatus, with_failed_build, with_job
from tests.unit.result.test_samples import (
    ALL_PMD,
    ALL_PTE,
    ALL_PUD,
    MIXED,
    PMD,
    PTE,
    PUD,
    booted,
    broken_run,
    kernel,
    killed_run,
    pud_run,
    run_of,
    told,
)

AS_EXPECTED = """\
pud: Where does each kernel place the mmap of a 2 GiB BAR?
accelerator tcg, host local, 2026-06-17T19:34:06Z

testdev BAR2, 2 GiB, placement kernel (mmap with NULL hint)
                                                 DMA  VmPTE
kernel     alignment  level  entries  faults  faults    KiB  vs base    status
base           4 KiB    PTE   524288  524288  524288   4100  (base)     PASS
vfio-thp       2 MiB    PMD     1024    1024    1024      4  fix        PASS
vfio-size      1 GiB    PUD        2       2       2      4  fix        PASS
mm-align       1 GiB    PUD        2       2       2      4  fix        PASS
no-huge        4 KiB    PTE   524288  524288  524288   4100  unchanged  PASS

testdev BAR2, 2 GiB, placement qemu (size-aligned, at most 1 GiB)
                                                 DMA  VmPTE
kernel     alignment  level  entries  faults  faults    KiB  vs base     status
base           1 GiB    PUD        2       2       2      4  (base)      PASS
vfio-thp       1 GiB    PUD        2       2       2      4  unchanged   PASS
vfio-size      1 GiB    PUD        2       2       2      4  unchanged   PASS
mm-align       1 GiB    PUD        2       2       2      4  unchanged   PASS
no-huge        1 GiB    PTE   524288  524288  524288   4104  regression  PASS

Cost per GiB. Times are noisy, and comparable within this run only; no verdict
rests on them.

testdev BAR2, 2 GiB, placement kernel (mmap with NULL hint)
           VmPTE            first    ratio     DMA             ratio
kernel       KiB  faults    touch  to base  faults  DMA map  to base
base        2050  262144   1.68 s           262144   1.35 s
vfio-thp       2     512  3.76 ms    1/445     512  3.05 ms    1/444
vfio-size      2       1  1.47 ms   1/1143       1  1.21 ms   1/1124
mm-align       2       1  1.47 ms   1/1143       1  1.21 ms   1/1124
no-huge     2050  262144   1.68 s     1.00  262144   1.35 s     1.00

testdev BAR2, 2 GiB, placement qemu (size-aligned, at most 1 GiB)
           VmPTE            first    ratio     DMA             ratio
kernel       KiB  faults    touch  to base  faults  DMA map  to base
base           2       1  1.47 ms                1  1.21 ms
vfio-thp       2       1  1.47 ms     1.00       1  1.21 ms     1.00
vfio-size      2       1  1.47 ms     1.00       1  1.21 ms     1.00
mm-align       2       1  1.47 ms     1.00       1  1.21 ms     1.00
no-huge     2052  262144   1.68 s     1143  262144   1.35 s     1124

65 cases: 65 pass
results/pud-20260617-193406
"""

BROKEN = """\
pud: Where does each kernel place the mmap of a 2 GiB BAR?
accelerator tcg, host local, 2026-06-17T19:34:06Z

testdev BAR2, 2 GiB, placement kernel (mmap with NULL hint)
                                                DMA  VmPTE
kernel    alignment  level  entries  faults  faults    KiB  vs base     status
base          4 KiB    PTE   524288  524288  524288   4100  (base)      PASS
vfio-thp      1 MiB  mixed      516     516     516     16  regression  FAIL
  entries: 1 PUD + 512 PMD + 3 PTE
  entries: measured 1 PUD + 512 PMD + 3 PTE, predicted 524288 PTE; faults: me...
mm-align          -      -        -       -       -      -  regression  CRASH
  the guest kernel panicked: Kernel panic - not syncing: Fatal exception in i...
no-huge       4 KiB    PTE   524288  524288  524288   4100  regression  TIMEOUT
  the workload did not end within 300 s: ok 1 testdev/BAR2/kernel

testdev BAR2, 2 GiB, placement qemu (size-aligned, at most 1 GiB)
                                                DMA  VmPTE
kernel    alignment  level  entries  faults  faults    KiB  vs base     status
base          1 GiB    PUD        2       2       2      4  (base)      PASS
vfio-thp      1 GiB    PUD        2       2       2      4  unchanged   PASS
mm-align          -      -        -       -       -      -  regression  CRASH
  the guest kernel panicked: Kernel panic - not syncing: Fatal exception in i...
no-huge           -      -        -       -       -      -  regression  TIMEOUT
  the workload did not end within 300 s: ok 1 testdev/BAR2/kernel

Cost per GiB. Times are noisy, and comparable within this run only; no verdict
rests on them.

testdev BAR2, 2 GiB, placement kernel (mmap with NULL hint)
          VmPTE            first    ratio     DMA             ratio
kernel      KiB  faults    touch  to base  faults  DMA map  to base
base       2050  262144   1.68 s           262144   1.35 s
vfio-thp      8     258  2.00 ms    1/838     258  1.95 ms    1/695
mm-align      -       -        -        -       -        -        -
no-huge    2050  262144   1.68 s     1.00  262144   1.35 s     1.00

testdev BAR2, 2 GiB, placement qemu (size-aligned, at most 1 GiB)
          VmPTE            first    ratio     DMA             ratio
kernel      KiB  faults    touch  to base  faults  DMA map  to base
base          2       1  1.47 ms                1  1.21 ms
vfio-thp      2       1  1.47 ms     1.00       1  1.21 ms     1.00
mm-align      -       -        -        -       -        -        -
no-huge       -       -        -        -       -        -        -

Not as expected:

FAIL     vfio-thp: alignment/testdev/BAR2/kernel/oracle
         entries: measured 1 PUD + 512 PMD + 3 PTE, predicted 524288 PTE;
         faults: measured 516, predicted 524288; dma_faults: measured 516,
         predicted 524288; vmpte: measured 16 KiB, predicted 4 MiB to 4116 KiB
         see boots/vfio-thp/alignment/measurements.jsonl:3

FAIL     vfio-thp: alignment/testdev/BAR2/kernel/alignment
         expected at least 2 MiB, measured 1 MiB
         see boots/vfio-thp/alignment/measurements.jsonl:2

FAIL     vfio-thp: alignment/testdev/BAR2/kernel/level
         expected PMD, measured 1 PUD + 512 PMD + 3 PTE
         see boots/vfio-thp/alignment/measurements.jsonl:3

FAIL     vfio-thp: alignment/testdev/BAR2/kernel/entries
         expected 1024, measured 516 (1 PUD + 512 PMD + 3 PTE)
         see boots/vfio-thp/alignment/measurements.jsonl:3

FAIL     vfio-thp: alignment/testdev/BAR2/kernel/faults
         expected 1024 to 1032, measured 516
         see boots/vfio-thp/alignment/measurements.jsonl:6

CRASH    mm-align: alignment/testdev/boot
         the guest kernel panicked: Kernel panic - not syncing: Fatal exception
         in interrupt
         see boots/mm-align/alignment/console.log:812

TIMEOUT  no-huge: alignment/testdev/boot and 5 more of this boot
         the workload did not end within 300 s: ok 1 testdev/BAR2/kernel
         see boots/no-huge/alignment/console.log:640

39 cases: 27 pass, 5 fail, 6 timeout, 1 crash
results/pud-20260617-193406
"""

KILLED = """\
pud: Where does each kernel place the mmap of a 2 GiB BAR?
accelerator tcg, host local, 2026-06-17T19:34:06Z
INTERRUPTED: 2 of 6 jobs did not end; what follows is what the others left

testdev BAR2, 2 GiB, placement kernel (mmap with NULL hint)
                                                DMA  VmPTE
kernel    alignment  level  entries  faults  faults    KiB  vs base     status
base          4 KiB    PTE   524288  524288  524288   4100  (base)      PASS
vfio-thp          -      -        -       -       -      -  incomplete  -
  interrupted before it ended
mm-align          -      -        -       -       -      -  incomplete  -
  not run

testdev BAR2, 2 GiB, placement qemu (size-aligned, at most 1 GiB)
                                                DMA  VmPTE
kernel    alignment  level  entries  faults  faults    KiB  vs base     status
base          1 GiB    PUD        2       2       2      4  (base)      PASS
vfio-thp          -      -        -       -       -      -  incomplete  -
  interrupted before it ended
mm-align          -      -        -       -       -      -  incomplete  -
  not run

Cost per GiB. Times are noisy, and comparable within this run only; no verdict
rests on them.

testdev BAR2, 2 GiB, placement kernel (mmap with NULL hint)
          VmPTE           first    ratio     DMA             ratio
kernel      KiB  faults   touch  to base  faults  DMA map  to base
base       2050  262144  1.68 s           262144   1.35 s
vfio-thp      -       -       -        -       -        -        -
mm-align      -       -       -        -       -        -        -

testdev BAR2, 2 GiB, placement qemu (size-aligned, at most 1 GiB)
          VmPTE            first    ratio     DMA             ratio
kernel      KiB  faults    touch  to base  faults  DMA map  to base
base          2       1  1.47 ms                1  1.21 ms
vfio-thp      -       -        -        -       -        -        -
mm-align      -       -        -        -       -        -        -

13 cases: 13 pass; 2 of 6 jobs did not end
results/pud-20260617-193406
"""


STAGE2 = """\
testdev BAR2, 2 GiB, test stage2.kernel
                                         stage 2 stage 2   vCPU
kernel    alignment level entries faults   level entries faults vs base status
base          1 GiB   PUD       2      2     PTE  524288 524288 (base)  PASS
vfio-size     1 GiB   PUD       2      2   mixed     514    514 fix     PASS
  stage 2: 1 PUD + 512 PMD + 1 PTE
"""


def text_of(run: Run, width: int = 80) -> str:
    """Return the report of a run, without colour."""
    return render(compare(run), width)


def test_a_run_as_expected() -> None:
    assert text_of(pud_run()) == AS_EXPECTED


def test_mixed_levels_a_crash_and_a_timeout() -> None:
    assert text_of(broken_run()) == BROKEN


def test_a_killed_run() -> None:
    assert text_of(killed_run()) == KILLED


def long_names(values: dict[str, int]) -> Run:
    """Return a run of five kernels with names of 20 characters.

    They mapped as in `values` or mixed, and one of them was not built.
    """
    names = [f"{name:x<20}" for name in ("debian", "vfio-thp", "vfio-size", "mm-align", "no-huge")]
    placed = zip(names[:4], (values, PMD, MIXED, values), strict=True)
    boots = (booted(kernel(name, ALL_PTE, ALL_PMD), told(name, {"kernel": what})) for name, what in placed)
    run = run_of(*boots, names=tuple(names))
    error = "mm/huge_memory.c:812:9: error: implicit declaration of function 'get_unmapped_area_any_file_aligned'"
    failed = Case(CaseId.of_build(names[4]), Status.FAIL, message=error, evidence="kernels/no-huge/build.log:4711")
    skipped = replace(run.job(f"boot {names[4]}/alignment"), status=JobStatus.SKIPPED, note="not built")
    return with_job(with_failed_build(run, failed), skipped)


HUGE = {name: value * 32 if name in ("entries_pte", "faults", "vmpte") else value for name, value in PTE.items()}


@pytest.mark.parametrize("run", [pud_run(), broken_run(), killed_run(), long_names(PTE), long_names(HUGE)])
def test_no_line_is_wider_than_80_columns_nor_ends_in_a_space(run: Run) -> None:
    lines = text_of(run).splitlines()
    assert max(len(line) for line in lines) <= 80
    assert not [line for line in lines if line != line.rstrip()]
    assert text_of(run).isascii()


def test_long_names_stand_in_full_and_a_failed_build_below_its_row() -> None:
    lines = text_of(long_names(HUGE)).splitlines()
    row = next(at for at, line in enumerate(lines) if line.startswith("no-huge"))
    assert lines[row].split() == ["no-hugexxxxxxxxxxxxx", *["-"] * 5, "incomplete", "FAIL"]
    assert lines[row + 1].startswith("  not built: mm/huge_memory.c:812:9: error: implicit")


@pytest.mark.parametrize("run", [pud_run(), broken_run(), killed_run()])
def test_colour_adds_nothing_but_colour(run: Run) -> None:
    coloured = render(compare(run), color=True)
    assert re.sub(r"\x1b\[\d+m", "", coloured) == text_of(run)
    assert "\x1b" not in text_of(run)


def test_a_fix_is_green_and_a_regression_red() -> None:
    coloured = render(compare(pud_run()), color=True)
    assert "\x1b[32mfix\x1b[0m" in coloured
    assert "\x1b[31mregression\x1b[0m" in coloured


def test_a_console_cannot_write_to_the_terminal() -> None:
    boot = BootReport(BootEnd.PANIC, 1.0, ("\x1b]0;owned\x07Kernel\x00 panic\x1b[2J\n\tnow",), "console.log:1")
    text = text_of(run_of(booted(kernel("base"), WorkloadOutput(), boot)))
    assert r"the guest kernel panicked: \x1b]0;owned\x07Kernel\x00" in text
    assert "\x1b" not in text


def test_a_skip_says_why_and_a_failed_program_is_listed_once_per_reason() -> None:
    verdicts = {"kernel": Verdict(Status.FAIL, "mmap: Invalid argument", "ktap.log:4")}
    skipped = {"kernel": Verdict(Status.SKIP, "no IOMMU group")}
    text = text_of(
        run_of(
            booted(kernel("base", ALL_PUD), told("base", {}, skipped)),
            booted(kernel("bad", ALL_PUD), told("bad", {}, verdicts)),
        )
    )
    assert "SKIP\n  no IOMMU group\n" in text
    assert "FAIL     bad: alignment/testdev/BAR2/kernel/run\n         mmap: Invalid argument\n" in text
    assert "FAIL     bad: alignment/testdev/BAR2/kernel/alignment and 3 more of this boot\n" in text


def test_levels_that_were_deduced_are_marked_and_explained_and_unknown_ones_say_why() -> None:
    unread = {name: value for name, value in PMD.items() if not name.startswith("entries_")}
    why = "the kernel cannot show its page tables"
    text = text_of(
        run_of(
            booted(kernel("base"), told("base", {"kernel": PTE})),
            booted(kernel("stock"), replace(told("stock", {"kernel": PMD | {"entries_deduced": 1}}), unread=why)),
            booted(kernel("other"), replace(told("other", {"kernel": unread}), unread=why)),
        )
    )
    table = text.split("placement qemu")[0].splitlines()
    rows = {line.split()[0]: line.split() for line in table if line.startswith(("base", "stock", "other"))}
    assert rows["base"][3:5] == ["PTE", "524288"]
    assert rows["stock"][3:5] == ["PMD*", "1024"]
    assert rows["other"][3:5] == ["-", "-"]
    assert (rows["other"][-2:], text.count("\n* level and entries are deduced, from")) == (["incomplete", "SKIP"], 1)
    assert f"\n  {why}, and faults and growth of the page" in text


def test_an_unexpected_pass_says_what_to_do() -> None:
    known = replace(ALL_PUD, xfail="needs mm-align")
    text = text_of(run_of(booted(kernel("base", known), told("base", {"kernel": PUD}))))
    assert "meets the expectation, but xfail says: needs mm-align; remove the xfail" in text


def test_the_heading_names_offset_and_workload_where_they_matter() -> None:
    run = run_of(booted(kernel("base"), told("base", {"offset": PUD | {"offset": 2 << 20}})))
    workloads: dict[str, dict[str, object]] = {
        "alignment": {"device": "testdev", "offset": 2 << 20},
        "other": {"device": "testdev"},
    }
    lines = text_of(replace(run, scenario=replace(run.scenario, workloads=workloads))).splitlines()
    assert "testdev BAR2, offset 2 MiB, 2 GiB, workload alignment, placement offset" in lines


def test_a_run_in_which_nothing_ended() -> None:
    text = text_of(run_of(names=("base", "variant"), status=RunStatus.INTERRUPTED))
    assert "testdev: nothing was reported\n" in text
    assert "\nno case ended; 2 of 4 jobs did not end\n" in text
    assert "Timed" not in text


def test_a_running_run_says_so() -> None:
    text = text_of(replace(killed_run(), status=RunStatus.RUNNING))
    assert "RUNNING: 2 of 6 jobs have not ended" in text


def test_contiguous_entries_have_a_column_where_they_were_counted() -> None:
    run = run_of(
        booted(kernel("arm64"), told("arm64", {"kernel": PTE | {"entries_contiguous": 16}})),
        booted(kernel("stock"), told("stock", {"kernel": PTE})),
    )
    title, *rows = text_of(run).split("\n\n")[1].splitlines()[2:]
    assert title.split()[:5] == ["kernel", "alignment", "level", "entries", "CONT"]
    assert [row.split()[5] for row in rows] == ["16", "-"]
    assert "CONT" not in text_of(pud_run())


def test_json_has_all_that_the_terminal_shows() -> None:
    data = json.loads(json.dumps(to_json(compare(broken_run()))))
    assert list(data) == ["format", "run", "counts", "blocks", "suites", "cases"]
    assert data["counts"] == {"PASS": 27, "FAIL": 5, "TIMEOUT": 6, "CRASH": 1}
    base, mixed, crashed, _ = data["blocks"][0]["rows"]
    assert (base["change"], base["measurements"]["alignment"]["value"]) == (None, 4096)
    assert mixed["changes"]["level"] == {"change": "fix", "base": "PTE", "variant": "1 PUD + 512 PMD + 3 PTE"}
    assert (crashed["status"], crashed["change"]) == ("CRASH", "regression")
    assert crashed["evidence"] == "boots/mm-align/alignment/console.log:812"
    assert len(data["cases"]) == 39


def test_json_of_a_run_without_reports_has_nulls() -> None:
    block = to_json(compare(run_of(names=("base",))))["blocks"][0]
    assert (block["bar"], block["test"], block["length"]) == (None, None, None)


@pytest.mark.parametrize(
    ("nanoseconds", "text"),
    [
        (0, "0 ns"),
        (999, "999 ns"),
        (1500, "1.50 us"),
        (2_930_000, "2.93 ms"),
        (75_200_000, "75.2 ms"),
        (3_350_000_000, "3.35 s"),
    ],
)
def test_durations_have_three_digits(nanoseconds: int, text: str) -> None:
    assert format_ns(nanoseconds) == text


@pytest.mark.parametrize(
    ("value", "base", "text"),
    [(335, 335, "1.00"), (98, 100, "0.98"), (1000, 3, "333"), (3, 1000, "1/333"), (1, 0, "-"), (0, 1, "-")],
)
def test_ratios(value: int, base: int, text: str) -> None:
    assert format_ratio(value, base) == text


def test_what_does_not_fit_is_cut_from_the_first_column_last() -> None:
    columns = (
        Column("kernel", (Cell("a-very-long-kernel-name"),), left=True),
        Column("alignment", (Cell("4 KiB"),), short="align"),
        Column("KiB", (Cell("4100"),), optional=True),
    )
    assert lay_out(columns, 80, False).rows == ("a-very-long-kernel-name      4 KiB  4100",)
    assert lay_out(columns, 34, False).rows == ("a-very-long-kernel-name 4 KiB 4100",)
    assert lay_out(columns, 29, False).rows == ("a-very-long-kernel-name 4 KiB",)
    assert lay_out(columns, 20, False).rows == ("a-very-long... 4 KiB",)


def test_fit_never_exceeds_its_width() -> None:
    assert [fit("abcdef", width) for width in (6, 5, 3, 1, 0)] == ["abcdef", "ab...", "...", ".", ""]


def test_the_table_of_stage_2_has_its_entries_and_the_faults_of_the_vcpu() -> None:
    place = {name: PUD[name] for name in ("length", "alignment", "address", "bar_address", "offset", "faults")}
    place |= {f"entries_{level}": PUD[f"entries_{level}"] for level in ("pte", "pmd", "pud")}
    ptes = place | {"stage2_pte": 524288, "stage2_pmd": 0, "stage2_pud": 0, "stage2_faults": 524288}
    mixed = place | {"stage2_pte": 1, "stage2_pmd": 512, "stage2_pud": 1, "stage2_faults": 514}
    boots = [
        booted(kernel("base"), told("base", {"stage2.kernel": ptes})),
        booted(kernel("vfio-size"), told("vfio-size", {"stage2.kernel": mixed})),
    ]
    assert STAGE2 in render(compare(run_of(*boots)), 80, color=False)
