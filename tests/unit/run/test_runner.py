# SPDX-License-Identifier: GPL-2.0-only
"""Whatever goes wrong in a job is that job's ERROR, and the other jobs continue."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from orchestrator.errors import InfrastructureError, Interrupted, KernelBuildError, PatchError, UsageError
from orchestrator.events import ignore
from orchestrator.kernel.build.builder import Builder
from orchestrator.kernel.cache.store import KernelCache
from orchestrator.kernel.model import KernelBuild, Recipe
from orchestrator.machine.boothost.base import LocalBootHost
from orchestrator.result.model import Case, CaseId, Status
from orchestrator.result.run import BootResult, JobKind, JobStatus
from orchestrator.result.store.load import load_run
from orchestrator.result.store.writer import RunStore
from orchestrator.run import runner as runner_module
from orchestrator.run.context import ArchAssets, RunContext, Settings
from orchestrator.run.estimate import Capacity
from orchestrator.run.execute import exit_status
from orchestrator.run.plan import boot_id, build_id, jobs
from orchestrator.run.runner import Runner
from orchestrator.scenario.model import Scenario
from tests.fakes import FakeHost
from tests.unit.result.store.test_tampered import show
from tests.unit.result.test_samples import WORKLOAD
from tests.unit.run.errors import ERRORS


@pytest.fixture
def runner(context: RunContext, tmp_path: Path) -> Runner:
    """A runner whose kernels are all built."""
    builder = Builder(context.host, KernelCache(tmp_path / "cache"), 1, ignore)
    made = Runner(context, builder, (), {"x86_64": ArchAssets(tmp_path, None, "qemu")}, Capacity(1, 1 << 30))
    for kernel in context.scenario.kernels:
        made._builds[kernel.name] = KernelBuild(kernel.name, "key", tmp_path, "7.3.4", 1, 1.0, cached=True)
    return made


def recipe(name: str) -> Recipe:
    made = object.__new__(Recipe)
    object.__setattr__(made, "name", name)
    return made


def is_expected(error: Exception) -> bool:
    """Whether an error says in a sentence what happened: all others leave a traceback."""
    return isinstance(error, InfrastructureError | OSError)


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
def test_any_exception_in_a_boot_is_an_error_of_this_boot(
    runner: Runner, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def fail(*_arguments: object) -> BootResult:
        raise error

    monkeypatch.setattr(runner_module, "boot_kernel", fail)
    runner._boot(recipe("base"), WORKLOAD, 0)
    run = load_run(runner._context.store.path)
    job = boot_id("base", "alignment")
    assert run.job(job).status is JobStatus.FAILED
    (case,) = run.cases
    assert case.status is Status.ERROR
    assert len(case.message) < 1000
    kept = runner._context.store.path / "boots/base/alignment/traceback.txt"
    assert kept.exists() is not is_expected(error)
    if kept.exists():
        assert type(error).__name__ in case.message
        assert "boots/base/alignment/traceback.txt" in case.message
        assert "in fail" in kept.read_text()
    show(run)
    assert exit_status(runner._context.store.run) == 3


@pytest.mark.parametrize(
    "error", [*ERRORS, PatchError("no"), KernelBuildError("no")], ids=lambda one: type(one).__name__
)
def test_any_exception_in_a_build_is_an_error_of_this_kernel(
    runner: Runner, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def fail(*_arguments: object) -> KernelBuild:
        raise error

    monkeypatch.setattr(runner, "_built", fail)
    runner._build(recipe("base"))
    run = load_run(runner._context.store.path)
    assert run.job(build_id("base")).status is JobStatus.FAILED
    (case,) = run.cases
    assert case.status is (Status.FAIL if isinstance(error, KernelBuildError) else Status.ERROR)
    assert (runner._context.store.path / "kernels/base/traceback.txt").exists() is not (
        is_expected(error) or isinstance(error, UsageError | KernelBuildError)
    )
    status = 2 if isinstance(error, UsageError) else 1 if isinstance(error, KernelBuildError) else 3
    assert exit_status(runner._context.store.run) == status


def test_a_job_that_is_stopped_stays_so(runner: Runner, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(*_arguments: object) -> BootResult:
        raise Interrupted("stopped")

    monkeypatch.setattr(runner_module, "boot_kernel", stop)
    with pytest.raises(Interrupted):
        runner._boot(recipe("base"), WORKLOAD, 0)


def test_no_boot_of_a_kernel_that_did_not_build_is_left(tmp_path: Path, scenario: Scenario) -> None:
    """In a repeated run, that is each of its rounds; the boots of the others are left as they were."""
    thrice = replace(scenario, repeat=3)
    store = RunStore.create(tmp_path / "results", thrice, jobs(thrice))
    host = FakeHost()
    context = RunContext(
        thrice, Settings(tmp_path / "c", tmp_path / "results", 1), host, LocalBootHost(host, tmp_path), store, ignore
    )
    builder = Builder(host, KernelCache(tmp_path / "c"), 1, ignore)
    runner = Runner(context, builder, (), {}, Capacity(1, 1 << 30))
    failed, *others = (kernel.name for kernel in thrice.kernels)
    store.end_build(build_id(failed), {}, seconds=1.0, failure=Case(CaseId.of_build(failed), Status.FAIL))
    assert runner._changed(build_id(failed)) == ()
    boots = {(job.kernel, job.round): job.status for job in store.run.jobs if job.kind is JobKind.BOOT}
    assert boots == {
        (name, number): JobStatus.SKIPPED if name == failed else JobStatus.PENDING
        for name in (failed, *others)
        for number in (1, 2, 3)
    }
