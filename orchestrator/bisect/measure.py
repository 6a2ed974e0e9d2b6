# SPDX-License-Identifier: GPL-2.0-only
"""Measure a commit: run the scenario on it alone."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path
from time import monotonic

from orchestrator.bisect.judge import BUILD, function_in
from orchestrator.bisect.model import CaseResult, Question, Trial
from orchestrator.errors import InfrastructureError, UsageError
from orchestrator.events import Emit
from orchestrator.host.local import LocalHost
from orchestrator.kernel.remote.build_host import BuildHost
from orchestrator.machine.boothost.base import BootHost
from orchestrator.machine.model import BootEnd
from orchestrator.report.views import VIEWS
from orchestrator.result.compare.alignment import CHECKS, measured
from orchestrator.result.compare.readings import Reader, places
from orchestrator.result.model import Case, CaseId, Status
from orchestrator.result.run import JobKind, JobStatus, Run
from orchestrator.run.context import Settings
from orchestrator.run.execute import run_scenario, threads
from orchestrator.run.plan import seeded
from orchestrator.scenario.model import Kernel, Scenario
from orchestrator.scenario.resolve.files import is_address
from orchestrator.scenario.sources import GitSource, TreeSource

_NO_NUMBERS = ("run", "oracle", "attributes", "log", "boot")
"""The checks without a number that an expectation can state."""


Places = Callable[[Scenario, LocalHost], AbstractContextManager[tuple[BootHost, BuildHost | None]]]
"""A function that opens the host for the guests of a scenario, and the one for its builds; None for this machine."""


@dataclass(frozen=True)
class CommitRunner:
    """The measurement of commits with a scenario.

    The base of the scenario is taken from each commit.  For the time of one trial, `watch` opens the display of
    progress, and `places` opens the hosts.
    """

    scenario: Scenario
    question: Question
    cache: Path
    jobs: int
    watch: Callable[[], AbstractContextManager[Emit]]
    places: Places

    def __call__(self, commit: str, cases: tuple[str, ...], results: Path) -> Trial:
        """Build, boot and measure `commit`, with its run in `results`.

        Only the workloads that report `cases` are run; all if it is empty.  Raises InfrastructureError, and
        KeyboardInterrupt after all that was started has been stopped.
        """
        started = monotonic()
        host = LocalHost()  # a new one, since a host that was stopped cannot be used again
        scenario = scenario_at(self.scenario, self.question, commit, cases)
        settings = Settings(self.cache, results, self.jobs, self.question.forced, VIEWS)
        with (
            self.watch() as emit,
            self.places(scenario, host) as (boot_host, build_host),
            ThreadPoolExecutor(threads(self.jobs, boot_host, build_host), thread_name_prefix="job") as executor,
        ):
            try:
                run = run_scenario(scenario, settings, host, executor, emit, boot_host, build_host)
            except UsageError as error:
                return Trial(commit, "", monotonic() - started, refused=first_line(error))
        return trial_of(run, commit, monotonic() - started)


def scenario_at(scenario: Scenario, question: Question, commit: str, cases: tuple[str, ...]) -> Scenario:
    """Return `scenario` with only the bisected kernel, at `commit`, and the workloads that report `cases`."""
    kernel = replace(scenario.kernel(question.kernel), source=GitSource(question.repository, commit))
    needed = {name.partition("/")[0] for name in cases}
    workloads = tuple(workload for workload in scenario.workloads if workload.name in needed) or scenario.workloads
    # A bisection repeats a measurement itself, and judges each alone (--repeat).
    alone = replace(scenario, base=kernel.name, kernels=(kernel,), workloads=workloads, repeat=1)
    return seeded(alone, question.seed)


def trial_of(run: Run, commit: str, seconds: float) -> Trial:
    """Return the trial of `commit` from `run`, which has one kernel.

    Raises InfrastructureError if the kernel could not be built for a reason other than the commit.
    """
    kernel = run.scenario.base
    facts = run.kernels.get(kernel, {})
    objects = 0 if facts.get("cached") else int(str(facts.get("objects", 0)))
    failed = next(iter(run.builds), None)
    path = f"steps/{run.path.parent.name}/{run.path.name}"
    if failed and failed.status is Status.ERROR:
        if run.exit_status != UsageError.exit_status:
            raise InfrastructureError(failed.message)
        return Trial(commit, path, seconds, objects, refused=first_line(failed.message))
    built = any(job.kind is JobKind.BUILD and job.status is JobStatus.DONE for job in run.jobs)
    build = [CaseResult(BUILD, Status.PASS)] if built else []
    cases = (*build, *_boots(run), *map(_result, run.cases))
    return Trial(commit, path, seconds, objects, cases, tuple(_numbers(run, kernel)))


def _boots(run: Run) -> Iterable[CaseResult]:
    """Yield a PASS for each boot that ended as it should.

    The run itself has no case of it.
    """
    for boot in run.boots:
        case_id = CaseId.of_boot(boot.kernel, boot.workload, boot.device)
        if boot.boot.end is BootEnd.OK and all(case.id != case_id for case in boot.cases):
            yield CaseResult(case_id.name, Status.PASS)


def _result(case: Case) -> CaseResult:
    function = function_in(case.lines) if case.status is Status.CRASH else ""
    return CaseResult(case.id.name, case.status, case.expected, case.measured, case.message, function)


def _numbers(run: Run, kernel: str) -> Iterable[tuple[str, str]]:
    reader = Reader(run)
    for place in places(run):
        reading = reader.read(kernel, place)
        for check in CHECKS:
            value = "" if check in _NO_NUMBERS else measured(check, reading)
            if value:
                yield place.case(kernel, check).name, value


def first_line(message: object) -> str:
    """Return the first line of an error's message."""
    return str(message).splitlines()[0] if str(message) else ""


def repository_of(kernel: Kernel, given: str) -> str:
    """Return the repository to bisect.

    It is the one `given` on the command line, or that of the kernel's source.  Raises UsageError for a source without a
    history, and for a prebuilt kernel.
    """
    if kernel.prebuilt:
        problem = f"kernel '{kernel.name}', the base, is booted as it is, so that no commit can be built like it"
        raise UsageError(f"{kernel.where}: {problem}; choose a scenario whose base is built")
    if given:
        return given if is_address(given) else str(Path(given).expanduser().absolute())
    match kernel.source:
        case GitSource(repository=repository):
            return repository
        case TreeSource(path=path):
            return str(path)
    problem = f"{kernel.where}: the source of kernel '{kernel.name}' has no history to bisect"
    raise UsageError(f"{problem}; give a repository with --git, or a source such as {{git: ~/linux, ref: master}}")


def digest_of(scenario: Scenario, kernel: Kernel) -> str:
    """Return the digest of all that decides what is measured.

    It is of the scenario's file, the fragments and the patches.
    """
    patches = [path for path in kernel.patches if isinstance(path, Path)]
    files = [scenario.path, *kernel.config]
    files += [file for path in patches for file in (sorted(path.iterdir()) if path.is_dir() else [path])]
    digest = hashlib.sha256()
    for file in files:
        digest.update(hashlib.sha256(file.read_bytes() if file.is_file() else b"").digest())
    return digest.hexdigest()
