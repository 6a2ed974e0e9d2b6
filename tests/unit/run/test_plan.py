# SPDX-License-Identifier: GPL-2.0-only
"""What a scenario comes to before anything is fetched."""

from __future__ import annotations

from dataclasses import replace
from itertools import permutations
from pathlib import Path

from orchestrator.kernel.model import Patch, Recipe, SourceTree, Toolchain
from orchestrator.result.run import JobKind
from orchestrator.run.plan import boot_id, build_id, build_order, jobs, seeded, unknown_failures
from orchestrator.scenario.devices import EmulatedDevice
from orchestrator.scenario.model import AlignmentWorkload, Kernel, Scenario, TestGroup
from orchestrator.scenario.sources import DebianSource

SOURCE = DebianSource("linux-source-7.3", "trixie-backports")
SCENARIO = Scenario(
    name="pud",
    path=Path("pud.yaml"),
    description="",
    base="base",
    kernels=(Kernel("base", SOURCE), Kernel("thp", SOURCE)),
    devices=(EmulatedDevice("testdev", "pci-testdev", 4 << 30),),
    workloads=(AlignmentWorkload("alignment", "testdev"), AlignmentWorkload("offset", "testdev")),
)
ONE, TWO = (Patch(Path(f"{name}.patch"), f"diff {name}", ("a.c",)) for name in ("one", "two"))
BASE = Recipe("base", "", SourceTree("sha", "linux", Path("/src")), (), "", (), Toolchain("gcc", "ld"))
THP = replace(BASE, name="thp", patches=(ONE,))
SIZE = replace(BASE, name="size", patches=(ONE, TWO))


def test_every_kernel_is_built_once_and_boots_once_per_workload() -> None:
    assert [job.id for job in jobs(SCENARIO)] == [
        "build/base",
        "build/thp",
        "boot/base/alignment",
        "boot/base/offset",
        "boot/thp/alignment",
        "boot/thp/offset",
    ]


def test_jobs_say_what_they_are_about() -> None:
    build, boot = jobs(SCENARIO)[1], jobs(SCENARIO)[-1]
    assert (build.kind, build.kernel, build.id) == (JobKind.BUILD, "thp", build_id("thp"))
    assert (boot.kind, boot.kernel, boot.workload) == (JobKind.BOOT, "thp", "offset")
    assert boot.id == boot_id("thp", "offset")


def order(*recipes: Recipe) -> dict[str, str | None]:
    """Which build each waits for, by name."""
    return {recipe.name: before.name if before else None for recipe, before in build_order(recipes)}


def test_the_fewest_patches_go_first_whatever_the_order() -> None:
    for recipes in permutations((SIZE, THP, BASE)):
        assert order(*recipes) == {"base": None, "thp": "base", "size": "base"}


def test_every_source_and_toolchain_has_a_first_of_its_own() -> None:
    stable = replace(SIZE, name="stable", source=replace(BASE.source, id="other"))
    clang = replace(THP, name="clang", toolchain=Toolchain("clang", "ld"))
    assert order(SIZE, stable, clang, BASE) == {"size": "base", "stable": None, "clang": None, "base": None}


def test_another_configuration_is_made_once_and_its_variants_start_from_it() -> None:
    full, variant = replace(BASE, name="full", request="IOMMUFD"), replace(THP, name="variant", request="IOMMUFD")
    assert order(variant, THP, full, BASE) == {"variant": "full", "thp": "base", "full": None, "base": "full"}


def test_the_first_of_equals_leads() -> None:
    assert order(THP, replace(THP, name="again")) == {"thp": None, "again": "thp"}


def test_no_recipes_have_no_order() -> None:
    assert build_order(()) == ()


def test_the_seed_of_a_run_is_for_the_workloads_that_name_none() -> None:
    fixed = AlignmentWorkload("fixed", "testdev", seed=7)
    scenario = replace(SCENARIO, workloads=(*SCENARIO.workloads, fixed))
    seeds = {w.name: w.seed for w in seeded(scenario, 42).workloads if isinstance(w, AlignmentWorkload)}
    assert seeds == {w.name: 42 for w in SCENARIO.workloads} | {"fixed": 7}


def test_a_kernel_does_not_wait_for_the_tree_of_a_patch_that_it_does_not_have() -> None:
    one, two = replace(BASE, name="one", patches=(ONE,)), replace(BASE, name="two", patches=(TWO,))
    assert order(one, two) == {"one": None, "two": None}


def test_sources_of_one_origin_wait_for_the_first_and_others_do_not() -> None:
    old, new, other = (
        replace(BASE, name=name, source=replace(BASE.source, id=name, origin=origin))
        for name, origin in (("old", "git"), ("new", "git"), ("other", "elsewhere"))
    )
    assert order(old, new, other) == {"old": None, "new": "old", "other": None}


KNOWN_NAMES = (
    "life.mremap*",
    "life/boot",
    "boot",
    "log",
    "log/WARNING: a [b]*",
    "life/log",
    "li*/log/BUG: c",
    "w[1]/boot",
)


def test_an_xfail_of_a_test_that_is_not_run_is_a_mistake() -> None:
    life = AlignmentWorkload("life", "testdev", tests=(TestGroup.LIFE,))
    known = tuple((pattern, "why") for pattern in (*KNOWN_NAMES, "kernel", "lfie.*", "lfie/log"))
    scenario = replace(
        SCENARIO,
        workloads=(life, replace(life, name="w[1]")),
        kernels=(Kernel("base", SOURCE, xfail=known, where="a.yaml:3"),),
    )
    assert [str(problem) for problem in unknown_failures(scenario)] == [
        "a.yaml:3: kernel 'base' has an xfail for 'kernel', which no workload runs; remove it",
        "a.yaml:3: kernel 'base' has an xfail for 'lfie.*', which no workload runs; remove it",
        "a.yaml:3: kernel 'base' has an xfail for 'lfie/log', which no workload runs; remove it",
    ]


def test_a_repeated_scenario_boots_every_kernel_before_any_is_booted_again() -> None:
    planned = [job for job in jobs(replace(SCENARIO, repeat=3)) if job.kind is JobKind.BOOT]
    boots = [(kernel, workload) for kernel in ("base", "thp") for workload in ("alignment", "offset")]
    assert [(job.round, job.kernel, job.workload) for job in planned] == [
        (number, *boot) for number in (1, 2, 3) for boot in boots
    ]
    assert planned[0].id == "boot/base/alignment/1"
    assert all(job.id == boot_id(job.kernel, job.workload, job.round) for job in planned)
    assert len({job.directory for job in planned}) == len(planned)
