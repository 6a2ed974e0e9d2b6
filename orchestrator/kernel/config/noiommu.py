# SPDX-License-Identifier: GPL-2.0-only
"""That a kernel has VFIO's no-IOMMU mode, where a scenario's machine has no IOMMU.

Without it vfio-pci takes no device there, and every test of every boot would say no more than that.
"""

from __future__ import annotations

from collections.abc import Iterable

from orchestrator.errors import ConfigError
from orchestrator.kernel.config.fragments import parse
from orchestrator.kernel.model import AnyRecipe, KernelBuild, Prebuilt, Recipe
from orchestrator.scenario.model import Scenario

_OPTION = "VFIO_NOIOMMU"
"""drivers/vfio/Kconfig, since Linux 4.5; nothing selects it, so that it is on only where somebody asks for it."""


def refuse_requests(scenario: Scenario, recipes: Iterable[AnyRecipe]) -> None:
    """Refuse what would be built for nothing: of kernels that are built as they are asked for, the request tells.

    Raises ConfigError, with a sentence for each kernel.
    """
    told = [_complaint(scenario, one, one.request) for one in recipes if isinstance(one, Recipe)]
    if any(told):
        raise ConfigError("\n".join(filter(None, told)))


def refuse_build(scenario: Scenario, recipe: AnyRecipe, build: KernelBuild) -> None:
    """Refuse `build`, which was made from `recipe`, by its final configuration.

    Raises ConfigError, and OSError where the build is gone from the cache.
    """
    told = _complaint(scenario, recipe, build.config.read_text())
    if told:
        raise ConfigError(told)


def _complaint(scenario: Scenario, recipe: AnyRecipe, config: str) -> str:
    """Why a kernel with this `config` cannot serve `scenario`, in a sentence; empty where it can."""
    needed = scenario.machine.noiommu and any(workload.device for workload in scenario.workloads)
    if not needed or parse(config).get(_OPTION) == "y":
        return ""
    mend = "take one that was built with it" if isinstance(recipe, Prebuilt) else "add noiommu to its 'config'"
    what = f"{recipe.where}: kernel '{recipe.name}' has no CONFIG_{_OPTION}"
    return f"{what}, which a machine with 'iommu: none' needs; {mend}"
