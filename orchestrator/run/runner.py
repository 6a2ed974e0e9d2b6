# SPDX-License-Identifier: GPL-2.0-only
"""The jobs of one run: what each does, and what becomes of those that wait for one that failed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Executor
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from importlib.metadata import version
from pathlib import Path
from time import monotonic

from orchestrator.errors import Interrupted, KernelBuildError, OrchError, UsageError
from orchestrator.events import Emit, Event, Kind, ignore
from orchestrator.host.base import Host
from orchestrator.host.disk import needs_room
from orchestrator.host.lock import shared
from orchestrator.host.niced import Niced
from orchestrator.host.version import orch_version
from orchestrator.kernel.build.builder import Builder
from orchestrator.kernel.build.recipe import recipes
from orchestrator.kernel.cache.store import KernelCache, mark_used
from orchestrator.kernel.config.noiommu import refuse_build, refuse_requests
from orchestrator.kernel.model import AnyRecipe, KernelBuild
from orchestrator.kernel.remote.build_host import BuildHost
from orchestrator.kernel.remote.builder import RemoteBuilder
from orchestrator.machine.boothost.base import BootHost
from orchestrator.machine.model import BootEnd
from orchestrator.machine.rootfs.busybox import guest_root
from orchestrator.passthrough.pool import DevicePool
from orchestrator.result.model import Case, CaseId, Status
from orchestrator.result.run import BootResult, JobKind, JobStatus
from orchestrator.result.store.bounds import bounded, bounded_case
from orchestrator.result.store.writer import RunStore, View
from orchestrator.run.boot_job import ArchAssets, RunContext, boot_kernel, build_facts, failed_boot, keep_build_files
from orchestrator.run.dispatch import run_tasks
from orchestrator.run.durations import Durations
from orchestrator.run.estimate import (
    BuildCapacity,
    Capacity,
    Forecast,
    build_names,
    capacity_now,
    forecasts,
    guests_at_once,
    start_of,
)
from orchestrator.run.plan import boot_id, build_id
from orchestrator.run.schedule import Task
from orchestrator.run.suite_job import boot_suite
from orchestrator.scenario.model import AlignmentWorkload, Scenario, Workload
from orchestrator.workload.alignment.program import compile_program

_LONGEST_MESSAGE = 500
"""Characters of the message of an error that orch did not raise itself."""


@dataclass(frozen=True)
class Settings:
    """Where a run works: the cache, the results, and how many CPUs it may fill.

    `forced` are addresses of PCI functions that are given to the guests although the host uses them.  `views` are the
    files that are rendered from the run each time that a job ends, by name.
    """

    cache: Path
    results: Path
    jobs: int
    forced: tuple[str, ...] = ()
    views: Mapping[str, View] = field(default_factory=dict)


def makers_of(build_host: BuildHost | None) -> BuildCapacity | None:
    """Who compiles, where that is not this machine."""
    return BuildCapacity(build_host.jobs, build_host.host.name) if build_host else None


def capacity_of(scenario: Scenario, jobs: int, boot_host: BootHost, build_host: BuildHost | None) -> Capacity:
    """What there is for a run: `jobs` of this machine's CPUs, and what the hosts have.

    Raises CommandError where one is lost.
    """
    here, room = replace(capacity_now(jobs), away=makers_of(build_host)), boot_host.room()
    if room is None:
        return here
    return replace(here, elsewhere=guests_at_once(scenario.machine, *room), boot_host=boot_host.host.name)


class Runner:
    """One run under way.  Jobs run in threads of their own; a build job adds its own entry to `_builds`, which is read
    after the job has ended."""

    def __init__(
        self,
        scenario: Scenario,
        settings: Settings,
        host: Host,
        executor: Executor,
        store: RunStore,
        emit: Emit,
        boot_host: BootHost,
        pool: DevicePool,
        build_host: BuildHost | None,
    ) -> None:
        self.scenario = scenario
        self.settings = settings
        self.host = host
        self.executor = executor
        self.store = store
        self.pool = pool
        self.boot_host = boot_host
        self.build_host = build_host
        self._consumer = emit
        self._durations = Durations(settings.cache / "durations")
        self._forecasts: dict[str, Forecast] = {}
        self._builds: dict[str, KernelBuild] = {}
        self._unbuilt: set[str] = set()

    def emit(self, event: Event) -> None:
        """Pass an event on, and keep it with the results unless it is mere progress.

        A consumer that fails gets no more events: no job may end because it cannot be shown.
        """
        if event.kind is not Kind.PROGRESS:
            self.store.event(**asdict(event))
        try:
            self._consumer(event)
        except Exception as error:
            self._consumer = ignore
            self.store.keep_traceback(error)

    def work(self) -> None:
        """All of the run, to its last job; whoever wants to remove something from the cache waits until then."""
        cache = KernelCache(self.settings.cache)
        with (
            shared(self.host, cache.users, self._wait_for_cache),
            needs_room(cache.root, f"scenario '{self.scenario.name}'", self.store.path),
            self.boot_host.open(),
        ):
            try:
                self._work(cache)
            except BaseException:
                self.host.stop_all()
                self.boot_host.host.stop_all()
                if self.build_host:
                    self.build_host.host.stop_all()
                self.executor.shutdown(wait=True, cancel_futures=True)
                raise
            finally:
                self.pool.close()

    def _wait_for_cache(self) -> None:
        self.emit(Event("cache", "wait", Kind.NOTE, "waits for another orch, which removes from the cache"))

    def _work(self, cache: KernelCache) -> None:
        away = self.build_host.away if self.build_host else None
        made = recipes(self.host, self.settings.cache, self.scenario.kernels, self.emit, away)
        refuse_requests(self.scenario, made)
        self.builder = self._builder(cache)
        self.bench = self._bench()
        capacity = capacity_of(self.scenario, self.settings.jobs, self.boot_host, self.build_host)
        work = self._work_of(made)
        tasks = self._tasks(made, capacity)
        changed = partial(self._changed, made, capacity)
        run_tasks(tasks, capacity.limits, self.executor, lambda job: work[job](), changed)
        cache.sweep()

    def _builder(self, cache: KernelCache) -> Builder:
        builder = Builder(Niced(self.host), cache, self.settings.jobs, self.emit)
        return RemoteBuilder(**vars(builder), there=self.build_host) if self.build_host else builder

    def _tasks(self, made: Iterable[AnyRecipe], capacity: Capacity) -> tuple[Task, ...]:
        """The jobs of all kernels but those that did not build, as far as the cache tells now; what was begun stays as
        it was."""
        left = [recipe for recipe in made if recipe.name not in self._unbuilt]
        kernels = tuple(self.scenario.kernel(recipe.name) for recipe in left)
        scenario, cache = replace(self.scenario, kernels=kernels), self.builder.cache
        told = forecasts(scenario, left, cache, self._durations, capacity)
        begun = {job.id for job in self.store.run.jobs if job.status is not JobStatus.PENDING}
        for job in begun & told.keys():
            told[job] = replace(self._forecasts[job], task=replace(self._forecasts[job].task, after=()))
        self._forecasts |= told
        return tuple(forecast.task for forecast in told.values())

    def _bench(self) -> RunContext:
        arches = dict.fromkeys(kernel.arch for kernel in self.scenario.kernels)
        stations = {arch: self._station(arch) for arch in arches}
        tools = {
            "orch": orch_version(),
            "virtme_ng": version("virtme-ng"),
            "qemu": "; ".join(dict.fromkeys(station.qemu for station in stations.values())),
            "host_kernel": self.boot_host.system,
        }
        self.store.describe(host=self.boot_host.host.name, tools=tools)
        return RunContext(
            self.host,
            self.settings.cache,
            stations,
            self.scenario,
            self.emit,
            self.boot_host,
            self.settings.jobs,
            self.pool,
        )

    def _station(self, arch: str) -> ArchAssets:
        qemu, cache = self.boot_host.qemu(arch), self.settings.cache
        return ArchAssets(guest_root(self.host, cache, arch=arch), self._program(arch), qemu)

    def _program(self, arch: str) -> Path | None:
        """The directory of the alignment program, None where no workload needs it."""
        if not any(isinstance(workload, AlignmentWorkload) for workload in self.scenario.workloads):
            return None
        program = compile_program(self.host, self.settings.cache, arch).parent
        mark_used(program)
        return program

    def _work_of(self, made: Iterable[AnyRecipe]) -> dict[str, Callable[[], None]]:
        """What each job does, by its id."""
        work: dict[str, Callable[[], None]] = {}
        for recipe in made:
            work[build_id(recipe.name)] = partial(self._build, recipe)
            for workload in self.scenario.workloads:
                work[boot_id(recipe.name, workload.name)] = partial(self._boot, recipe, workload)
        return work

    def _changed(self, made: Iterable[AnyRecipe], capacity: Capacity, ended: str) -> tuple[Task, ...] | None:
        """What is left to do now that the job `ended`, where that built nothing: its kernel is not booted, and of those
        that were to start from its tree one goes first again."""
        job = self.store.run.job(ended)
        if job.kind is JobKind.BOOT or job.kernel in self._builds:
            return None
        self._unbuilt.add(job.kernel)
        for workload in self.scenario.workloads:
            self.store.skip_job(boot_id(job.kernel, workload.name), "its kernel did not build")
        return self._tasks(made, capacity)

    def _build(self, recipe: AnyRecipe) -> None:
        """The build job: whatever goes wrong in it is a case of this kernel, and the others go on."""
        job, begun = build_id(recipe.name), monotonic()
        self.store.start_job(job)
        facts: dict[str, object] = {}
        failure = None
        try:
            build = self._built(recipe)
            facts = build_facts(build, recipe)
            with needs_room(self.settings.cache, f"keeping the files of kernel '{recipe.name}'", self.store.path):
                keep_build_files(self.host, build, recipe, self.store.directory(job))
        except Interrupted:
            raise
        except Exception as error:
            failure = self._failed_build(recipe.name, job, error)
        self.store.end_build(job, facts, seconds=monotonic() - begun, failure=failure)

    def _failed_build(self, kernel: str, job: str, error: Exception) -> Case:
        """The case of a build that ended in `error`."""
        status = Status.FAIL if isinstance(error, KernelBuildError) else Status.ERROR
        message = self._explained(job, error)
        self.emit(Event(kernel, "build", Kind.NOTE, message))
        case = Case(CaseId.of_build(kernel), status, message=message, bad_input=isinstance(error, UsageError))
        return bounded_case(case)

    def _explained(self, job: str, error: Exception) -> str:
        """The sentence of an error that orch raises on purpose; of any other what it is, and where its traceback is."""
        if isinstance(error, OrchError | OSError):
            return str(error)
        kept = self.store.keep_traceback(error, job)
        return f"orch failed: {type(error).__name__}: {str(error)[:_LONGEST_MESSAGE]}; see {kept}"

    def _built(self, recipe: AnyRecipe) -> KernelBuild:
        makers = makers_of(self.build_host)
        way = start_of(self.builder.cache, recipe, seeded=makers is None).way
        build = self.builder.build(recipe)
        refuse_build(self.scenario, recipe, build)
        self._builds[recipe.name] = build
        if not build.cached:
            self._durations.record(build_names(recipe, way, makers or BuildCapacity(self.settings.jobs)), build.seconds)
        return build

    def _boot(self, recipe: AnyRecipe, workload: Workload) -> None:
        """The boot job: recorded is how long it took only where it ended as it should."""
        job, build, begun = boot_id(recipe.name, workload.name), self._builds[recipe.name], monotonic()
        self.store.start_job(job)
        try:
            result = bounded(self._booted(recipe, build, workload, job))
        except Interrupted:
            raise
        except Exception as error:
            result = failed_boot(build.name, workload, self._explained(job, error))
        seconds = monotonic() - begun
        if result.boot.end is BootEnd.OK:
            self._durations.record(self._forecasts[job].names, seconds)
        self.store.end_boot(job, result, seconds=seconds)

    def _booted(self, recipe: AnyRecipe, build: KernelBuild, workload: Workload, job: str) -> BootResult:
        if isinstance(workload, AlignmentWorkload):
            return boot_kernel(self.bench, build, workload, self.store, job)
        return boot_suite(self.bench, build, recipe, workload, self.store, job)
