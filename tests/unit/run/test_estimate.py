# SPDX-License-Identifier: GPL-2.0-only
"""What each job has to do, takes and needs, as far as the cache shows."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from orchestrator.kernel.cache.store import KernelCache
from orchestrator.kernel.model import AnyRecipe, Prebuilt
from orchestrator.run.durations import Durations
from orchestrator.run.estimate import (
    GUESSES,
    BuildCapacity,
    BuildKind,
    BuildStart,
    Capacity,
    Forecast,
    boot_names,
    build_names,
    capacity_now,
    forecasts,
    starts,
)
from orchestrator.run.schedule import Resources, timetable
from orchestrator.scenario.model import AlignmentWorkload, Kernel, Machine, Scenario, SelftestsWorkload
from orchestrator.scenario.sources import DebianSource
from tests.unit.kernel.cache.test_store import BASE, ONE, TWO, publish

V1, V2 = replace(BASE, name="v1", patches=(ONE,)), replace(BASE, name="v2", patches=(TWO,))
FULL = replace(BASE, name="full", request="CONFIG_B=y\n")
FULL_V1 = replace(V1, name="full-v1", request="CONFIG_B=y\n")
STOCK = Prebuilt("stock", "s.yaml:9", "sha", "linux-image-7.3", Path("/image"))
TWO_CORES = Capacity(jobs=2, memory=24 << 30)
LIFE = AlignmentWorkload("life", "testdev", timeout=60.0)
MATRIX = AlignmentWorkload("matrix", "testdev", timeout=600.0)
TARGETS = SelftestsWorkload("kselftest", ("vfio",), timeout=100.0)


@pytest.fixture
def cache(tmp_path: Path) -> KernelCache:
    return KernelCache(tmp_path / "cache")


@pytest.fixture
def durations(cache: KernelCache) -> Durations:
    return Durations(cache.root / "durations")


def scenario(*recipes: AnyRecipe, machine: Machine | None = None) -> Scenario:
    kernels = tuple(Kernel(recipe.name, DebianSource("linux-source-7.3", "trixie")) for recipe in recipes)
    return Scenario("s", Path("s.yaml"), "", recipes[0].name, kernels, (), (LIFE,), machine or Machine())


def forecast(cache: KernelCache, *recipes: AnyRecipe, machine: Machine | None = None) -> dict[str, Forecast]:
    known = Durations(cache.root / "durations")
    return forecasts(scenario(*recipes, machine=machine), recipes, cache, known, TWO_CORES)


def test_from_an_empty_cache_the_base_is_built_whole_and_the_others_wait_for_its_tree(cache: KernelCache) -> None:
    assert starts(cache, (FULL_V1, V1, BASE, FULL, STOCK)) == {
        "base": BuildStart(BuildKind.WHOLE),
        "v1": BuildStart(BuildKind.VARIANT, "base", awaits=True),
        "full": BuildStart(BuildKind.CONFIGURED, "base", awaits=True),
        "full-v1": BuildStart(BuildKind.VARIANT, "full", awaits=True),
        "stock": BuildStart(BuildKind.PREBUILT),
    }


def test_nobody_waits_where_a_tree_of_the_same_configuration_is_there(cache: KernelCache) -> None:
    publish(cache, BASE, tree=True)
    found = starts(cache, (V1, V2, FULL, FULL_V1))
    assert found == {
        "v1": BuildStart(BuildKind.VARIANT, "base"),
        "v2": BuildStart(BuildKind.VARIANT, "base"),
        "full": BuildStart(BuildKind.CONFIGURED, "base"),
        "full-v1": BuildStart(BuildKind.VARIANT, "full", awaits=True),
    }


def test_what_is_built_is_cached_and_without_its_tree_no_build_waits_for_it(cache: KernelCache) -> None:
    key = publish(cache, BASE).key
    found = starts(cache, (BASE, V1))
    assert found["v1"] == BuildStart(BuildKind.WHOLE)
    assert (found["base"].kind, found["base"].build and found["base"].build.key) == (BuildKind.CACHED, key)


def test_a_whole_build_takes_all_of_make_a_variant_one_and_what_is_there_nothing(cache: KernelCache) -> None:
    publish(cache, replace(BASE, name="other", request="CONFIG_C=y\n", patches=(TWO,)))
    cached = replace(BASE, name="cached", request="CONFIG_C=y\n", patches=(TWO,))
    found = forecast(cache, BASE, V1, cached, STOCK)
    makes = {job: one.task.needs.makes for job, one in found.items() if job.startswith("build/")}
    assert makes == {"build/base": 2, "build/v1": 1, "build/cached": 0, "build/stock": 0}
    assert found["build/cached"].task.needs == found["build/stock"].task.needs == Resources()
    assert 0 < found["build/v1"].task.needs.memory <= found["build/base"].task.needs.memory < TWO_CORES.memory
    assert not any(one.task.needs.cores for job, one in found.items() if job.startswith("build/"))


def test_a_boot_takes_a_core_for_each_cpu_of_the_guest_and_more_memory_than_the_guest_has(cache: KernelCache) -> None:
    needs = forecast(cache, BASE, machine=Machine(cpus=2, memory=4 << 30))["boot/base/life"].task.needs
    assert (needs.cores, needs.makes) == (2, 0)
    assert needs.memory > 4 << 30


def test_boots_wait_for_their_build_and_builds_for_the_tree_they_start_from(cache: KernelCache) -> None:
    after = {job: one.task.after for job, one in forecast(cache, BASE, V1).items()}
    assert after == {
        "build/base": (),
        "build/v1": ("build/base",),
        "boot/base/life": ("build/base",),
        "boot/v1/life": ("build/v1",),
    }


def test_unknown_times_are_guessed_by_the_way_and_say_so(cache: KernelCache) -> None:
    found = forecast(cache, BASE, V1, FULL, STOCK)
    assert {job: one.task.seconds for job, one in found.items() if job.startswith("build/")} == {
        "build/base": GUESSES[BuildKind.WHOLE],
        "build/v1": GUESSES[BuildKind.VARIANT],
        "build/full": GUESSES[BuildKind.CONFIGURED],
        "build/stock": GUESSES[BuildKind.PREBUILT],
    }
    assert all(one.guessed for one in found.values())


def test_what_is_cached_takes_no_time_and_that_is_no_guess(cache: KernelCache) -> None:
    publish(cache, BASE)
    found = forecast(cache, BASE)["build/base"]
    assert (found.task.seconds, found.guessed, found.names) == (0.0, False, ())


@pytest.mark.parametrize(("workload", "seconds"), [(LIFE, 10.0), (MATRIX, 30.0), (TARGETS, 70.0)])
def test_a_boot_is_guessed_from_its_timeout(
    cache: KernelCache, durations: Durations, workload: AlignmentWorkload | SelftestsWorkload, seconds: float
) -> None:
    asked = replace(scenario(BASE), workloads=(workload,))
    found = forecasts(asked, (BASE,), cache, durations, TWO_CORES)
    assert found[f"boot/base/{workload.name}"].task.seconds == seconds


def test_what_was_recorded_replaces_the_guess(cache: KernelCache, durations: Durations) -> None:
    durations.record(build_names(BASE, BuildKind.WHOLE, BuildCapacity(2)), 270.0)
    durations.record(boot_names(scenario(BASE), BASE, LIFE, compiles=False), 7.0)
    found = forecast(cache, BASE, V1)
    assert {job: (one.task.seconds, one.guessed) for job, one in found.items()} == {
        "build/base": (270.0, False),
        "build/v1": (GUESSES[BuildKind.VARIANT], True),
        "boot/base/life": (7.0, False),
        "boot/v1/life": (7.0, False),
    }


def test_the_longest_recorded_goes_first(cache: KernelCache, durations: Durations) -> None:
    other = replace(BASE, name="other", source=replace(BASE.source, id="another"))
    durations.record(build_names(BASE, BuildKind.WHOLE, BuildCapacity(2)), 100.0)
    durations.record(build_names(other, BuildKind.WHOLE, BuildCapacity(2)), 400.0)
    tasks = [one.task for one in forecast(cache, BASE, other).values()]
    assert next(slot.task.id for slot in timetable(tasks, TWO_CORES.limits)) == "build/other"


def test_a_tree_that_changes_is_known_by_what_it_is_a_state_of() -> None:
    now, then = (replace(BASE, source=replace(BASE.source, id=state, origin="/home/me/linux")) for state in "ab")
    assert build_names(now, BuildKind.VARIANT, BuildCapacity(2)) == build_names(
        then, BuildKind.VARIANT, BuildCapacity(2)
    )
    assert build_names(now, BuildKind.VARIANT, BuildCapacity(2)) != build_names(
        now, BuildKind.VARIANT, BuildCapacity(4)
    )
    assert build_names(now, BuildKind.VARIANT, BuildCapacity(2)) != build_names(now, BuildKind.WHOLE, BuildCapacity(2))


def test_neither_the_seed_nor_the_place_in_the_file_changes_the_name_of_a_boot() -> None:
    asked = scenario(BASE)
    moved = replace(LIFE, seed=42, where="s.yaml:77")
    assert boot_names(asked, BASE, LIFE, compiles=False) == boot_names(asked, BASE, moved, compiles=False)
    assert boot_names(asked, BASE, LIFE, compiles=False) != boot_names(asked, BASE, MATRIX, compiles=False)
    assert boot_names(asked, BASE, LIFE, compiles=False)[1:] == boot_names(asked, V1, LIFE, compiles=False)[1:]


def test_this_machine_has_memory() -> None:
    assert 64 << 20 < capacity_now(3).memory < 1 << 50
    assert (capacity_now(3).limits.cores, capacity_now(3).limits.makes) == (3, 3)


def test_repeated_boots_come_after_every_build_in_rounds(cache: KernelCache, durations: Durations) -> None:
    twice = replace(scenario(BASE, V1), repeat=2)
    found = forecasts(twice, (BASE, V1), cache, durations, TWO_CORES)
    boots = [forecast.task for forecast in found.values() if forecast.task.id.startswith("boot/")]
    assert {task.id: task.round for task in boots} == {
        f"boot/{kernel}/life/{number}": number for kernel in ("base", "v1") for number in (1, 2)
    }
    assert {task.after for task in boots} == {("build/base", "build/v1")}
    assert len({forecast.names for name, forecast in found.items() if name.startswith("boot/v1/")}) == 1
