# SPDX-License-Identifier: GPL-2.0-only
"""The options that a kernel must have for the machine and the workloads of a scenario.

Without one of them every test of every boot would fail or be skipped, for this reason alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from orchestrator.arch import ARM64
from orchestrator.errors import ConfigError
from orchestrator.kernel.config.fragments import parse
from orchestrator.kernel.model import AnyRecipe, KernelBuild, Prebuilt, Recipe
from orchestrator.scenario.model import AlignmentWorkload, Scenario, TestGroup, VmmWorkload


@dataclass(frozen=True)
class _Need:
    """An option (without CONFIG_) that some scenarios need, why, and the fragment that has it.

    `fragments` has the fragments of architectures that need another one.
    """

    option: str
    why: str
    fragment: str
    of: Callable[[Scenario], bool]
    fragments: Mapping[str, str] = field(default_factory=dict)


def _without_iommu(scenario: Scenario) -> bool:
    return scenario.machine.noiommu and any(workload.device for workload in scenario.workloads)


def _with_stage2(scenario: Scenario) -> bool:
    alignment = (workload for workload in scenario.workloads if isinstance(workload, AlignmentWorkload))
    return any(TestGroup.STAGE2 in workload.tests for workload in alignment)


def _with_vmm(scenario: Scenario) -> bool:
    return any(isinstance(workload, VmmWorkload) for workload in scenario.workloads)


_NEEDS = (
    # drivers/vfio/Kconfig, since Linux 4.5.  No other option selects it, so it is on only if it is requested.
    _Need("VFIO_NOIOMMU", "a machine with 'iommu: none' needs", "noiommu", _without_iommu),
    _Need("KVM", "the tests 'stage2' need", "kvm-host", _with_stage2, {ARM64.name: "kvm-host-arm64"}),
    _Need(
        "KVM", "a workload 'vmm' needs", "kvm-host", lambda scenario: _with_vmm(scenario) and not _with_stage2(scenario)
    ),
    _Need("EPOLL", "a workload 'vmm' needs", "userland", _with_vmm),
    _Need("BLK_DEV_INITRD", "a workload 'vmm' needs", "vmm", _with_vmm),
)


def refuse_requests(scenario: Scenario, recipes: Iterable[AnyRecipe]) -> None:
    """Refuse kernels whose requested configuration lacks an option, before they are built.

    Prebuilt kernels are not checked here.  Raises ConfigError, with a sentence for each option of each kernel.
    """
    built = (recipe for recipe in recipes if isinstance(recipe, Recipe))
    complaints = [complaint for recipe in built for complaint in _complaints(scenario, recipe, recipe.request)]
    if complaints:
        raise ConfigError("\n".join(complaints))


def refuse_build(scenario: Scenario, recipe: AnyRecipe, build: KernelBuild) -> None:
    """Refuse `build`, made from `recipe`, if its final configuration lacks an option.

    Raises ConfigError, and OSError if the build is no longer in the cache.
    """
    complaints = list(_complaints(scenario, recipe, build.config.read_text()))
    if complaints:
        raise ConfigError("\n".join(complaints))


def _complaints(scenario: Scenario, recipe: AnyRecipe, config: str) -> Iterator[str]:
    """Yield a sentence for each option that a kernel with this `config` lacks for `scenario`."""
    options = parse(config)
    for need in _NEEDS:
        if need.of(scenario) and options.get(need.option) not in ("y", "m"):
            what = f"{recipe.where}: kernel '{recipe.name}' has no CONFIG_{need.option}"
            yield f"{what}, which {need.why}; {_fix(need, recipe)}"


def _fix(need: _Need, recipe: AnyRecipe) -> str:
    if isinstance(recipe, Prebuilt):
        return "take one that was built with it"
    return f"add {need.fragments.get(recipe.toolchain.arch, need.fragment)} to its 'config'"
