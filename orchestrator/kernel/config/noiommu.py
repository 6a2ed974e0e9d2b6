# SPDX-License-Identifier: GPL-2.0-only
"""A check for VFIO's no-IOMMU mode in kernels for a machine without IOMMU.

Without this mode vfio-pci does not bind a device there, and every test of every boot would fail for this reason.
"""

from __future__ import annotations

from collections.abc import Iterable

from orchestrator.errors import ConfigError
from orchestrator.kernel.config.fragments import parse
from orchestrator.kernel.model import AnyRecipe, KernelBuild, Prebuilt, Recipe
from orchestrator.scenario.model import Scenario

_OPTION = "VFIO_NOIOMMU"
"""The option (drivers/vfio/Kconfig, since Linux 4.5).

No other option selects it, so it is on only if it is requested.
"""


def refuse_requests(scenario: Scenario, recipes: Iterable[AnyRecipe]) -> None:
    """Refuse kernels whose requested configuration has no such mode, before they are built.

    Prebuilt kernels are not checked here.  Raises ConfigError, with a sentence for each kernel.
    """
    complaints = [_complaint(scenario, recipe, recipe.request) for recipe in recipes if isinstance(recipe, Recipe)]
    if any(complaints):
        raise ConfigError("\n".join(filter(None, complaints)))


def refuse_build(scenario: Scenario, recipe: AnyRecipe, build: KernelBuild) -> None:
    """Refuse `build`, made from `recipe`, if its final configuration has no such mode.

    Raises ConfigError, and OSError if the build is no longer in the cache.
    """
    complaint = _complaint(scenario, recipe, build.config.read_text())
    if complaint:
        raise ConfigError(complaint)


def _complaint(scenario: Scenario, recipe: AnyRecipe, config: str) -> str:
    """Return why a kernel with this `config` cannot run `scenario`; "" if it can."""
    needed = scenario.machine.noiommu and any(workload.device for workload in scenario.workloads)
    if not needed or parse(config).get(_OPTION) == "y":
        return ""
    remedy = "take one that was built with it" if isinstance(recipe, Prebuilt) else "add noiommu to its 'config'"
    what = f"{recipe.where}: kernel '{recipe.name}' has no CONFIG_{_OPTION}"
    return f"{what}, which a machine with 'iommu: none' needs; {remedy}"
