# SPDX-License-Identifier: GPL-2.0-only
"""What each job of a scenario has to do, takes and needs, as far as the cache tells now: for a run and a dry run.

Builds and boots share the machine so: make runs with a job per core, but gives way to guests (`host.niced`); a guest
has the cores that it keeps busy to itself.  Whatever is ready to boot thus boots beside the builds, soon and
undisturbed, and no core idles.  A build that compiles most of a kernel uses all cores and would only delay another like
it: one at a time, so that the kernel of the first boots while the second builds.  That of a variant is for the most
part a clone, a walk of make over all files and a link, each on one core: as many at once as there are cores.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path

from orchestrator.kernel.build.selftests import has_selftests
from orchestrator.kernel.cache.store import KernelCache
from orchestrator.kernel.model import AnyRecipe, KernelBuild, Recipe
from orchestrator.run.durations import Durations
from orchestrator.run.plan import boot_id, build_id, build_order
from orchestrator.run.schedule import Resources, Task
from orchestrator.scenario.devices import PassthroughDevice
from orchestrator.scenario.model import AlignmentWorkload, Machine, Scenario, SelftestsWorkload, Workload

GUEST_OVERHEAD_BYTES = 512 << 20
"""What QEMU needs beside a guest's memory: its code, and the code that TCG makes of the guest's."""
MAKE_BYTES, LINK_BYTES = 256 << 20, 1 << 30
"""What a build needs: for each compiler that runs at once, and for the link of vmlinux."""

SELFTESTS_SECONDS = 60.0
BOOT_SECONDS, SHARE_OF_TIMEOUT = 10.0, 0.05
"""The guess for a boot: this share of its timeout, or so many seconds where that is less."""


class BuildKind(StrEnum):
    """How a kernel's artifact comes about."""

    CACHED = "cached"
    PREBUILT = "prebuilt"
    """Somebody else built it: it only has to be taken over."""
    VARIANT = "variant"
    """From a built tree of the same configuration."""
    CONFIGURED = "configured"
    """From a built tree of another configuration."""
    WHOLE = "whole"
    """From nothing."""


GUESSES = {
    BuildKind.CACHED: 0.0,
    BuildKind.PREBUILT: 5.0,
    BuildKind.VARIANT: 15.0,
    BuildKind.CONFIGURED: 150.0,
    BuildKind.WHOLE: 300.0,
}
"""Seconds, where nothing was recorded: 7.3 with the configuration of pud.yaml, on 2 cores."""


@dataclass(frozen=True)
class BuildStart:
    """Where a build starts: from the tree of kernel `origin` ("" for none), once that is built if it `awaits` it.

    `build` is the artifact where it is cached.
    """

    way: BuildKind
    origin: str = ""
    awaits: bool = False
    build: KernelBuild | None = None


@dataclass(frozen=True)
class BuildCapacity:
    """Who compiles: `jobs` is how many CPUs that fills, `host` the name of the build host, "" for this machine."""

    jobs: int
    host: str = ""


@dataclass(frozen=True)
class Capacity:
    """What the machine has for a run: `jobs` is how many of its CPUs may be filled, `memory` in bytes.

    `elsewhere` is how many CPUs guests may fill on another host, `boot_host`; None if they boot here.  `away` is who
    compiles; None if that is this machine.
    """

    jobs: int
    memory: int
    elsewhere: int | None = None
    away: BuildCapacity | None = None
    boot_host: str = ""

    @property
    def makers(self) -> BuildCapacity:
        """Who compiles."""
        return self.away or BuildCapacity(self.jobs)

    @property
    def limits(self) -> Resources:
        """What all jobs together may take."""
        return Resources(self.jobs if self.elsewhere is None else self.elsewhere, self.makers.jobs, self.memory)


@dataclass(frozen=True)
class Forecast:
    """One job, and the names under which its duration is recorded; `guessed` where there is no record yet."""

    task: Task
    names: tuple[str, ...]
    guessed: bool


def capacity_now(jobs: int) -> Capacity:
    """This machine as it is now: with the memory that the kernel says can be had without swapping."""
    try:
        told = re.search(r"^MemAvailable: *(\d+) kB$", Path("/proc/meminfo").read_text(), re.MULTILINE)
    except OSError:
        told = None
    whole = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return Capacity(jobs, int(told[1]) << 10 if told else whole)


def starts(cache: KernelCache, recipes: Iterable[AnyRecipe], *, seeded: bool = True) -> dict[str, BuildStart]:
    """Where the build of each of `recipes` starts, by the kernel's name.

    Without `seeded` the trees of this machine's cache do not count: another host builds, and nobody asks it for its own
    before it does.
    """
    made = tuple(recipes)
    awaited = {recipe.name: before for recipe, before in build_order(r for r in made if isinstance(r, Recipe))}
    return {recipe.name: start_of(cache, recipe, awaited.get(recipe.name), seeded=seeded) for recipe in made}


def start_of(
    cache: KernelCache, recipe: AnyRecipe, awaited: Recipe | None = None, *, seeded: bool = True
) -> BuildStart:
    """Where the build of `recipe` starts: from a tree that the cache has, or from that of `awaited` once it is built.

    To wait is of no use where a tree of the same configuration is there already, or where the awaited build is: its
    tree, if it left one, is in the cache.
    """
    built = cache.lookup(recipe) if isinstance(recipe, Recipe) else cache.artifact(recipe.name, recipe.key)
    if built:
        return BuildStart(BuildKind.CACHED, build=built)
    if not isinstance(recipe, Recipe):
        return BuildStart(BuildKind.PREBUILT)
    seed = cache.seed(recipe) if seeded else None
    if awaited and not cache.lookup(awaited) and not (seed and seed.request == recipe.request):
        return BuildStart(
            BuildKind.VARIANT if awaited.request == recipe.request else BuildKind.CONFIGURED, awaited.name, awaits=True
        )
    if seed is None:
        return BuildStart(BuildKind.WHOLE)
    return BuildStart(BuildKind.VARIANT if seed.request == recipe.request else BuildKind.CONFIGURED, seed.name)


def forecasts(
    scenario: Scenario, recipes: Iterable[AnyRecipe], cache: KernelCache, durations: Durations, capacity: Capacity
) -> dict[str, Forecast]:
    """A forecast for every job of `scenario`, by its id; `recipes` has one recipe for each of its kernels."""
    made = {recipe.name: recipe for recipe in recipes}
    begun = starts(cache, made.values(), seeded=capacity.away is None)
    builds = (_build(made[name], start, durations, capacity) for name, start in begun.items())
    return {forecast.task.id: forecast for forecast in (*builds, *_boots(scenario, made, cache, durations, capacity))}


def _build(recipe: AnyRecipe, start: BuildStart, durations: Durations, capacity: Capacity) -> Forecast:
    names = build_names(recipe, start.way, capacity.makers) if start.way is not BuildKind.CACHED else ()
    known = durations.recall(names)
    seconds = GUESSES[start.way] if known is None else known
    after = (build_id(start.origin),) if start.awaits else ()
    task = Task(build_id(recipe.name), seconds, _build_needs(start.way, capacity.makers), after)
    return Forecast(task, names, guessed=known is None and start.way is not BuildKind.CACHED)


def _build_needs(way: BuildKind, makers: BuildCapacity) -> Resources:
    """Nothing for what is there or only has to be fetched: that works beside anything."""
    if way in (BuildKind.CACHED, BuildKind.PREBUILT):
        return Resources()
    makes = 1 if way is BuildKind.VARIANT else makers.jobs
    return Resources(makes=makes, memory=0 if makers.host else LINK_BYTES + makers.jobs * MAKE_BYTES)


def _boots(
    scenario: Scenario, recipes: Mapping[str, AnyRecipe], cache: KernelCache, durations: Durations, capacity: Capacity
) -> Iterator[Forecast]:
    needs = _boot_needs(scenario, capacity)
    for kernel in scenario.kernels:
        for workload in scenario.workloads:
            recipe = recipes[kernel.name]
            compiles = builds_selftests(cache, recipe, workload)
            names = boot_names(scenario, recipe, workload, compiles=compiles, boot_host=capacity.boot_host)
            known = durations.recall(names)
            seconds = _guess(workload, compiles=compiles) if known is None else known
            task = Task(boot_id(kernel.name, workload.name), seconds, needs, (build_id(kernel.name),))
            yield Forecast(task, names, guessed=known is None)


def _boot_needs(scenario: Scenario, capacity: Capacity) -> Resources:
    """A function of the host is in one guest at a time, which then has all cores."""
    lends = any(isinstance(device, PassthroughDevice) for device in scenario.devices)
    cores = capacity.limits.cores if lends else scenario.machine.cpus
    memory = scenario.machine.memory + GUEST_OVERHEAD_BYTES
    return Resources(cores=cores, memory=memory if capacity.elsewhere is None else 0)


def guests_at_once(machine: Machine, cores: int, memory: int) -> int:
    """How many CPUs the guests fill that fit into `cores` and `memory`, in bytes, of a host; at least those of one."""
    fit = memory // (machine.memory + GUEST_OVERHEAD_BYTES)
    return max(min(cores, fit * machine.cpus), machine.cpus)


def _guess(workload: Workload, *, compiles: bool) -> float:
    boot = min(workload.timeout, max(BOOT_SECONDS, SHARE_OF_TIMEOUT * workload.timeout))
    return boot + (SELFTESTS_SECONDS if compiles else 0.0)


def builds_selftests(cache: KernelCache, recipe: AnyRecipe, workload: Workload) -> bool:
    """Whether the selftests of `workload` have to be built first: they come from the kernel's own source."""
    if not isinstance(workload, SelftestsWorkload):
        return False
    return not (isinstance(recipe, Recipe) and has_selftests(cache, recipe, workload.targets))


def build_names(recipe: AnyRecipe, way: BuildKind, makers: BuildCapacity) -> tuple[str, ...]:
    """The names of a build in the record: by source, configuration and compiler, then by its way alone."""
    alike = f"build, {way}, {_arch(recipe)}, {makers.jobs} jobs" + (f" on {makers.host}" if makers.host else "")
    if not isinstance(recipe, Recipe):
        return (f"{alike}, {recipe.id}", alike)
    request = hashlib.sha256(recipe.request.encode()).hexdigest()[:16]
    source = recipe.source.origin or recipe.source.id
    return (f"{alike}, {source}, {recipe.toolchain.compiler}, request {request}", alike)


def boot_names(
    scenario: Scenario, recipe: AnyRecipe, workload: Workload, *, compiles: bool, boot_host: str = ""
) -> tuple[str, ...]:
    """The names of a boot in the record: by kernel, workload and machine, then by workload and machine alone; on the
    host `boot_host`, "" for this machine."""
    what = replace(workload, where="")
    if isinstance(what, AlignmentWorkload):
        what = replace(what, seed=None)
    alike = f"boot, {what}, {scenario.machine}, {_arch(recipe)}" + (", selftests to build" if compiles else "")
    alike += f", on {boot_host}" if boot_host else ""
    return (f"{alike}, {recipe.key}", alike)


def _arch(recipe: AnyRecipe) -> str:
    return recipe.toolchain.arch if isinstance(recipe, Recipe) else recipe.arch
