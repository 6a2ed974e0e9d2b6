# SPDX-License-Identifier: GPL-2.0-only
"""What each job of a scenario does, needs and takes, as the cache is now: for a run and for a plan.

Builds and boots share the machine as follows.  make runs with a job for each core, but at a lower priority than guests
(`host.niced`); a guest has the cores that it keeps busy to itself.  So what is ready to boot boots beside the builds,
soon and undisturbed, and no core is idle.  A build that compiles most of a kernel uses all cores: only one runs at a
time, because two would delay each other, and so that the kernel of the first boots while the second builds.  The build
of a variant is mostly a clone, a walk of make over all files and a link, each on one core: as many run at once as there
are cores.
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
from orchestrator.kernel.remote.build_host import BuildHost
from orchestrator.machine.boothost.base import BootHost
from orchestrator.run.durations import Durations
from orchestrator.run.plan import boot_id, build_id, build_order, rounds
from orchestrator.run.schedule import Resources, Task
from orchestrator.scenario.devices import PassthroughDevice
from orchestrator.scenario.model import AlignmentWorkload, Machine, Scenario, SelftestsWorkload, Workload

GUEST_OVERHEAD_BYTES = 512 << 20
"""What QEMU needs in addition to a guest's memory: its own code, and the guest's code as translated by TCG."""
MAKE_BYTES, LINK_BYTES = 256 << 20, 1 << 30
"""What a build needs: for each compiler that runs at the same time, and for the link of vmlinux."""

SELFTESTS_SECONDS = 60.0
BOOT_SECONDS, SHARE_OF_TIMEOUT = 10.0, 0.05
"""The guess for a boot: this share of its timeout, but at least so many seconds, and at most the timeout."""


class BuildKind(StrEnum):
    """How a kernel's artifact is made."""

    CACHED = "cached"
    PREBUILT = "prebuilt"
    """It is built already, and only has to be copied."""
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
"""Seconds, used if nothing was recorded: of Linux 7.3 with the configuration of pud.yaml, on 2 cores."""


@dataclass(frozen=True)
class BuildStart:
    """Where a build starts: from the tree of kernel `origin` ("" for none), after its build if it `awaits` it.

    `build` is the artifact if it is cached.
    """

    kind: BuildKind
    origin: str = ""
    awaits: bool = False
    build: KernelBuild | None = None


@dataclass(frozen=True)
class BuildCapacity:
    """Where kernels are built: `jobs` is how many CPUs that fills, `host` the build host, "" for this machine."""

    jobs: int
    host: str = ""


@dataclass(frozen=True)
class Capacity:
    """What the machine has for a run: `jobs` is how many of its CPUs may be filled, `memory` is in bytes.

    `elsewhere` is how many CPUs guests may fill on another host, `boot_host`; None if they boot here.  `away` is the
    build host; None if kernels are built here.
    """

    jobs: int
    memory: int
    elsewhere: int | None = None
    away: BuildCapacity | None = None
    boot_host: str = ""

    @property
    def makers(self) -> BuildCapacity:
        """Where kernels are built."""
        return self.away or BuildCapacity(self.jobs)

    @property
    def limits(self) -> Resources:
        """What all jobs together may use."""
        return Resources(self.jobs if self.elsewhere is None else self.elsewhere, self.makers.jobs, self.memory)


@dataclass(frozen=True)
class Forecast:
    """One job, and the names under which its duration is recorded; `guessed` if there is no record yet."""

    task: Task
    names: tuple[str, ...]
    guessed: bool


def capacity_of(scenario: Scenario, jobs: int, boot_host: BootHost, build_host: BuildHost | None) -> Capacity:
    """Return what there is for a run: `jobs` of this machine's CPUs, and what the hosts have.

    Raises CommandError if the connection to a host is lost.
    """
    away = BuildCapacity(build_host.jobs, build_host.host.name) if build_host else None
    here, room = replace(capacity_now(jobs), away=away), boot_host.room()
    if room is None:
        return here
    return replace(here, elsewhere=guests_at_once(scenario.machine, *room), boot_host=boot_host.host.name)


def capacity_now(jobs: int) -> Capacity:
    """Return what this machine has now; its memory is what the kernel reports as available without swapping."""
    try:
        available = re.search(r"^MemAvailable: *(\d+) kB$", Path("/proc/meminfo").read_text(), re.MULTILINE)
    except OSError:
        available = None
    total = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return Capacity(jobs, int(available[1]) << 10 if available else total)


def starts(cache: KernelCache, recipes: Iterable[AnyRecipe], *, seeded: bool = True) -> dict[str, BuildStart]:
    """Return where the build of each of `recipes` starts, by the kernel's name.

    Without `seeded`, the trees of this machine's cache do not count: a build host has its own, which are not known
    before it builds.
    """
    made = tuple(recipes)
    awaited = {recipe.name: before for recipe, before in build_order(r for r in made if isinstance(r, Recipe))}
    return {recipe.name: start_of(cache, recipe, awaited.get(recipe.name), seeded=seeded) for recipe in made}


def start_of(
    cache: KernelCache, recipe: AnyRecipe, awaited: Recipe | None = None, *, seeded: bool = True
) -> BuildStart:
    """Return where the build of `recipe` starts: from a tree in the cache, or from that of `awaited` when it is built.

    Waiting does not help if the cache has a tree of the same configuration, or has the awaited build: the tree of that
    build, if it left one, is in the cache.
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
    """Return a forecast for every job of `scenario`, by its id; `recipes` has one recipe for each of its kernels."""
    made = {recipe.name: recipe for recipe in recipes}
    found = starts(cache, made.values(), seeded=capacity.away is None)
    builds = (_build(made[name], start, durations, capacity) for name, start in found.items())
    return {forecast.task.id: forecast for forecast in (*builds, *_boots(scenario, made, cache, durations, capacity))}


def _build(recipe: AnyRecipe, start: BuildStart, durations: Durations, capacity: Capacity) -> Forecast:
    names = build_names(recipe, start.kind, capacity.makers) if start.kind is not BuildKind.CACHED else ()
    known = durations.recall(names)
    seconds = GUESSES[start.kind] if known is None else known
    after = (build_id(start.origin),) if start.awaits else ()
    task = Task(build_id(recipe.name), seconds, _build_needs(start.kind, capacity.makers), after)
    return Forecast(task, names, guessed=known is None and start.kind is not BuildKind.CACHED)


def _build_needs(kind: BuildKind, makers: BuildCapacity) -> Resources:
    """Return what a build needs: nothing if the kernel is cached or only has to be fetched."""
    if kind in (BuildKind.CACHED, BuildKind.PREBUILT):
        return Resources()
    makes = 1 if kind is BuildKind.VARIANT else makers.jobs
    return Resources(makes=makes, memory=0 if makers.host else LINK_BYTES + makers.jobs * MAKE_BYTES)


def _boots(
    scenario: Scenario, recipes: Mapping[str, AnyRecipe], cache: KernelCache, durations: Durations, capacity: Capacity
) -> Iterator[Forecast]:
    needs = _boot_needs(scenario, capacity)
    builds = tuple(build_id(kernel.name) for kernel in scenario.kernels)
    for kernel in scenario.kernels:
        # Boots whose times are compared do not run beside a build.
        after = builds if scenario.repeat > 1 else (build_id(kernel.name),)
        for workload in scenario.workloads:
            recipe = recipes[kernel.name]
            compiles = builds_selftests(cache, recipe, workload)
            names = boot_names(scenario, recipe, workload, compiles=compiles, boot_host=capacity.boot_host)
            known = durations.recall(names)
            seconds = _guess(workload, compiles=compiles) if known is None else known
            for number in rounds(scenario):
                task = Task(boot_id(kernel.name, workload.name, number), seconds, needs, after, number)
                yield Forecast(task, names, guessed=known is None)


def _boot_needs(scenario: Scenario, capacity: Capacity) -> Resources:
    """Return what a boot needs: all cores if it has a function of the host, which one guest has at a time."""
    passthrough = any(isinstance(device, PassthroughDevice) for device in scenario.devices)
    cores = capacity.limits.cores if passthrough else scenario.machine.cpus
    memory = scenario.machine.memory + GUEST_OVERHEAD_BYTES
    return Resources(cores=cores, memory=memory if capacity.elsewhere is None else 0)


def guests_at_once(machine: Machine, cores: int, memory: int) -> int:
    """Return how many CPUs the guests fill that fit into `cores` and `memory` (bytes) of a host; at least one guest."""
    fit = memory // (machine.memory + GUEST_OVERHEAD_BYTES)
    return max(min(cores, fit * machine.cpus), machine.cpus)


def _guess(workload: Workload, *, compiles: bool) -> float:
    boot = min(workload.timeout, max(BOOT_SECONDS, SHARE_OF_TIMEOUT * workload.timeout))
    return boot + (SELFTESTS_SECONDS if compiles else 0.0)


def builds_selftests(cache: KernelCache, recipe: AnyRecipe, workload: Workload) -> bool:
    """Return whether the selftests of `workload`, which are from the kernel's source, must be built first."""
    if not isinstance(workload, SelftestsWorkload):
        return False
    return not (isinstance(recipe, Recipe) and has_selftests(cache, recipe, workload.targets))


def build_names(recipe: AnyRecipe, kind: BuildKind, makers: BuildCapacity) -> tuple[str, ...]:
    """Return the names of a build in the record: by source, configuration and compiler, then by its kind alone."""
    alike = f"build, {kind}, {_arch(recipe)}, {makers.jobs} jobs" + (f" on {makers.host}" if makers.host else "")
    if not isinstance(recipe, Recipe):
        return (f"{alike}, {recipe.id}", alike)
    request = hashlib.sha256(recipe.request.encode()).hexdigest()[:16]
    source = recipe.source.origin or recipe.source.id
    return (f"{alike}, {source}, {recipe.toolchain.compiler}, request {request}", alike)


def boot_names(
    scenario: Scenario, recipe: AnyRecipe, workload: Workload, *, compiles: bool, boot_host: str = ""
) -> tuple[str, ...]:
    """Return the names of a boot in the record: by kernel, workload and machine, then by workload and machine alone.

    `boot_host` is the host it boots on, "" for this machine.
    """
    what = replace(workload, where="")
    if isinstance(what, AlignmentWorkload):
        what = replace(what, seed=None)
    alike = f"boot, {what}, {scenario.machine}, {_arch(recipe)}" + (", selftests to build" if compiles else "")
    alike += f", on {boot_host}" if boot_host else ""
    return (f"{alike}, {recipe.key}", alike)


def _arch(recipe: AnyRecipe) -> str:
    return recipe.toolchain.arch if isinstance(recipe, Recipe) else recipe.arch
