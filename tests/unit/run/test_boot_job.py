# SPDX-License-Identifier: GPL-2.0-only
"""A boot job that the machine cannot run has a result, not a traceback."""

from __future__ import annotations

from pathlib import Path

from orchestrator.kernel.model import KernelBuild
from orchestrator.result.model import Status
from orchestrator.run.boot_job import boot_kernel
from orchestrator.run.context import ArchAssets, RunContext
from orchestrator.run.plan import boot_id
from tests.unit.result.test_samples import WORKLOAD


def test_a_build_that_is_missing_in_the_cache_is_an_error_of_its_boot(context: RunContext, tmp_path: Path) -> None:
    missing = KernelBuild("base", "key", tmp_path / "no/such/build", "7.3.4", 1, 1.0, cached=True)
    assets = ArchAssets(tmp_path, None, "qemu")
    result = boot_kernel(context, assets, missing, WORKLOAD, boot_id("base", "alignment"))
    assert {case.status for case in result.cases} == {Status.ERROR}
    assert "no/such/build/config" in " ".join(result.boot.lines)
