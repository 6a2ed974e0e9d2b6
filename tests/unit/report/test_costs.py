# SPDX-License-Identifier: GPL-2.0-only
"""The table of costs per GiB."""

from __future__ import annotations

from dataclasses import replace

import pytest

from orchestrator.report.costs import cost_table
from orchestrator.result.compare.alignment import compare
from orchestrator.result.compare.cost import LEAST
from tests.unit.result.test_samples import pud_run

TABLE = """\
testdev BAR2, 2 GiB, placement kernel (mmap with NULL hint)
           VmPTE            first    ratio     DMA             ratio
kernel       KiB  faults    touch  to base  faults  DMA map  to base
base        2050  262144   1.68 s           262144   1.35 s
vfio-thp       2     512  3.76 ms    1/445     512  3.05 ms    1/444
vfio-size      2       1  1.47 ms   1/1143       1  1.21 ms   1/1124
mm-align       2       1  1.47 ms   1/1143       1  1.21 ms   1/1124
no-huge     2050  262144   1.68 s     1.00  262144   1.35 s     1.00"""


def test_costs_are_for_each_gib() -> None:
    run = pud_run()
    assert "\n".join(cost_table(run, compare(run).blocks[0], 80, False)) == TABLE


@pytest.mark.parametrize("width", [60, 70, 100])
def test_it_fits_the_width(width: int) -> None:
    run = pud_run()
    assert max(len(line) for line in cost_table(run, compare(run).blocks[0], width, False)) <= width


@pytest.mark.parametrize("length", [None, 4096, LEAST - 4096])
def test_a_small_mapping_says_nothing_of_a_gib(length: int | None) -> None:
    run = pud_run()
    assert cost_table(run, replace(compare(run).blocks[0], length=length), 80, False) == []
