# SPDX-License-Identifier: GPL-2.0-only
"""A single job where the machine lets it down: that is a result, too, and no traceback."""

from __future__ import annotations

from pathlib import Path

from orchestrator.events import ignore
from orchestrator.kernel.model import KernelBuild
from orchestrator.machine.boothost.base import LocalBootHost
from orchestrator.result.model import Status
from orchestrator.result.store.writer import RunStore
from orchestrator.run.boot_job import RunContext, boot_kernel
from orchestrator.run.plan import boot_id, jobs
from orchestrator.scenario.devices import EmulatedDevice
from orchestrator.scenario.model import AlignmentWorkload, Kernel, Scenario
from orchestrator.scenario.sources import DebianSource
from tests.fakes import FakeHost

WORKLOAD = AlignmentWorkload("alignment", "testdev")


def test_a_build_that_is_gone_from_the_cache_is_an_error_of_its_boot(tmp_path: Path) -> None:
    (tmp_path / "s.yaml").write_text("name: s\n")
    kernel = Kernel("base", DebianSource("linux-source-7.3", "trixie"))
    device = EmulatedDevice("testdev", "pci-testdev", 4 << 30)
    scenario = Scenario("s", tmp_path / "s.yaml", "", "base", (kernel,), (device,), (WORKLOAD,))
    store = RunStore.create(tmp_path / "results", scenario, jobs(scenario))
    gone = KernelBuild("base", "key", tmp_path / "no/such/build", "7.3.4", 1, 1.0, cached=True)
    bench = RunContext(FakeHost(), tmp_path, {}, scenario, ignore, LocalBootHost(FakeHost(), tmp_path))
    result = boot_kernel(bench, gone, WORKLOAD, store, boot_id("base", "alignment"))
    assert {case.status for case in result.cases} == {Status.ERROR}
    assert "no/such/build/config" in " ".join(result.boot.lines)
