# SPDX-License-Identifier: GPL-2.0-only
"""Costs per GiB of a mapping."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from orchestrator.result.compare.cost import COSTS, GIB, per_gib
from orchestrator.workload.model import Measurement


def values(**numbers: int) -> dict[str, Measurement]:
    return {
        name: Measurement("base", "alignment", "testdev", 2, "kernel", name, value, "", True)
        for name, value in numbers.items()
    }


def test_the_numbers_of_the_thread() -> None:
    """2 GiB of PTEs: 524,288 faults and 4 MiB of page tables."""
    costs = per_gib(values(length=2 * GIB, faults=524288, vmpte=4 << 20, alignment=4096))
    assert costs == {"faults": 262144, "vmpte": 2 << 20}


def test_without_a_length_there_is_no_cost() -> None:
    assert per_gib(values(faults=1)) == {}
    assert per_gib(values(faults=1, length=0)) == {}


@given(length=st.integers(4096, 1 << 40), factor=st.integers(1, 64), cost=st.integers(0, 1 << 40))
def test_the_size_of_the_bar_does_not_matter(length: int, factor: int, cost: int) -> None:
    for name in COSTS:
        one = per_gib(values(length=length, **{name: cost}))[name]
        many = per_gib(values(length=length * factor, **{name: cost * factor}))[name]
        assert abs(one - many) <= 1e-9 * max(one, 1)
