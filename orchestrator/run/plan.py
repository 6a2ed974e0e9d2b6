# SPDX-License-Identifier: GPL-2.0-only
"""From a scenario to its jobs.  Pure: nothing is fetched, built or booted for it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace

from orchestrator.errors import Problem
from orchestrator.kernel.model import Recipe
from orchestrator.result.judge.xfail import names_it
from orchestrator.result.run import Job, JobKind
from orchestrator.scenario.model import AlignmentWorkload, MeasuringWorkload, Scenario, Workload
from orchestrator.workload.alignment.tests import tests_of


def build_id(kernel: str) -> str:
    """Return the id of the job that builds `kernel`."""
    return f"build/{kernel}"


def boot_id(kernel: str, workload: str, number: int = 0) -> str:
    """Return the id of the job that boots `kernel` and runs `workload`, in round `number`; 0 if there is only one."""
    return f"boot/{kernel}/{workload}" + (f"/{number}" if number else "")


def rounds(scenario: Scenario) -> range:
    """Return the numbers of the rounds: 1 to N if each kernel is booted N times, only 0 if it is booted once."""
    return range(1, scenario.repeat + 1) if scenario.repeat > 1 else range(1)


def jobs(scenario: Scenario) -> tuple[Job, ...]:
    """Return every job: a build for each kernel, then a boot for each kernel and workload, the base's first.

    If each kernel is booted several times, a whole round of boots comes before the next one.  What changes slowly on
    the machine then changes for all kernels.
    """
    builds = (Job(build_id(kernel.name), JobKind.BUILD, kernel.name) for kernel in scenario.kernels)
    boots = (
        Job(boot_id(kernel.name, workload.name, number), JobKind.BOOT, kernel.name, workload.name, round=number)
        for number in rounds(scenario)
        for kernel in scenario.kernels
        for workload in scenario.workloads
    )
    return (*builds, *boots)


def seeded(scenario: Scenario, seed: int) -> Scenario:
    """Return `scenario` with `seed` for every workload without one: all kernels get the same random choices."""
    return replace(scenario, workloads=tuple(_seeded(workload, seed) for workload in scenario.workloads))


def _seeded(workload: Workload, seed: int) -> Workload:
    if isinstance(workload, AlignmentWorkload) and workload.seed is None:
        return replace(workload, seed=seed)
    return workload


def unknown_failures(scenario: Scenario) -> tuple[Problem, ...]:
    """Return a problem for each expected failure (`xfail`) that matches no test of the scenario."""
    names = ["boot"]
    for workload in scenario.workloads:
        names.append(f"{workload.name}/boot")
        names += tests_of(workload) if isinstance(workload, MeasuringWorkload) else ()
    return tuple(
        Problem(kernel.where, f"kernel '{kernel.name}' has an xfail for '{pattern}', which no workload runs; remove it")
        for kernel in scenario.kernels
        for pattern, _ in kernel.xfail
        if not any(names_it(pattern, name) for name in names) and not _names_a_log(pattern, scenario)
    )


def _names_a_log(pattern: str, scenario: Scenario) -> bool:
    """Return whether `pattern` is ``log/TITLE``: the titles of what a guest kernel logs are not known before."""
    first, _, rest = pattern.partition("/")
    of_workload = any(names_it(first, workload.name) for workload in scenario.workloads)
    return first == "log" or (of_workload and rest.partition("/")[0] == "log")


def build_order(recipes: Iterable[Recipe]) -> tuple[tuple[Recipe, Recipe | None], ...]:
    """Return every recipe with the recipe whose build it waits for, as it starts from that built tree; None for none.

    Of all sources of one origin, with one toolchain, one is built first.  Then, for each configuration request, one
    starts from its tree, because a change of the configuration costs most; all others start from those.  The recipe
    with the fewest patches is built first, because its tree is nearest to most others.
    """
    made = tuple(recipes)
    first = _fewest_patches(made, lambda recipe: (_origin(recipe), recipe.toolchain))
    alike = _fewest_patches(made, lambda recipe: (_origin(recipe), recipe.toolchain, recipe.request))
    return tuple((recipe, _awaited(recipe, first(recipe), alike(recipe))) for recipe in made)


def _origin(recipe: Recipe) -> str:
    return recipe.source.origin or recipe.source.id


def _awaited(recipe: Recipe, first: Recipe, alike: Recipe) -> Recipe | None:
    """Return whose tree `recipe` starts from; None if that has patches which `recipe` does not begin with."""
    awaited = first if recipe is alike else alike
    return None if recipe is first or not recipe.can_start_from(awaited) else awaited


def _fewest_patches(recipes: tuple[Recipe, ...], family: Callable[[Recipe], object]) -> Callable[[Recipe], Recipe]:
    """Return a function from a recipe to the one of its family with the fewest patches, the first of equals."""
    best: dict[object, Recipe] = {}
    for recipe in recipes:
        found = best.setdefault(family(recipe), recipe)
        if len(recipe.patches) < len(found.patches):
            best[family(recipe)] = recipe
    return lambda recipe: best[family(recipe)]
