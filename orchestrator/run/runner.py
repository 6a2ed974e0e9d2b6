# SPDX-License-Identifier: GPL-2.0-only
"""The jobs of one run: what each does, and which are left when a kernel does not build."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Executor
from dataclasses import replace
from functools import partial
from itertools import product
from time import monotonic

from orchestrator.errors import Interrupted, KernelBuildError, OrchError, UsageError
from orchestrator.events import Event, Kind
from orchestrator.host.disk import report_full_disk
from orchestrator.kernel.build.builder import Builder
from orchestrator.kernel.config.needs import refuse_build
from orchestrator.kernel.model import AnyRecipe, KernelBuild
from orchestrator.machine.model import BootEnd
from orchestrator.result.model import Case, CaseId, Status
from orchestrator.result.run import BootResult, JobKind, JobStatus
from orchestrator.result.store.bounds import bounded, bounded_case
from orchestrator.run.boot_job import boot_kernel, failed_boot
from orchestrator.run.build_job import build_facts, keep_build_files
from orchestrator.run.context import ArchAssets, RunContext
from orchestrator.run.dispatch import run_tasks
from orchestrator.run.durations import Durations
from orchestrator.run.estimate import Capacity, Forecast, build_names, forecasts, start_of
from orchestrator.run.plan import boot_id, build_id, rounds
from orchestrator.run.schedule import Task
from orchestrator.run.suite_job import boot_suite
from orchestrator.scenario.model import MeasuringWorkload, Workload

_LONGEST_MESSAGE = 500
"""Characters of the message of an error that orch did not raise itself."""


class Runner:
    """The jobs of one run.

    Each job runs in a thread of the executor.  A build job adds its own entry to `_builds`, which is read after the job
    has ended.
    """

    def __init__(
        self,
        context: RunContext,
        builder: Builder,
        recipes: Iterable[AnyRecipe],
        assets: Mapping[str, ArchAssets],
        capacity: Capacity,
    ) -> None:
        """`recipes` has one recipe for each kernel of the scenario; `assets` are by architecture."""
        self._context = context
        self._builder = builder
        self._recipes = tuple(recipes)
        self._assets = assets
        self._capacity = capacity
        self._durations = Durations(context.settings.cache / "durations")
        self._forecasts: dict[str, Forecast] = {}
        self._builds: dict[str, KernelBuild] = {}
        self._unbuilt: set[str] = set()

    def run(self, executor: Executor) -> None:
        """Run all jobs, each in a thread of `executor`, and return when all have ended."""
        work = self._work()
        run_tasks(self._tasks(), self._capacity.limits, executor, lambda job: work[job](), self._changed)

    def _work(self) -> dict[str, Callable[[], None]]:
        """Return the function of each job, by the job's id."""
        work: dict[str, Callable[[], None]] = {}
        for recipe in self._recipes:
            work[build_id(recipe.name)] = partial(self._build, recipe)
            for workload, number in self._boots():
                work[boot_id(recipe.name, workload.name, number)] = partial(self._boot, recipe, workload, number)
        return work

    def _boots(self) -> Iterator[tuple[Workload, int]]:
        """Yield the workload and the round of each boot of a kernel."""
        yield from product(self._context.scenario.workloads, rounds(self._context.scenario))

    def _tasks(self) -> tuple[Task, ...]:
        """Return the jobs of all kernels except those that did not build, as the cache is now.

        A job that was started keeps its forecast.
        """
        left = [recipe for recipe in self._recipes if recipe.name not in self._unbuilt]
        kernels = tuple(self._context.scenario.kernel(recipe.name) for recipe in left)
        scenario, cache = replace(self._context.scenario, kernels=kernels), self._builder.cache
        found = forecasts(scenario, left, cache, self._durations, self._capacity)
        started = {job.id for job in self._context.store.run.jobs if job.status is not JobStatus.PENDING}
        for job in started & found.keys():
            found[job] = replace(self._forecasts[job], task=replace(self._forecasts[job].task, after=()))
        self._forecasts |= found
        return tuple(forecast.task for forecast in found.values())

    def _changed(self, ended: str) -> tuple[Task, ...] | None:
        """Return the tasks that are left after the job `ended`; None if it changed nothing for the others.

        A kernel that did not build is not booted; of the kernels that waited for its tree, one is built first.
        """
        store = self._context.store
        job = store.run.job(ended)
        if job.kind is JobKind.BOOT or job.kernel in self._builds:
            return None
        self._unbuilt.add(job.kernel)
        for workload, number in self._boots():
            store.skip_job(boot_id(job.kernel, workload.name, number), "its kernel did not build")
        return self._tasks()

    def _build(self, recipe: AnyRecipe) -> None:
        """Do the build job of `recipe`.  A failure becomes a case of this kernel; the other jobs continue."""
        settings, store = self._context.settings, self._context.store
        job, started = build_id(recipe.name), monotonic()
        store.start_job(job)
        facts: dict[str, object] = {}
        failure = None
        try:
            build = self._built(recipe)
            facts = build_facts(build, recipe, self._context.scenario.kernel(recipe.name))
            with report_full_disk(settings.cache, f"keeping the files of kernel '{recipe.name}'", store.path):
                keep_build_files(self._context.host, build, recipe, store.directory(job))
        except Interrupted:
            raise
        except Exception as error:
            failure = self._failed_build(recipe.name, job, error)
        store.end_build(job, facts, seconds=monotonic() - started, failure=failure)

    def _built(self, recipe: AnyRecipe) -> KernelBuild:
        capacity = self._capacity
        kind = start_of(self._builder.cache, recipe, seeded=capacity.away is None).kind
        build = self._builder.build(recipe)
        refuse_build(self._context.scenario, recipe, build)
        self._builds[recipe.name] = build
        if not build.cached:
            self._durations.record(build_names(recipe, kind, capacity.makers), build.seconds)
        return build

    def _failed_build(self, kernel: str, job: str, error: Exception) -> Case:
        """Return the case of a build that ended with `error`."""
        status = Status.FAIL if isinstance(error, KernelBuildError) else Status.ERROR
        message = self._explain(job, error)
        self._context.emit(Event(kernel, "build", Kind.NOTE, message))
        case = Case(CaseId.of_build(kernel), status, message=message, bad_input=isinstance(error, UsageError))
        return bounded_case(case)

    def _explain(self, job: str, error: Exception) -> str:
        """Return the message of an error that orch raised on purpose; of others the type and the traceback's path."""
        if isinstance(error, OrchError | OSError):
            return str(error)
        kept = self._context.store.keep_traceback(error, job)
        return f"orch failed: {type(error).__name__}: {str(error)[:_LONGEST_MESSAGE]}; see {kept}"

    def _boot(self, recipe: AnyRecipe, workload: Workload, number: int) -> None:
        """Do the boot job of a kernel and a workload, in round `number`.

        Its duration is recorded only if it ended well.
        """
        store = self._context.store
        job, build, started = boot_id(recipe.name, workload.name, number), self._builds[recipe.name], monotonic()
        store.start_job(job)
        try:
            result = bounded(self._booted(recipe, build, workload, job))
        except Interrupted:
            raise
        except Exception as error:
            result = failed_boot(build.name, workload, self._explain(job, error))
        result = replace(result, round=number)
        seconds = monotonic() - started
        if result.boot.end is BootEnd.OK:
            self._durations.record(self._forecasts[job].names, seconds)
        store.end_boot(job, result, seconds=seconds)

    def _booted(self, recipe: AnyRecipe, build: KernelBuild, workload: Workload, job: str) -> BootResult:
        assets = self._assets[build.arch]
        if isinstance(workload, MeasuringWorkload):
            return boot_kernel(self._context, assets, build, workload, job)
        return boot_suite(self._context, assets, build, recipe, workload, job)
