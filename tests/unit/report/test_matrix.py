# SPDX-License-Identifier: GPL-2.0-only
"""Tests that do not measure one mapping: a line per test, a column per kernel."""

from __future__ import annotations

from dataclasses import replace

import pytest

from orchestrator.report.facts import facts
from orchestrator.report.terminal import render
from orchestrator.result.compare.alignment import compare
from orchestrator.result.judge.alignment import judge
from orchestrator.result.model import Status, Verdict, WorkloadOutput
from orchestrator.result.run import BootResult, Run
from orchestrator.scenario.model import Expectation, Level, TestGroup
from orchestrator.workload.model import Measurement
from tests.unit.result.test_samples import GOOD, WORKLOAD, kernel, run_of

FURTHER = replace(WORKLOAD, tests=(TestGroup.REPEAT, TestGroup.RANDOM, TestGroup.SUB_PAGE))
LACKS = Verdict(Status.SKIP, "a page or more")
RANDOM = {"ranges": 100, "long_pmd": 60, "congruent_pmd": 60, "long_pud": 10, "congruent_pud": 10, "seed": 1}

TABLE = """\
testdev BAR2, further tests of workload alignment
test             base  vfio-size
repeat.topdown   PTE   PUD
repeat.bottomup  PTE   FAIL
random           PTE   PUD
sub-page         SKIP  SKIP
SKIP  a page or more (sub-page)
"""


def boot(name: str, level: Level, repeat: int, bottomup: int, congruent: int) -> BootResult:
    """Return a boot with these least alignments and numbers of congruent ranges."""
    numbers = {
        "repeat.topdown": {"mmaps": 200, "alignment": repeat, "length": 2 << 30, "offset": 0},
        "repeat.bottomup": {"mmaps": 200, "alignment": bottomup, "length": 2 << 30, "offset": 0},
        "random": RANDOM | ({} if congruent else {"congruent_pmd": 0, "congruent_pud": 0}),
    }
    measurements = tuple(
        Measurement(name, "alignment", "testdev", 2, test, key, value, "", True, "m:1")
        for test, values in numbers.items()
        for key, value in values.items()
    )
    program = {(2, test): Verdict(Status.PASS, evidence="k:1") for test in numbers} | {(2, "sub-page"): LACKS}
    output = WorkloadOutput(measurements, program, "m")
    what = kernel(name, Expectation(level=level))
    return BootResult(name, "alignment", "testdev", GOOD, judge(what, FURTHER, GOOD, output), measurements)


def run() -> Run:
    return run_of(boot("base", Level.PTE, 4096, 4096, 0), boot("vfio-size", Level.PUD, 1 << 30, 2 << 20, 1))


def test_a_line_per_test_and_a_column_per_kernel() -> None:
    assert TABLE in render(compare(run()))


def test_what_is_not_as_expected_says_the_level_that_was_found() -> None:
    text = render(compare(run()))
    assert "FAIL     vfio-size: alignment/testdev/BAR2/repeat.bottomup/level" in text
    assert "expected PUD, measured PMD (least alignment of 200 mmaps: 2 MiB)" in text


@pytest.mark.parametrize(
    ("numbers", "words"),
    [
        ({"map_error": 14}, "EFAULT"),
        ({"stage2_pte": 0, "stage2_pmd": 1024, "stage2_pud": 0, "stage2_faults": 1024}, "PMD"),
        ({"stage2_pte": 3, "stage2_pmd": 0, "stage2_pud": 1}, "1 PUD + 3 PTE"),
        ({"dma_faults": 2, "iommu_1g": 2, "iommu_4k": 0, "dma_time": 2_094_372}, "2 faults, 2x1G, 2.09 ms"),
        ({"map_faults": 1, "iommu_2m": 1, "iommu_4k": 3}, "1 fault, 1x2M+3x4K"),
        ({"mmap_offered": 1, "shared_page": 0}, "mmap"),
        ({"mmap_offered": 0, "shared_page": 1}, "no mmap, shares its page"),
        ({"seed": 1, "test_time": 5}, ""),
    ],
)
def test_facts_of_a_dma_map(numbers: dict[str, int], words: str) -> None:
    values = {name: Measurement("k", "w", "d", 2, "t", name, value, "", True) for name, value in numbers.items()}
    assert facts(values) == words


def test_many_kernels_stand_in_several_tables_within_the_width() -> None:
    names = [f"a-kernel-of-many-words-{number}" for number in range(7)]
    many = run_of(*(boot(name, Level.PTE, 4096, 4096, 0) for name in names))
    lines = render(compare(many)).splitlines()
    assert max(len(line) for line in lines) <= 80
    heads = [line for line in lines if line.startswith("test ")]
    assert len(heads) > 1
    assert [name for line in heads for name in line.split()[1:]] == names
