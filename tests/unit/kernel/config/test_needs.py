# SPDX-License-Identifier: GPL-2.0-only
"""The options that kernels need, for a machine without IOMMU or for virtual machines; results without IOMMU."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from orchestrator.errors import ConfigError, ScenarioError
from orchestrator.kernel.config.fragments import parse
from orchestrator.kernel.config.needs import refuse_build, refuse_requests
from orchestrator.kernel.model import KernelBuild, Prebuilt, Recipe, SourceTree, Toolchain
from orchestrator.machine.model import BootEnd, BootReport
from orchestrator.result.compare.alignment import compare
from orchestrator.result.compare.status import Change
from orchestrator.result.judge.alignment import judge
from orchestrator.result.judge.suite import SuiteOutput, judge_suite
from orchestrator.result.judge.taint import ordinary
from orchestrator.result.model import Status
from orchestrator.scenario.model import CommandWorkload, DebianVmm, Machine, Scenario, TestGroup, VmmWorkload
from orchestrator.scenario.resolve.data import kernels_dir
from tests.unit.result.test_samples import PMD, PTE, PUD, WORKLOAD, Numbers, booted, kernel, run_of, told
from tests.unit.run.test_plan import SCENARIO
from tests.unit.scenario.test_load import load_text, small

NONE = replace(SCENARIO, machine=Machine(iommu="none"))
HAS, LACKS = "CONFIG_VFIO=y\nCONFIG_VFIO_NOIOMMU=y\n", "CONFIG_VFIO=y\n# CONFIG_VFIO_NOIOMMU is not set\n"
TAINTED = BootReport(BootEnd.OK, 9.0, taint=(0, 64))


def recipe(name: str, request: str) -> Recipe:
    return Recipe(name, f"s.yaml:{name}", SourceTree("sha", "linux", Path("/src")), (), request, (), Toolchain("", ""))


def built(place: Path, config: str) -> KernelBuild:
    (place / "config").write_text(config)
    return KernelBuild("base", "key", place, "7.3.4", 1, 1.0, cached=True)


def test_kernels_that_do_not_ask_for_the_mode_are_refused_all_at_once_before_any_is_built() -> None:
    with pytest.raises(ConfigError) as caught:
        refuse_requests(NONE, [recipe("base", LACKS), recipe("fine", HAS), recipe("other", "")])
    assert str(caught.value).splitlines() == [
        f"s.yaml:{name}: kernel '{name}' has no CONFIG_VFIO_NOIOMMU, which a machine with 'iommu: none' needs; "
        "add noiommu to its 'config'"
        for name in ("base", "other")
    ]
    assert caught.value.exit_status == 2


@pytest.mark.parametrize(
    ("scenario", "request_"),
    [
        (NONE, HAS),
        (SCENARIO, LACKS),
        (replace(NONE, workloads=(CommandWorkload("uname", "uname -a"),)), LACKS),
    ],
    ids=["asks for it", "has an IOMMU", "uses no device"],
)
def test_who_does_not_need_it_or_has_it_is_not_refused(scenario: Scenario, request_: str, tmp_path: Path) -> None:
    refuse_requests(scenario, [recipe("base", request_)])
    refuse_build(scenario, recipe("base", request_), built(tmp_path, request_))


def test_a_kernel_that_somebody_else_built_is_judged_by_its_configuration(tmp_path: Path) -> None:
    stock = Prebuilt("stock", "s.yaml:7", "id", "Linux 6.12", Path("/images/1"))
    refuse_requests(NONE, [stock])
    refuse_build(NONE, stock, built(tmp_path, HAS))
    with pytest.raises(ConfigError, match=r"^s\.yaml:7: kernel 'stock' has no .*; take one that was built with it$"):
        refuse_build(NONE, stock, built(tmp_path, LACKS))


def test_a_request_that_was_not_granted_is_seen_in_the_end(tmp_path: Path) -> None:
    requested = recipe("base", HAS)
    refuse_requests(NONE, [requested])
    with pytest.raises(ConfigError, match="add noiommu to its 'config'"):
        refuse_build(NONE, requested, built(tmp_path, LACKS))


VMS = replace(SCENARIO, workloads=(replace(WORKLOAD, tests=(TestGroup.MAP, TestGroup.STAGE2)),))


@pytest.mark.parametrize("value", ["y", "m"])
def test_the_tests_of_stage_2_need_kvm(value: str, tmp_path: Path) -> None:
    refuse_requests(VMS, [recipe("base", f"CONFIG_KVM={value}\n")])
    refuse_build(VMS, recipe("base", ""), built(tmp_path, f"CONFIG_KVM={value}\n"))
    why = "s.yaml:base: kernel 'base' has no CONFIG_KVM, which the tests 'stage2' need; add kvm-host to its 'config'"
    with pytest.raises(ConfigError) as caught:
        refuse_requests(VMS, [recipe("base", "# CONFIG_KVM is not set\n")])
    assert str(caught.value) == why


def test_arm64_has_a_fragment_of_its_own() -> None:
    arm64 = replace(recipe("base", ""), toolchain=Toolchain("", "", arch="arm64"))
    with pytest.raises(ConfigError, match=r"; add kvm-host-arm64 to its 'config'$"):
        refuse_requests(VMS, [arm64])


VMM = replace(SCENARIO, workloads=(VmmWorkload("qemu", "testdev", DebianVmm("qemu-system-x86", "trixie"), "qemu"),))


def test_a_vmm_needs_kvm_and_a_kernel_that_can_be_its_guest() -> None:
    refuse_requests(VMM, [recipe("base", "CONFIG_KVM=y\nCONFIG_EPOLL=y\nCONFIG_BLK_DEV_INITRD=y\n")])
    with pytest.raises(ConfigError) as caught:
        refuse_requests(VMM, [recipe("base", "")])
    assert [line.partition(" has no ")[2] for line in str(caught.value).splitlines()] == [
        f"CONFIG_{option}, which a workload 'vmm' needs; add {fragment} to its 'config'"
        for option, fragment in (("KVM", "kvm-host"), ("EPOLL", "userland"), ("BLK_DEV_INITRD", "vmm"))
    ]


def test_all_options_that_a_kernel_lacks_are_named() -> None:
    with pytest.raises(ConfigError) as caught:
        refuse_requests(replace(VMS, machine=Machine(iommu="none")), [recipe("base", "")])
    assert [line.split(" has no ")[1].split(",")[0] for line in str(caught.value).splitlines()] == [
        "CONFIG_VFIO_NOIOMMU",
        "CONFIG_KVM",
    ]


@pytest.mark.parametrize(
    ("name", "option"),
    [
        ("noiommu", "VFIO_NOIOMMU"),
        ("kvm-host", "KVM"),
        ("kvm-host-arm64", "KVM"),
        ("userland", "EPOLL"),
        ("vmm", "BLK_DEV_INITRD"),
    ],
)
def test_the_fragment_that_is_named_asks_for_it(name: str, option: str) -> None:
    fragment = (kernels_dir() / f"configs/{name}.config").read_text()
    assert parse(fragment)[option] == "y"


def test_a_scenario_can_have_no_iommu_on_either_architecture(tmp_path: Path) -> None:
    assert not load_text(tmp_path, small()).machine.noiommu
    for arch in ("x86_64", "arm64"):
        assert load_text(tmp_path, small(f"arch: {arch}", top="machine: {iommu: none}")).machine.noiommu


def test_an_expectation_of_dma_is_a_mistake_where_nothing_is_mapped_for_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    expect = "expect: {qemu: {faults: 1, dma-faults: 2}}"
    load_text(tmp_path, small(expect))
    with pytest.raises(ScenarioError) as caught:
        load_text(tmp_path, small(expect, top="machine: {iommu: none}"))
    assert str(caught.value) == (
        "scenarios/pud.yaml:7: kernel 'base' has an expectation of 'dma-faults', but with 'iommu: none' nothing is "
        "mapped for DMA; remove it"
    )


def undma(values: Numbers) -> Numbers:
    """Return the measurements of a mapping that was not mapped for DMA."""
    return {name: value for name, value in values.items() if not name.startswith("dma_")}


def test_a_mapping_without_its_dma_map_passes_and_is_compared_by_the_rest() -> None:
    mapped = {"b": PTE, "v": PMD}
    boots = [
        booted(kernel(name), told(name, {"kernel": undma(values), "qemu": undma(PUD)}))
        for name, values in mapped.items()
    ]
    assert {case.status for boot in boots for case in boot.cases} == {Status.PASS}
    (base, variant) = compare(run_of(*boots)).blocks[0].rows
    assert (base.change, variant.change) == (None, Change.FIX)
    assert "dma_faults" not in {change.check for change in variant.changes}


@pytest.mark.parametrize(("noiommu", "status"), [(True, Status.PASS), (False, Status.FAIL)])
def test_the_taint_of_the_mode_is_distinguished_from_others_in_every_workload(noiommu: bool, status: Status) -> None:
    normal = ordinary(prebuilt=False, noiommu=noiommu)
    output = replace(told("k", {"kernel": PTE}), taint=normal)
    suite = SuiteOutput("", 0, taint=normal)
    for cases in (
        judge(kernel("k"), WORKLOAD, TAINTED, output),
        judge_suite("k", CommandWorkload("own", "true", device="testdev"), TAINTED, suite),
    ):
        assert [case.status for case in cases if case.id.check == "log"] == [status]
