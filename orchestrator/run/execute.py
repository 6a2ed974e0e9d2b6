# SPDX-License-Identifier: GPL-2.0-only
"""Run a scenario from its devices to its exit status; the result directory is closed however the run ends."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from concurrent.futures import Executor
from contextlib import contextmanager, suppress

from orchestrator.errors import InfrastructureError, Interrupted, KernelBuildError, OrchError, UsageError
from orchestrator.events import Emit, Event, Kind
from orchestrator.host.base import Host
from orchestrator.host.disk import report_full_disk
from orchestrator.host.lock import shared
from orchestrator.host.niced import Niced
from orchestrator.kernel.build.builder import Builder
from orchestrator.kernel.build.recipe import recipes
from orchestrator.kernel.cache.store import KernelCache
from orchestrator.kernel.config.needs import refuse_requests
from orchestrator.kernel.model import AnyRecipe
from orchestrator.kernel.remote.build_host import BuildHost
from orchestrator.kernel.remote.builder import RemoteBuilder
from orchestrator.machine.boothost.base import BootHost, LocalBootHost
from orchestrator.passthrough.pool import resolve_devices
from orchestrator.result.model import Status
from orchestrator.result.run import Run, RunStatus
from orchestrator.result.store.writer import RunStore
from orchestrator.run.context import EventLog, RunContext, Settings, prepare_assets
from orchestrator.run.estimate import capacity_of
from orchestrator.run.plan import jobs, seeded
from orchestrator.run.runner import Runner
from orchestrator.scenario.model import Scenario


def threads(jobs: int, boot_host: BootHost, build_host: BuildHost | None) -> int:
    """Return how many threads an executor needs so that no job waits for one.

    That is a build and a boot for each CPU to fill, and some for kernels that are cached or only fetched.  Raises
    CommandError if the connection to a host is lost.
    """
    boots, _ = boot_host.room() or (jobs, 0)
    return boots + (build_host.jobs if build_host else jobs) + 2


def run_scenario(
    scenario: Scenario,
    settings: Settings,
    host: Host,
    executor: Executor,
    emit: Emit,
    boot_host: BootHost | None = None,
    build_host: BuildHost | None = None,
) -> Run:
    """Run `scenario` and return the finished run, whose directory has all results as they came.

    `host` is this machine; `boot_host` is where the guests boot, and `build_host` where the kernels are built: this
    machine if None.  A fault of a kernel becomes a case, and so does an infrastructure failure within a job.  Raises
    UsageError before anything is built, InfrastructureError if nothing could be done at all, and KeyboardInterrupt
    after every process was stopped and the run's directory was closed.
    """
    notes: list[str] = []
    boot_host = boot_host or LocalBootHost(host, settings.cache / "vng-home")
    scenario, pool = resolve_devices(
        boot_host.host, seeded(scenario, secrets.randbits(32)), settings.forced, notes.append, boot_host.given
    )
    store = RunStore.create(settings.results, scenario, jobs(scenario), views=settings.views)
    with closed(store):
        events = EventLog(store, emit)
        context = RunContext(scenario, settings, host, boot_host, store, events, pool, build_host)
        for note in notes:
            context.emit(Event("devices", "choose", Kind.NOTE, note))
        _run_jobs(context, executor)
        return store.finish(RunStatus.FINISHED, exit_status(store.run))


def _run_jobs(context: RunContext, executor: Executor) -> None:
    """Run all jobs; on an error, stop what was started."""
    cache = KernelCache(context.settings.cache)
    with working(context, cache):
        try:
            _runner(context, cache).run(executor)
            cache.sweep()
        except BaseException:
            _stop(context)
            executor.shutdown(wait=True, cancel_futures=True)
            raise


@contextmanager
def working(context: RunContext, cache: KernelCache) -> Iterator[None]:
    """Use the cache, the boot host and the devices for the time of the context; on an error, stop what was started."""

    def note_wait() -> None:
        context.emit(Event("cache", "wait", Kind.NOTE, "waits for another orch, which removes from the cache"))

    with (
        shared(context.host, cache.users, note_wait),
        report_full_disk(cache.root, f"scenario '{context.scenario.name}'", context.store.path),
        context.boot_host.open(),
    ):
        try:
            yield
        except BaseException:
            _stop(context)
            raise
        finally:
            context.pool.close()


def _stop(context: RunContext) -> None:
    context.host.stop_all()
    context.boot_host.host.stop_all()
    if context.build_host:
        context.build_host.host.stop_all()


def _runner(context: RunContext, cache: KernelCache) -> Runner:
    """Prepare what must be ready before the first job: recipes, the builder, and the guests' programs."""
    made, builder = prepared(context, cache)
    capacity = capacity_of(context.scenario, context.settings.jobs, context.boot_host, context.build_host)
    return Runner(context, builder, made, prepare_assets(context), capacity)


def prepared(context: RunContext, cache: KernelCache) -> tuple[tuple[AnyRecipe, ...], Builder]:
    """Return the recipes of the scenario's kernels, and what builds them.

    Raises UsageError for a patch or a configuration that cannot be.
    """
    settings, build_host = context.settings, context.build_host
    away = build_host.away if build_host else None
    made = recipes(context.host, settings.cache, context.scenario.kernels, context.emit, away)
    refuse_requests(context.scenario, made)
    builder = Builder(Niced(context.host), cache, settings.jobs, context.emit)
    if build_host:
        builder = RemoteBuilder(**vars(builder), there=build_host)
    return made, builder


@contextmanager
def closed(store: RunStore) -> Iterator[None]:
    """Record in the run's directory how the work ends, with the traceback of an unexpected error."""
    try:
        yield
    except KeyboardInterrupt:
        _finish(store, RunStatus.INTERRUPTED, Interrupted.exit_status)
        raise
    except OrchError as error:
        with suppress(OrchError):  # a full disk cannot take it
            store.event(kind="failed", text=str(error))
        _finish(store, RunStatus.FAILED, error.exit_status)
        raise
    except BaseException as error:
        kept = store.keep_traceback(error)
        _finish(store, RunStatus.FAILED, InfrastructureError.exit_status)
        if not isinstance(error, Exception):
            raise
        raise InfrastructureError(f"orch failed: {type(error).__name__}: {error}; see {kept}") from error


def _finish(store: RunStore, status: RunStatus, exit_status: int) -> None:
    """Close the run's directory, even if a signal interrupts that once."""
    try:
        store.finish(status, exit_status)
    except KeyboardInterrupt:
        store.finish(status, exit_status)


def exit_status(run: Run) -> int:
    """Return the exit status that follows from the cases and jobs of `run`; the stored one is not used.

    0: all as expected; 2: a job refused an input of the user; 1: a kernel did not behave; 3: the infrastructure
    failed, or not all jobs ran; 130: interrupted.  A kernel's misbehaviour is a finding and outranks an infrastructure
    failure in another job.
    """
    if run.status is RunStatus.INTERRUPTED and run.unfinished:
        return Interrupted.exit_status
    if any(case.bad_input for case in run.cases):
        return UsageError.exit_status
    statuses = {case.status for case in run.cases}
    if any(not status.expected and status is not Status.ERROR for status in statuses):
        return KernelBuildError.exit_status
    return 0 if run.ok and run.status is not RunStatus.FAILED else InfrastructureError.exit_status
