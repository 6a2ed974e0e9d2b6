# SPDX-License-Identifier: GPL-2.0-only
"""The tests of the `alignment` program, and what is known before they run.

The program has the same list (guest/tests.c) and prints it with ``--list``; a unit test compares the two.
"""

from __future__ import annotations

from orchestrator.scenario.model import AlignmentWorkload, MeasuringWorkload, Placement, TestGroup

_HELPFUL = tuple(placement for placement in Placement if placement is not Placement.MISALIGNED)
"""The placements with which sub-ranges are tested: all except the negative control."""

_DMA_MODES = ("type1", "type1v2", "compat-type1", "compat-type1v2", "iommufd")
_DMA_WHATS = ("full", "page", "pmd", "misaligned", "read-only", "slice")
_LIFE_WHATS = (
    "flags",
    "munmap",
    "mprotect",
    "madvise",
    "mremap",
    "mremap-part",
    "fork",
    "threads",
    "memory-disable",
    "memory-race",
    "reset",
    "close",
    "dma",
)
"""Each runs with entries of the largest level that fits, with PMD entries, and with PTEs."""

STAGE2_TESTS = "stage2."
"""The beginning of the name of each test of the group stage2."""

VMM_TEST = "vmm"
"""The test of a VMM: how it maps the BAR, after its guest has read all of it."""

_FIXED: dict[TestGroup, tuple[str, ...]] = {
    TestGroup.REPEAT: ("repeat.topdown", "repeat.bottomup"),
    TestGroup.RANDOM: ("random",),
    TestGroup.SUB_PAGE: ("sub-page",),
    TestGroup.DMA: (
        *(f"dma.{mode}.{what}" for mode in _DMA_MODES for what in _DMA_WHATS),
        *(f"dma.dma-buf.{what}" for what in ("export", "map", "disable", "close")),
    ),
    TestGroup.LIFE: tuple(f"life.{what}{level}" for what in _LIFE_WHATS for level in ("", "-pmd", "-pte")),
    TestGroup.SPLIT: ("split.munmap", "split.mprotect", "split.mremap", "split.fork"),
    TestGroup.STAGE2: tuple(
        f"{STAGE2_TESTS}{what}"
        for what in (
            "gpa-pmd",
            "gpa-page",
            "dirty-log",
            "read-only",
            "memory-disable",
            "memory-race",
            "close",
            "content",
            "content-pmd",
            "content-pte",
        )
    ),
}
"""The tests of the groups that do not depend on placements."""


def tests_of(workload: MeasuringWorkload) -> tuple[str, ...]:
    """Return the tests that the program runs on every BAR, in its order."""
    if not isinstance(workload, AlignmentWorkload):
        return (VMM_TEST,)
    chosen = [group for group in TestGroup if group in workload.tests]
    return tuple(name for group in chosen for name in _names(group, workload.placements))


def placement_of(test: str) -> Placement | None:
    """Return the placement of `test`, which selects the expectation that applies.

    Returns None if it tests no placement.
    """
    if test == "random" or test.startswith("repeat."):
        return Placement.KERNEL
    if test.startswith("dma."):
        return None
    last = test.rpartition(".")[2]
    return Placement(last) if last in tuple(Placement) else None


def measures_mapping(test: str) -> bool:
    """Return whether `test` measures the placement and mapping of one range.

    The report has a separate table for such a test.
    """
    if test.startswith(STAGE2_TESTS):
        return placement_of(test) is not None
    return test in (*Placement, VMM_TEST) or test.startswith(("before.", "after."))


def reads_stage2(test: str) -> bool:
    """Return whether `test` counts the entries of stage 2."""
    return test == VMM_TEST or test.startswith(STAGE2_TESTS)


def reads_entries(test: str) -> bool:
    """Return whether `test` reads the entries of one mapping, if the kernel can show them."""
    return not test.startswith(STAGE2_TESTS) and (measures_mapping(test) or test.startswith("content."))


def _names(group: TestGroup, placements: tuple[Placement, ...]) -> tuple[str, ...]:
    ordered = [placement for placement in Placement if placement in placements]
    if group is TestGroup.MAP:
        return tuple(placement.value for placement in ordered)
    if group is TestGroup.CONTENT:
        return tuple(f"content.{placement}" for placement in ordered)
    if group is TestGroup.RANGES:
        parts = ("before", "after")
        return tuple(f"{part}.{placement}" for part in parts for placement in ordered if placement in _HELPFUL)
    if group is TestGroup.STAGE2:
        return (*(f"{STAGE2_TESTS}{placement}" for placement in ordered), *_FIXED[group])
    return _FIXED[group]
