# SPDX-License-Identifier: GPL-2.0-only
"""Execute a scenario: builds and boots on an executor, every result stored as it comes."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Executor, Future, wait
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from time import monotonic

from orchestrator.errors import Interrupted, KernelBuildError, OrchError, UsageError
from orchestrator.events import Emit, Event, Kind
from orchestrator.host.base import Host
from orchestrator.jobs import Bench, boot_kernel, build_facts, keep_build_files
from orchestrator.kernel.build import Builder
from orchestrator.kernel.cache import KernelCache
from orchestrator.kernel.model import KernelBuild, Recipe
from orchestrator.kernel.recipe import recipes
from orchestrator.machine.accelerator import qemu_version
from orchestrator.machine.rootfs import guest_root
from orchestrator.plan import boot_id, build_id, build_order, jobs, seeded
from orchestrator.report import junit
from orchestrator.result.model import Case, CaseId, Status
from orchestrator.result.record import BootResult, Run, RunStatus
from orchestrator.result.store import RunStore
from orchestrator.scenario.model import AlignmentWorkload, Scenario, Workload
from orchestrator.suites import boot_suite
from orchestrator.workload.program import compile_program


@dataclass(frozen=True)
class Settings:
    """Where a run works: the cache, the results, and how many CPUs it may fill."""

    cache: Path
    results: Path
    jobs: int


def run_scenario(scenario: Scenario, settings: Settings, host: Host, executor: Executor, emit: Emit) -> Run:
    """Execute `scenario` and return the finished run, whose directory has everything as it happened.

    The kernel's faults become cases, also the infrastructure's in a job of its own.  Raises UsageError before
    anything is built, InfrastructureError where nothing could be done at all, and KeyboardInterrupt after having
    stopped every process and closed the run's directory.
    """
    scenario = seeded(scenario, secrets.randbits(32))
    store = RunStore.create(settings.results, scenario, jobs(scenario), views={"junit.xml": junit.render})
    runner = _Runner(scenario, settings, host, executor, store, emit)
    try:
        runner.work()
    except KeyboardInterrupt:
        host.stop_all()
        executor.shutdown(wait=True, cancel_futures=True)
        store.finish(RunStatus.INTERRUPTED, Interrupted.exit_status)
        raise
    except OrchError as error:
        host.stop_all()
        executor.shutdown(wait=True, cancel_futures=True)
        store.event(kind="failed", text=str(error))
        store.finish(RunStatus.FAILED, error.exit_status)
        raise
    return store.finish(RunStatus.FINISHED, exit_status(store.run, bad_input=runner.bad_input))


def exit_status(run: Run, *, bad_input: bool = False) -> int:
    """0 all as expected; 2 an input that only a job could refuse; 1 a kernel did not behave; 3 infrastructure failed.

    A kernel's misbehaviour is a finding and outranks the infrastructure's failure in another job.
    """
    statuses = {case.status for case in run.cases}
    if bad_input:
        return UsageError.exit_status
    if any(not status.expected and status is not Status.ERROR for status in statuses):
        return KernelBuildError.exit_status
    return 0 if run.ok else 3


class _Runner:
    """One run under way.  Only the thread that calls `work` submits jobs; a build job adds its own entry to `_builds`
    (and sets `bad_input`, which is never unset), which is read after the job has ended."""

    def __init__(
        self, scenario: Scenario, settings: Settings, host: Host, executor: Executor, store: RunStore, emit: Emit
    ) -> None:
        self.scenario = scenario
        self.settings = settings
        self.host = host
        self.executor = executor
        self.store = store
        self.bad_input = False
        self._consumer = emit
        self._order: tuple[tuple[Recipe, Recipe | None], ...] = ()
        self._under_way: dict[Future[None], Callable[[], None]] = {}
        self._builds: dict[str, KernelBuild] = {}

    def emit(self, event: Event) -> None:
        """Pass an event on, and keep it with the results unless it is mere progress."""
        if event.kind is not Kind.PROGRESS:
            self.store.event(**asdict(event))
        self._consumer(event)

    def work(self) -> None:
        """All of the run, to its last job."""
        cache = KernelCache(self.settings.cache)
        made = recipes(self.host, self.settings.cache, self.scenario.kernels, self.emit)
        self.builder = Builder(self.host, cache, self.settings.jobs, self.emit)
        self.bench = self._bench()
        self._order = build_order(made)
        self._submit_builds(after=None)
        while self._under_way:
            done, _ = wait(self._under_way, return_when=FIRST_COMPLETED)
            for future in done:
                followed_by = self._under_way.pop(future)
                future.result()
                followed_by()
        cache.sweep()

    def _bench(self) -> Bench:
        qemu = qemu_version(self.host)
        tools = {
            "orch": version("orch"),
            "virtme_ng": version("virtme-ng"),
            "qemu": qemu,
            "host_kernel": f"{os.uname().sysname} {os.uname().release}",
        }
        self.store.describe(host=self.host.name, tools=tools)
        root = guest_root(self.host, self.settings.cache)
        return Bench(
            self.host, self.settings.cache, root, self._program(), qemu, self.scenario, self.emit, self.settings.jobs
        )

    def _program(self) -> Path | None:
        """The directory of the alignment program, None where no workload needs it."""
        if not any(isinstance(workload, AlignmentWorkload) for workload in self.scenario.workloads):
            return None
        return compile_program(self.host, self.settings.cache).parent

    def _submit(self, job: Callable[[], None], then: Callable[[], None]) -> None:
        self._under_way[self.executor.submit(job)] = then

    def _submit_builds(self, after: Recipe | None) -> None:
        """Submit the builds that wait for that of `after`, however it ended."""
        for recipe, awaited in self._order:
            if awaited is after:
                self._submit_build(recipe)

    def _submit_build(self, recipe: Recipe) -> None:
        def follow() -> None:
            self._submit_builds(after=recipe)
            self._after_build(recipe)

        self._submit(lambda: self._build(recipe), follow)

    def _after_build(self, recipe: Recipe) -> None:
        build = self._builds.get(recipe.name)
        for workload in self.scenario.workloads:
            job = boot_id(recipe.name, workload.name)
            if build is None:
                self.store.skip_job(job, "its kernel did not build")
            else:
                self._submit_boot(build, recipe, workload, job)

    def _submit_boot(self, build: KernelBuild, recipe: Recipe, workload: Workload, job: str) -> None:
        self._submit(lambda: self._boot(build, recipe, workload, job), lambda: None)

    def _build(self, recipe: Recipe) -> None:
        """The build job: whatever goes wrong in it is a case of this kernel, and the others go on."""
        job, begun = build_id(recipe.name), monotonic()
        self.store.start_job(job)
        facts: dict[str, object] = {}
        failure = None
        try:
            build = self.builder.build(recipe)
            self._builds[recipe.name] = build
            facts = build_facts(build)
            keep_build_files(build, recipe, self.store.directory(job))
        except Interrupted:
            raise
        except OrchError as error:
            self.bad_input |= isinstance(error, UsageError)
            status = Status.FAIL if isinstance(error, KernelBuildError) else Status.ERROR
            failure = Case(CaseId.of_build(recipe.name), status, message=str(error))
            self.emit(Event(recipe.name, "build", Kind.NOTE, str(error)))
        self.store.end_build(job, facts, seconds=monotonic() - begun, failure=failure)

    def _boot(self, build: KernelBuild, recipe: Recipe, workload: Workload, job: str) -> None:
        begun = monotonic()
        self.store.start_job(job)
        result: BootResult = (
            boot_kernel(self.bench, build, workload, self.store, job)
            if isinstance(workload, AlignmentWorkload)
            else boot_suite(self.bench, build, recipe, workload, self.store, job)
        )
        self.store.end_boot(job, result, seconds=monotonic() - begun)
