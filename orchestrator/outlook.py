# SPDX-License-Identifier: GPL-2.0-only
"""What a run of a scenario would do now: which jobs, what is cached, what would be built, and from what."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from orchestrator.host.base import Host
from orchestrator.kernel import config, source
from orchestrator.kernel.cache import KernelCache
from orchestrator.kernel.model import Recipe
from orchestrator.kernel.recipe import compose, virtme_configkernel
from orchestrator.kernel.selftests import has_selftests
from orchestrator.kernel.toolchain import detect
from orchestrator.plan import boot_id, build_id, build_order
from orchestrator.scenario.model import Scenario, SelftestsWorkload, Workload


@dataclass(frozen=True)
class Step:
    """One job and what would become of it; `cached` is whether its work is done already."""

    job: str
    text: str
    cached: bool = False


def outlook(host: Host, cache: Path, scenario: Scenario) -> tuple[Step, ...]:
    """A step for every job, in the order in which they would be started.  Fetches, builds and writes nothing.

    Raises PatchError and ConfigError for what can be seen to be wrong without building.
    """
    toolchain = detect(host)
    request = config.virtme_request(host, virtme_configkernel(), toolchain.arch)
    recipes: dict[str, Recipe | None] = {}
    for kernel in scenario.kernels:
        tree = source.peek(host, cache, kernel.source)
        recipes[kernel.name] = compose(kernel, tree, request, toolchain) if tree else None
    store = KernelCache(cache)
    return (*_builds(store, recipes), *_boots(store, scenario, recipes))


def _builds(cache: KernelCache, recipes: dict[str, Recipe | None]) -> Iterator[Step]:
    known = [recipe for recipe in recipes.values() if recipe]
    awaited = {recipe.name: before for recipe, before in build_order(known)}
    for name, recipe in recipes.items():
        if recipe is None:
            yield Step(build_id(name), "fetch the source, then build")
            continue
        built = cache.lookup(recipe)
        seed = cache.seed(recipe)
        if built:
            yield Step(build_id(name), f"cached: {built.key[:12]}, Linux {built.version}", cached=True)
        elif seed:
            yield Step(build_id(name), f"build from the tree of '{seed.name}'")
        elif before := awaited[name]:
            yield Step(build_id(name), f"build from the tree of '{before.name}', once that is built")
        else:
            yield Step(build_id(name), "build from nothing")


def _boots(cache: KernelCache, scenario: Scenario, recipes: dict[str, Recipe | None]) -> Iterator[Step]:
    for kernel in scenario.kernels:
        for workload in scenario.workloads:
            first = _first(cache, workload, recipes[kernel.name])
            yield Step(boot_id(kernel.name, workload.name), f"{first}boot, at most {workload.timeout:g} s")


def _first(cache: KernelCache, workload: Workload, recipe: Recipe | None) -> str:
    """What has to be built before a workload can boot: selftests come from the kernel's own source."""
    if not isinstance(workload, SelftestsWorkload):
        return ""
    if recipe and has_selftests(cache, recipe, workload.targets):
        return "cached selftests, "
    return f"build the selftests {', '.join(workload.targets)}, "
