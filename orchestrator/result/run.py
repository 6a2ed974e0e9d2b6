# SPDX-License-Identifier: GPL-2.0-only
"""One execution of a scenario, as a value.

`store` writes it; the comparison and the reports read it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import Path

from orchestrator.machine.model import BootEnd, BootReport
from orchestrator.result.model import Case, Status
from orchestrator.workload.model import Measurement


class RunStatus(StrEnum):
    """The progress of a run.  A run that was killed is `interrupted` to every reader."""

    RUNNING = "running"
    FINISHED = "finished"
    INTERRUPTED = "interrupted"
    FAILED = "failed"
    """Stopped by an error of the infrastructure; results from before the error are kept."""


class JobKind(StrEnum):
    """The type of a job."""

    BUILD = "build"
    BOOT = "boot"


class JobStatus(StrEnum):
    """The progress of a job."""

    PENDING = "pending"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    SKIPPED = "skipped"
    """Never started, because a job that it needs failed."""
    INTERRUPTED = "interrupted"


@dataclass(frozen=True)
class Job:
    """One unit of work: build one kernel, or boot one kernel and run one workload.

    `began` is its start in seconds after the start of the run, None before; `seconds` is wall-clock time, None until
    the job has ended.  `note` is why a job was skipped.  `round` counts the boots of the same kernel and workload from
    1; it is 0 if there is only one.
    """

    id: str
    kind: JobKind
    kernel: str
    workload: str = ""
    status: JobStatus = JobStatus.PENDING
    seconds: float | None = None
    note: str = ""
    began: float | None = None
    round: int = 0

    @property
    def directory(self) -> Path:
        """The directory of the job's files, relative to the run directory."""
        if self.kind is JobKind.BUILD:
            return Path("kernels", self.kernel)
        return Path("boots", self.kernel, self.workload, *([str(self.round)] if self.round else ()))


@dataclass(frozen=True)
class BootResult:
    """The complete result of one boot: its end, the measurements and the verdicts.

    `round` is that of its job.  For several boots together it is 0; see `result.repeated`.
    """

    kernel: str
    workload: str
    device: str
    boot: BootReport
    cases: tuple[Case, ...] = ()
    measurements: tuple[Measurement, ...] = ()
    round: int = 0

    @property
    def ended_well(self) -> bool:
        """Whether the boot ended as it should, or in a known way.

        In a known way means that its `boot` case is as expected, such as an XFAIL.
        """
        return self.boot.end is BootEnd.OK or any(c.id.check == "boot" and c.status.expected for c in self.cases)


@dataclass(frozen=True)
class ScenarioRecord:
    """The scenario as it was run.

    `sha256` is of the file.  `workloads` and `devices` are for reports and users.  `overrides` are the options that
    replaced the kernels of the file; empty if the file's own were used.  `machine` has the fields of `Machine`; it is
    empty in a run that was stored before it was recorded.
    """

    name: str
    path: str
    sha256: str
    description: str
    base: str
    kernels: tuple[str, ...]
    workloads: Mapping[str, Mapping[str, object]] = field(default_factory=dict)
    devices: Mapping[str, Mapping[str, object]] = field(default_factory=dict)
    overrides: str = ""
    machine: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True)
class Run:
    """One execution of a scenario.

    `path` is the run directory.  `started` and `ended` are ISO 8601 in UTC, `ended` empty while it runs.  `tools`
    are versions by name.  `kernels` is what the `kernel` package reports of each build, free-form JSON.  `builds` has a
    case for each kernel that did not build.  `boots` has one entry for each kernel and workload that has booted, in the
    order of `jobs`; if they boot several times, the entry is what `result.repeated` makes of these boots, and `samples`
    has every one of them, in the order of `jobs`.
    """

    id: str
    path: Path
    status: RunStatus
    scenario: ScenarioRecord
    started: str
    ended: str = ""
    tools: Mapping[str, str] = field(default_factory=dict)
    host: str = ""
    accelerator: str = ""
    kernels: Mapping[str, Mapping[str, object]] = field(default_factory=dict)
    jobs: tuple[Job, ...] = ()
    builds: tuple[Case, ...] = ()
    boots: tuple[BootResult, ...] = ()
    exit_status: int | None = None
    samples: tuple[BootResult, ...] = ()

    @property
    def repeat(self) -> int:
        """How many times each kernel is booted for each workload."""
        return max((job.round for job in self.jobs), default=0) or 1

    @property
    def cases(self) -> tuple[Case, ...]:
        """All cases of the run: failed builds, then boots in job order."""
        return self.builds + tuple(case for boot in self.boots for case in boot.cases)

    @property
    def counts(self) -> dict[Status, int]:
        """The number of cases with each status; a status without a case is left out."""
        counted = Counter(case.status for case in self.cases)
        return {status: counted[status] for status in Status if counted[status]}

    @property
    def ok(self) -> bool:
        """Whether all jobs are done, no result is missing, and every case is as expected."""
        done = all(job.status is JobStatus.DONE for job in self.jobs)
        return done and self._complete and all(c.status.expected for c in self.cases)

    @property
    def _complete(self) -> bool:
        """Whether every kernel of the scenario has cases of every workload.

        The list of jobs does not matter.
        """
        booted = {(boot.kernel, boot.workload) for boot in self.boots if boot.cases}
        return all((kernel, name) in booted for kernel in self.scenario.kernels for name in self.scenario.workloads)

    @property
    def suites(self) -> tuple[str, ...]:
        """The workloads that are selftests or commands, not orch's own.

        They are read and shown in another way.
        """
        workloads = self.scenario.workloads.items()
        return tuple(name for name, workload in workloads if "targets" in workload or "command" in workload)

    @property
    def unfinished(self) -> tuple[Job, ...]:
        """The jobs that were planned and have not ended."""
        open_states = (JobStatus.PENDING, JobStatus.RUNNING, JobStatus.INTERRUPTED)
        return tuple(job for job in self.jobs if job.status in open_states)

    def job(self, job_id: str) -> Job:
        """Return the job called `job_id`.  Raises KeyError if there is none."""
        for job in self.jobs:
            if job.id == job_id:
                return job
        raise KeyError(job_id)

    def boot(self, kernel: str, workload: str) -> BootResult | None:
        """Return the result of booting `kernel` for `workload`, or None before its end.

        If it boots several times, it is the result of those that have ended, together.
        """
        found = (boot for boot in self.boots if (boot.kernel, boot.workload) == (kernel, workload))
        return next(found, None)

    def samples_of(self, kernel: str, workload: str) -> tuple[BootResult, ...]:
        """Return the result of every single boot of `kernel` for `workload` that has ended, in their order."""
        every = self.samples if self.repeat > 1 else self.boots
        return tuple(boot for boot in every if (boot.kernel, boot.workload) == (kernel, workload))


def with_job(run: Run, job: Job) -> Run:
    """Return `run` with `job` in place of the job of the same id."""
    return replace(run, jobs=tuple(job if old.id == job.id else old for old in run.jobs))


def with_failed_build(run: Run, case: Case) -> Run:
    """Return `run` with the case of a kernel that did not build.

    The cases are in the order of the scenario's kernels.
    """
    order = {name: at for at, name in enumerate(run.scenario.kernels)}
    kept = [old for old in run.builds if old.id != case.id]
    builds = sorted([*kept, case], key=lambda failed: order.get(failed.id.kernel, len(order)))
    return replace(run, builds=tuple(builds))
