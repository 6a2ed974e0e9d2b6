# SPDX-License-Identifier: GPL-2.0-only
"""Write the result directory, the interface between a run and its readers.

Users check and reproduce a run with it, too.

    results/latest → <run>            the newest run
    results/<run>/
        run.json                      the run and its jobs: rewritten whenever a job starts or ends
        scenario.yaml                 an exact copy
        junit.xml, …                  views: rewritten whenever a job ends
        events.jsonl                  the events, one per line
        kernels/<kernel>/             result.json, and files of the build (config, build.log)
        boots/<kernel>/<workload>/    result.json, and files of the boot (console.log, ktap.log, measurements.jsonl);
                                      if each kernel is booted several times, a directory for each boot: 1, 2, ...

Each file is replaced as a whole, or grows by whole lines; so a run that was killed at any point can be read.  A job's
`result.json` is written before `run.json` records that the job is done.
"""

from __future__ import annotations

import hashlib
import threading
import traceback
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from orchestrator.errors import InfrastructureError, UsageError
from orchestrator.result.model import Case
from orchestrator.result.repeated import with_boot
from orchestrator.result.run import (
    BootResult,
    Job,
    JobStatus,
    Run,
    RunStatus,
    ScenarioRecord,
    with_failed_build,
    with_job,
)
from orchestrator.result.store.codec import encode_boot, encode_build, encode_run
from orchestrator.result.store.files import (
    append_line,
    disk_errors,
    make_directory,
    plain,
    point_symlink,
    to_json,
    write_atomically,
)
from orchestrator.result.store.load import LATEST, RESULT_FILE, RUN_FILE, find_run, load_run, read_events
from orchestrator.result.store.patience import Reserve, patiently
from orchestrator.scenario.model import Scenario

__all__ = ["RunStore", "View", "find_run", "load_run", "read_events"]

TRACEBACK = "traceback.txt"
"""The file for the traceback of an error in orch itself."""

View = Callable[[Run], str]
"""A function that renders a file of the run directory from the run, such as JUnit."""


def _now() -> datetime:
    return datetime.now(UTC)


class RunStore:
    """The writer of one run's directory, during the run.

    All methods may be called from several threads.  All of them raise InfrastructureError if a file cannot be written.
    """

    def __init__(self, run: Run, views: Mapping[str, View], now: Callable[[], datetime]) -> None:
        """Set the initial state; to make a store, use `create`."""
        self._run = run
        self._views = dict(views)
        self._now = now
        self._started = now()
        self._lock = threading.RLock()
        self._unrendered = False
        self._reserve = Reserve(run.path)

    @classmethod
    def create(
        cls,
        results: Path,
        scenario: Scenario,
        jobs: tuple[Job, ...],
        *,
        views: Mapping[str, View] | None = None,
        now: Callable[[], datetime] = _now,
    ) -> RunStore:
        """Make a new run directory in `results` with a copy of the scenario.

        `latest` then points to it.  `views` are, by name, the files that are rendered from the run each time a job
        ends.  `now` returns the time in UTC.  Raises UsageError if the scenario's file cannot be read.
        """
        text = _scenario_text(scenario)
        directory = _new_directory(make_directory(results.resolve()), scenario.name, now())
        write_atomically(directory / "scenario.yaml", text)
        run = Run(
            id=directory.name,
            path=directory,
            status=RunStatus.RUNNING,
            scenario=_record(scenario, text),
            started=_iso(now()),
            jobs=jobs,
        )
        store = cls(run, views or {}, now)
        store._save(store._rendered())
        point_symlink(directory.parent / LATEST, directory.name)
        return store

    @property
    def run(self) -> Run:
        """The run in its present state."""
        with self._lock:
            return self._run

    @property
    def path(self) -> Path:
        """The run directory, absolute."""
        return self.run.path

    def directory(self, job_id: str) -> Path:
        """Return a job's directory, absolute, and create it if it is missing.  Raises KeyError for an unknown job."""
        return make_directory(self.path / self.run.job(job_id).directory)

    def describe(self, *, host: str = "", accelerator: str = "", tools: Mapping[str, str] | None = None) -> None:
        """Record the host, the accelerator and the tools of the run.

        What is left out is not changed.  `tools` are versions by name (orch, qemu, virtme-ng); `accelerator` is the one
        that is really used.
        """
        with self._lock:
            self._run = replace(
                self._run,
                host=host or self._run.host,
                accelerator=accelerator or self._run.accelerator,
                tools={**self._run.tools, **(tools or {})},
            )
            self._save()

    def event(self, **fields: object) -> None:
        """Append one line with the time and `fields` to `events.jsonl`.

        The values must be JSON or have a `str`.
        """
        with self._lock:
            record = {"time": _iso(self._now()), **fields}
            patiently(lambda: append_line(self.path / "events.jsonl", record))

    def keep_traceback(self, error: BaseException, job_id: str = "") -> Path:
        """Write the traceback of `error` to the directory of a job, or of the run.

        Returns the path, relative to the run directory.  An error of the disk is ignored: it would hide `error`.
        """
        directory = self.run.job(job_id).directory if job_id else Path()
        path = directory / TRACEBACK
        with suppress(InfrastructureError):
            make_directory(self.path / directory)
            write_atomically(self.path / path, "".join(traceback.format_exception(error)))
        return path

    def start_job(self, job_id: str) -> None:
        """Record that a job has started."""
        with self._lock:
            seconds = (self._now() - self._started).total_seconds()
            self._set_job(job_id, status=JobStatus.RUNNING, began=round(seconds, 3))
            self._save()

    def end_build(
        self, job_id: str, facts: Mapping[str, object], *, seconds: float, failure: Case | None = None
    ) -> None:
        """Store the provenance of a build, free-form JSON (key, version, source, patches, compiler, …).

        `failure` is the case of a build that failed, with the id `CaseId.of_build`.
        """
        with self._lock:
            job = self._run.job(job_id)
            path = self.directory(job_id) / RESULT_FILE
            self._write(path, to_json(encode_build(facts, failure)))
            self._run = replace(self._run, kernels={**self._run.kernels, job.kernel: plain(facts)})
            if failure:
                self._run = with_failed_build(self._run, failure)
            self._set_job(job_id, status=JobStatus.FAILED if failure else JobStatus.DONE, seconds=seconds)
            self._save(self._rendered())

    def end_boot(self, job_id: str, result: BootResult, *, seconds: float) -> None:
        """Store the result of a boot.  The job is FAILED if the boot did not end well, whatever its other cases are."""
        status = JobStatus.DONE if result.ended_well else JobStatus.FAILED
        with self._lock:
            self._write(self.directory(job_id) / RESULT_FILE, to_json(encode_boot(result)))
            self._run = with_boot(self._run, result)
            self._set_job(job_id, status=status, seconds=seconds)
            self._save(self._rendered())

    def skip_job(self, job_id: str, why: str) -> None:
        """Record that a job will not start, because a job that it needs failed."""
        with self._lock:
            self._set_job(job_id, status=JobStatus.SKIPPED, note=why)
            self._save(self._rendered())

    def finish(self, status: RunStatus, exit_status: int) -> Run:
        """End the run; jobs that still run become interrupted.  Returns the run as it was stored.

        If a view cannot be rendered, an `exit_status` of 0 is replaced by that of an InfrastructureError.
        """
        with self._lock:
            self._reserve.release()
            for job in self._run.jobs:
                if job.status is JobStatus.RUNNING:
                    self._set_job(job.id, status=JobStatus.INTERRUPTED)
            self._run = replace(self._run, status=status, exit_status=exit_status, ended=_iso(self._now()))
            texts = self._rendered()
            if self._unrendered and exit_status == 0:
                self._run = replace(self._run, exit_status=InfrastructureError.exit_status)
            self._save(texts)
            return self._run

    def _set_job(self, job_id: str, **changes: Any) -> None:
        self._run = with_job(self._run, replace(self._run.job(job_id), **changes))

    def _save(self, views: Mapping[str, str] | None = None) -> None:
        self._write(self._run.path / RUN_FILE, to_json(encode_run(self._run)))
        for name, text in (views or {}).items():
            self._write(self._run.path / name, text)

    def _rendered(self) -> dict[str, str]:
        """Return the rendered views.

        If one fails, its traceback is kept, and the run goes on without it.
        """
        self._unrendered = False
        texts = {}
        for name, view in self._views.items():
            try:
                texts[name] = view(self._run)
            except Exception as error:
                self._unrendered = True
                self.keep_traceback(error)
        return texts

    def _write(self, path: Path, content: str) -> None:
        patiently(lambda: write_atomically(path, content))


def _scenario_text(scenario: Scenario) -> bytes:
    try:
        return scenario.path.read_bytes()
    except OSError as error:
        raise UsageError(f"{scenario.path}: cannot read the scenario: {error.strerror}") from error


def _new_directory(results: Path, name: str, now: datetime) -> Path:
    """Create a new directory for a run.

    The same call finds a free name and takes it, so two runs cannot get the same one.
    """
    stem = f"{name}-{now:%Y%m%d-%H%M%S}"
    attempt = 1
    while True:
        path = results / (stem if attempt == 1 else f"{stem}-{attempt}")
        with disk_errors(path), suppress(FileExistsError):
            path.mkdir()
            return path
        attempt += 1


def _record(scenario: Scenario, text: bytes) -> ScenarioRecord:
    return ScenarioRecord(
        name=scenario.name,
        path=str(scenario.path),
        sha256=hashlib.sha256(text).hexdigest(),
        description=scenario.description,
        base=scenario.base,
        kernels=tuple(kernel.name for kernel in scenario.kernels),
        workloads=_by_name(scenario.workloads),
        devices=_by_name(scenario.devices),
        overrides=scenario.overrides,
        machine=plain(asdict(scenario.machine)),
    )


def _by_name(values: tuple[Any, ...]) -> dict[str, dict[str, object]]:
    return {value.name: plain(asdict(value)) for value in values}


def _iso(time: datetime) -> str:
    return time.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
