# SPDX-License-Identifier: GPL-2.0-only
"""Execute a scenario: builds and boots on an executor, every result stored as it comes."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from concurrent.futures import Executor
from contextlib import contextmanager, suppress

from orchestrator.errors import InfrastructureError, Interrupted, KernelBuildError, OrchError, UsageError
from orchestrator.events import Emit, Event, Kind
from orchestrator.host.base import Host
from orchestrator.kernel.remote.build_host import BuildHost
from orchestrator.machine.boothost.base import BootHost, LocalBootHost
from orchestrator.passthrough.pool import resolve_devices
from orchestrator.result.model import Status
from orchestrator.result.run import Run, RunStatus
from orchestrator.result.store.writer import RunStore
from orchestrator.run.plan import jobs, seeded
from orchestrator.run.runner import Runner, Settings
from orchestrator.scenario.model import Scenario


def threads(jobs: int, boot_host: BootHost, build_host: BuildHost | None) -> int:
    """How many threads an executor needs so that no job waits for one: a build and a boot for each CPU to fill, and
    some for kernels that are there already or are only fetched.  Raises CommandError where a host is lost."""
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
    """Execute `scenario` and return the finished run, whose directory has everything as it happened.

    `host` is this machine; `boot_host` is where the guests boot, and `build_host` who compiles: this machine if None.
    The kernel's faults become cases, also the infrastructure's in a job of its own.  Raises UsageError before
    anything is built, InfrastructureError where nothing could be done at all, and KeyboardInterrupt after having
    stopped every process and closed the run's directory.
    """
    notes: list[str] = []
    boot_host = boot_host or LocalBootHost(host, settings.cache / "vng-home")
    scenario, pool = resolve_devices(
        boot_host.host, seeded(scenario, secrets.randbits(32)), settings.forced, notes.append, boot_host.given
    )
    store = RunStore.create(settings.results, scenario, jobs(scenario), views=settings.views)
    with closed(store):
        runner = Runner(scenario, settings, host, executor, store, emit, boot_host, pool, build_host)
        for note in notes:
            runner.emit(Event("devices", "choose", Kind.NOTE, note))
        runner.work()
        return store.finish(RunStatus.FINISHED, exit_status(store.run))


@contextmanager
def closed(store: RunStore) -> Iterator[None]:
    """However the work ends, the run's directory says so, and has the traceback of an error that is orch's own."""
    try:
        yield
    except KeyboardInterrupt:
        _finish(store, RunStatus.INTERRUPTED, Interrupted.exit_status)
        raise
    except OrchError as error:
        with suppress(OrchError):  # a full disk does not take it
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
    """Close the run's directory, also where a signal comes meanwhile."""
    try:
        store.finish(status, exit_status)
    except KeyboardInterrupt:
        store.finish(status, exit_status)


def exit_status(run: Run) -> int:
    """The exit status that follows from the cases and jobs of `run`, whatever is stored as such.

    0 all as expected; 2 an input that only a job could refuse; 1 a kernel did not behave; 3 infrastructure failed, or
    not all was run; 130 it was interrupted.  A kernel's misbehaviour is a finding and outranks the infrastructure's
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
