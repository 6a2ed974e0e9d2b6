# SPDX-License-Identifier: GPL-2.0-only
"""Execute a scenario: builds and boots on an executor, every result stored as it comes."""

from __future__ import annotations

import secrets
from concurrent.futures import Executor

from orchestrator.buildhost.host import BuildHost
from orchestrator.device.lender import settle
from orchestrator.errors import Interrupted, KernelBuildError, OrchError, UsageError
from orchestrator.events import Emit, Event, Kind
from orchestrator.host.base import Host
from orchestrator.machine.ground import Ground, LocalGround
from orchestrator.plan import jobs, seeded
from orchestrator.report import junit
from orchestrator.result.model import Status
from orchestrator.result.record import Run, RunStatus
from orchestrator.result.store import RunStore
from orchestrator.runner import Runner, Settings
from orchestrator.scenario.model import Scenario


def threads(jobs: int, ground: Ground, build_host: BuildHost | None) -> int:
    """How many threads an executor needs so that no job waits for one: a build and a boot for each CPU to fill, and
    some for kernels that are there already or are only fetched.  Raises CommandError where a host is lost."""
    boots, _ = ground.room() or (jobs, 0)
    return boots + (build_host.jobs if build_host else jobs) + 2


def run_scenario(
    scenario: Scenario,
    settings: Settings,
    host: Host,
    executor: Executor,
    emit: Emit,
    ground: Ground | None = None,
    build_host: BuildHost | None = None,
) -> Run:
    """Execute `scenario` and return the finished run, whose directory has everything as it happened.

    `host` is this machine; `ground` is where the guests boot, and `build_host` who compiles, this machine as well where
    they are None.
    The kernel's faults become cases, also the infrastructure's in a job of its own.  Raises UsageError before
    anything is built, InfrastructureError where nothing could be done at all, and KeyboardInterrupt after having
    stopped every process and closed the run's directory.
    """
    notes: list[str] = []
    ground = ground or LocalGround(host, settings.cache / "vng-home")
    scenario, lender = settle(
        ground.host, seeded(scenario, secrets.randbits(32)), settings.forced, notes.append, ground.given
    )
    store = RunStore.create(settings.results, scenario, jobs(scenario), views={"junit.xml": junit.render})
    runner = Runner(scenario, settings, host, executor, store, emit, ground, lender, build_host)
    for note in notes:
        runner.emit(Event("devices", "choose", Kind.NOTE, note))
    try:
        runner.work()
    except KeyboardInterrupt:
        store.finish(RunStatus.INTERRUPTED, Interrupted.exit_status)
        raise
    except OrchError as error:
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
