# SPDX-License-Identifier: GPL-2.0-only
"""The capability of a kernel, from version, configuration and scenario."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from orchestrator.kernel.config.capability import boot_arguments, capability, kernel_facts, override, shows_page_tables
from orchestrator.kernel.model import KernelBuild
from orchestrator.scenario.model import Capability, CapabilityOverride, FaultMaps, Level

BOTH = "CONFIG_ARCH_SUPPORTS_HUGE_PFNMAP=y\nCONFIG_ARCH_SUPPORTS_PMD_PFNMAP=y\nCONFIG_ARCH_SUPPORTS_PUD_PFNMAP=y\n"
THP_ALONE = "CONFIG_TRANSPARENT_HUGEPAGE=y\nCONFIG_HAVE_ARCH_TRANSPARENT_HUGEPAGE_PUD=y\n"
OLD = Capability((), FaultMaps.MAPPING, recovers_stage2=False)


@pytest.mark.parametrize(
    ("version", "config", "can"),
    [
        ("7.3.4", BOTH, Capability((Level.PMD, Level.PUD))),
        ("6.12.117", BOTH, Capability((Level.PMD, Level.PUD), recovers_stage2=False)),
        ("6.13", BOTH, Capability((Level.PMD, Level.PUD))),
        ("7.3-rc1", BOTH, Capability((Level.PMD, Level.PUD))),
        ("7.3.4", THP_ALONE, Capability(())),
        ("7.3.4", BOTH.replace("CONFIG_ARCH_SUPPORTS_PUD_PFNMAP=y\n", ""), Capability((Level.PMD,))),
        ("7.3.4", "# CONFIG_ARCH_SUPPORTS_PMD_PFNMAP is not set\n", Capability(())),
        ("6.1.192", THP_ALONE, OLD),
        ("6.11.9", BOTH, OLD),
        ("5.10", "", OLD),
        ("next", BOTH, Capability((Level.PMD, Level.PUD))),
    ],
)
def test_a_version_and_a_configuration_say_what_a_kernel_can_do(version: str, config: str, can: Capability) -> None:
    assert capability(config, version) == can


@pytest.mark.parametrize(
    ("config", "shown"),
    [
        ("CONFIG_X86_64=y\nCONFIG_PTDUMP_DEBUGFS=y\n", True),
        ("CONFIG_X86_64=y\n# CONFIG_PTDUMP_DEBUGFS is not set\n", False),
        ("CONFIG_ARM64=y\nCONFIG_PTDUMP_DEBUGFS=y\n", False),
        ("CONFIG_ARM64=y\nCONFIG_PTDUMP_DEBUGFS=y\nCONFIG_ARM64_PTDUMP_CURRENT_USER=y\n", True),
        ("CONFIG_ARM64=y\n", False),
    ],
)
def test_page_tables_are_shown_on_arm64_with_our_patch_only(config: str, shown: bool) -> None:
    assert shows_page_tables(config) is shown


@pytest.mark.parametrize(
    ("config", "shows"),
    [
        ("CONFIG_PTDUMP_DEBUGFS=y\n", True),
        ("# CONFIG_PTDUMP_DEBUGFS is not set\n", False),
        ("CONFIG_PTDUMP=y\n", False),
    ],
)
def test_a_configuration_says_whether_the_page_tables_can_be_read(config: str, shows: bool) -> None:
    assert shows_page_tables(config) is shows


@pytest.mark.parametrize(
    ("config", "arguments"),
    [
        ("CONFIG_INTEL_IOMMU=y\n# CONFIG_INTEL_IOMMU_DEFAULT_ON is not set\n", ("intel_iommu=on",)),
        ("CONFIG_INTEL_IOMMU=y\nCONFIG_INTEL_IOMMU_DEFAULT_ON=y\n", ()),
        ("CONFIG_INTEL_IOMMU=y\nCONFIG_INTEL_IOMMU_DEFAULT_ON_INTGPU_OFF=y\n", ()),
        ("CONFIG_ARM_SMMU_V3=y\n", ()),
    ],
)
def test_a_kernel_that_would_leave_the_iommu_off_gets_an_argument_to_use_it(
    config: str, arguments: tuple[str, ...]
) -> None:
    assert boot_arguments(config) == arguments


@pytest.mark.parametrize(
    ("can", "result"),
    [
        (CapabilityOverride(), OLD),
        (
            CapabilityOverride(levels=(Level.PUD, Level.PTE, Level.PMD)),
            replace(OLD, levels=(Level.PMD, Level.PUD)),
        ),
        (CapabilityOverride(faults=FaultMaps.ENTRY), replace(OLD, fault_maps=FaultMaps.ENTRY)),
        (CapabilityOverride((Level.PTE,), FaultMaps.ENTRY), replace(OLD, fault_maps=FaultMaps.ENTRY)),
    ],
)
def test_what_the_scenario_says_outranks_it_key_by_key(can: CapabilityOverride, result: Capability) -> None:
    assert override(OLD, can) == result


def test_a_build_tells_by_its_own_files(tmp_path: Path) -> None:
    (tmp_path / "config").write_text(BOTH)
    build = KernelBuild("base", "0", tmp_path, "7.3.4", 0, 0.0, cached=True)
    assert kernel_facts(build, CapabilityOverride()).capability == Capability()
    assert kernel_facts(build, CapabilityOverride(levels=(Level.PTE,))).capability == Capability(())
