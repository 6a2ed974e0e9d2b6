# SPDX-License-Identifier: GPL-2.0-only
"""The names of the guest program's tests: the same here and in the program."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from orchestrator.scenario.model import AlignmentWorkload, Placement, TestGroup
from orchestrator.workload.alignment import tests


def listed(alignment: Path, workload: AlignmentWorkload) -> tuple[str, ...]:
    """Return the tests that the program lists."""
    argv = [str(alignment), "--list"]
    argv += [word for group in workload.tests for word in ("--test", group.value)]
    argv += [word for placement in workload.placements for word in ("--placement", placement.value)]
    return tuple(subprocess.run(argv, check=True, capture_output=True, text=True).stdout.split())


@pytest.mark.parametrize("group", TestGroup)
def test_the_program_has_the_tests_that_are_expected_of_it(alignment: Path, group: TestGroup) -> None:
    workload = AlignmentWorkload("a", "dev", tests=(group,), placements=tuple(Placement))
    assert listed(alignment, workload) == tests.tests_of(workload) != ()


@pytest.mark.parametrize("placement", Placement)
def test_placements_choose_among_the_tests_that_go_by_them(alignment: Path, placement: Placement) -> None:
    workload = AlignmentWorkload("a", "dev", tests=tuple(TestGroup)[::-1], placements=(placement,))
    assert listed(alignment, workload) == tests.tests_of(workload)


def test_names_are_unique() -> None:
    names = tests.tests_of(AlignmentWorkload("a", "dev", tests=tuple(TestGroup)))
    assert len(set(names)) == len(names)


def test_an_expectation_of_the_kernels_placement_holds_for_every_test_of_it() -> None:
    names = tests.tests_of(AlignmentWorkload("a", "dev", tests=tuple(TestGroup)))
    kernel = {name for name in names if tests.placement_of(name) is Placement.KERNEL}
    assert kernel >= {"kernel", "repeat.topdown", "repeat.bottomup", "random", "before.kernel", "after.kernel"}
    assert tests.placement_of("life.munmap") is None


def test_ranges_have_tables_of_their_own() -> None:
    assert tests.measures_mapping("misaligned")
    assert tests.measures_mapping("after.qemu")
    assert not tests.measures_mapping("content.kernel")
    assert not tests.measures_mapping("random")
