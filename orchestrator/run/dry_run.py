# SPDX-License-Identifier: GPL-2.0-only
"""What a run of a scenario would do now: its jobs, when they run, what is cached, and what would be built."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from orchestrator.events import Emit, ignore
from orchestrator.host.base import Host
from orchestrator.kernel.build.recipe import RemoteToolchain, Tools, compose, find_tools, fitting_patches
from orchestrator.kernel.cache.store import KernelCache
from orchestrator.kernel.config.needs import refuse_requests
from orchestrator.kernel.image.prebuilt import ImageRequest, peek_image
from orchestrator.kernel.model import AnyRecipe, Patch, Prebuilt, SourceTree
from orchestrator.kernel.source import fetch
from orchestrator.run.durations import Durations
from orchestrator.run.estimate import (
    BuildCapacity,
    BuildKind,
    BuildStart,
    Capacity,
    builds_selftests,
    forecasts,
    starts,
)
from orchestrator.run.plan import boot_id, build_id, rounds
from orchestrator.run.schedule import timetable
from orchestrator.scenario.model import Kernel, Scenario, SelftestsWorkload, Workload
from orchestrator.scenario.sources import PrebuiltSource


@dataclass(frozen=True)
class Step:
    """One job and what it would do; `cached` is whether its work is done already.

    `begins` is in seconds since the first job's start, `seconds` is how long it takes, `guessed` is whether no similar
    job was recorded yet.  `fetched` is whether its source is in the cache.  `round` is that of a boot that is repeated,
    else 0.
    """

    job: str
    text: str
    cached: bool = False
    begins: float = 0.0
    seconds: float = 0.0
    guessed: bool = False
    fetched: bool = True
    round: int = 0


def outlook(
    host: Host,
    cache: Path,
    scenario: Scenario,
    capacity: Capacity,
    away: RemoteToolchain | None = None,
    emit: Emit = ignore,
) -> tuple[Step, ...]:
    """Return a step for every job, in the order in which they would start.  Fetches, builds and writes nothing.

    `away` is the build host, None if kernels are built here.  What is chosen from mailboxes is emitted as a NOTE.
    Raises PatchError and ConfigError for mistakes that are found without a build.
    """
    tools = find_tools(host, scenario.kernels, away)
    made = {kernel.name: _recipe(host, cache, kernel, tools, emit) for kernel in scenario.kernels}
    recipes = {name: recipe for name, (recipe, _) in made.items()}
    refuse_requests(scenario, recipes.values())
    fetched = {name for name, (_, here) in made.items() if here}
    return tuple(_steps(KernelCache(cache), scenario, recipes, fetched, capacity))


def _recipe(host: Host, cache: Path, kernel: Kernel, tools: Tools, emit: Emit) -> tuple[AnyRecipe, bool]:
    """Return the recipe of `kernel`, and whether it is the real one: if not, something must be fetched to know that.

    A placeholder equals the placeholders of other kernels as far as the real recipes will be equal; it is never cached.
    """
    name = f"{kernel.source}"
    if isinstance(kernel.source, PrebuiltSource):
        found = peek_image(host, cache, ImageRequest(kernel.name, kernel.source, kernel.where, kernel.arch))
        return found or Prebuilt(kernel.name, kernel.where, name, name, Path(), kernel.arch), found is not None
    tree = fetch.peek(host, cache, kernel.source)
    here = tree is not None and all(isinstance(patch, Path) for patch in kernel.patches)
    tree = tree or SourceTree(name, name, Path())
    series = fitting_patches(host, cache, kernel, tree, emit) if here else _unread(kernel)
    return compose(kernel, tree, series, *tools[kernel.arch, kernel.compiler]), here


def _unread(kernel: Kernel) -> tuple[Patch, ...]:
    """Return a placeholder for each patch that `kernel` names, equal if the names are equal."""
    return tuple(Patch(Path(f"{number}"), f"{patch}", ()) for number, patch in enumerate(kernel.patches))


def _steps(
    store: KernelCache, scenario: Scenario, recipes: dict[str, AnyRecipe], fetched: set[str], capacity: Capacity
) -> Iterator[Step]:
    texts = dict(_texts(store, scenario, recipes, fetched, capacity))
    known = forecasts(scenario, recipes.values(), store, Durations(store.root / "durations"), capacity)
    for slot in timetable((forecast.task for forecast in known.values()), capacity.limits):
        job = slot.task.id
        text, cached, here = texts[job]
        yield Step(job, text, cached, slot.begins, slot.task.seconds, known[job].guessed, here, slot.task.round)


def _texts(
    store: KernelCache, scenario: Scenario, recipes: dict[str, AnyRecipe], fetched: set[str], capacity: Capacity
) -> Iterator[tuple[str, tuple[str, bool, bool]]]:
    """Yield each job's id with what it would do, whether it is done already, and whether its source is cached."""
    for name, start in starts(store, recipes.values(), seeded=capacity.away is None).items():
        here = name in fetched
        text = _of_build(start, capacity.away) if here else f"fetch the {_fetched(start, capacity.away)}"
        yield build_id(name), (text, start.kind is BuildKind.CACHED, here)
        for workload in scenario.workloads:
            for number in rounds(scenario):
                which = f"boot {number} of {scenario.repeat}" if number else "boot"
                text = f"{_first(store, workload, recipes[name])}{which}, at most {workload.timeout:g} s"
                yield boot_id(name, workload.name, number), (text, False, here)


def _of_build(start: BuildStart, away: BuildCapacity | None) -> str:
    if start.build:
        return f"cached: {start.build.key[:12]}, Linux {start.build.version}"
    if start.kind is BuildKind.PREBUILT:
        return "take the kernel as it was built"
    where = f" on {away.host}" if away else ""
    if not start.origin:
        return f"build{where}" if away else "build from nothing"
    return f"build{where} from the tree of '{start.origin}'" + (", once that is built" if start.awaits else "")


def _fetched(start: BuildStart, away: BuildCapacity | None) -> str:
    """Return what is fetched for a build, and what follows."""
    return "kernel" if start.kind is BuildKind.PREBUILT else f"source, then {_of_build(start, away)}"


def _first(cache: KernelCache, workload: Workload, recipe: AnyRecipe) -> str:
    """Return what must be built before a workload can boot: selftests are built from the kernel's source."""
    if not isinstance(workload, SelftestsWorkload):
        return ""
    if builds_selftests(cache, recipe, workload):
        return f"build the selftests {', '.join(workload.targets)}, "
    return "cached selftests, "
