# SPDX-License-Identifier: GPL-2.0-only
"""From a scenario to its jobs.  Pure: nothing is fetched, built or booted to know what a run will do."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from orchestrator.kernel.model import Recipe
from orchestrator.result.record import Job, JobKind
from orchestrator.scenario.model import AlignmentWorkload, Scenario, Workload


def build_id(kernel: str) -> str:
    """The id of the job that builds `kernel`."""
    return f"build/{kernel}"


def boot_id(kernel: str, workload: str) -> str:
    """The id of the job that boots `kernel` and runs `workload`."""
    return f"boot/{kernel}/{workload}"


def jobs(scenario: Scenario) -> tuple[Job, ...]:
    """Every job of the scenario: a build per kernel, then a boot per kernel and workload, the base's first."""
    builds = (Job(build_id(kernel.name), JobKind.BUILD, kernel.name) for kernel in scenario.kernels)
    boots = (
        Job(boot_id(kernel.name, workload.name), JobKind.BOOT, kernel.name, workload.name)
        for kernel in scenario.kernels
        for workload in scenario.workloads
    )
    return (*builds, *boots)


def seeded(scenario: Scenario, seed: int) -> Scenario:
    """`scenario` with `seed` for every workload that names none, so that all kernels of a run meet the same luck."""
    return replace(scenario, workloads=tuple(_seeded(workload, seed) for workload in scenario.workloads))


def _seeded(workload: Workload, seed: int) -> Workload:
    if isinstance(workload, AlignmentWorkload) and workload.seed is None:
        return replace(workload, seed=seed)
    return workload


def leaders(recipes: Iterable[Recipe]) -> Iterator[Recipe]:
    """The recipes to build first, one of each source and toolchain: the others start from their built trees.

    The one with the fewest patches leads, for its tree serves the most others.
    """
    families: dict[object, Recipe] = {}
    for recipe in recipes:
        family = (recipe.source.id, recipe.toolchain)
        best = families.setdefault(family, recipe)
        if len(recipe.patches) < len(best.patches):
            families[family] = recipe
    yield from families.values()
