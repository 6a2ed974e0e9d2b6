# SPDX-License-Identifier: GPL-2.0-only
"""A run always ends: whatever goes wrong in a job is that job's ERROR, and run.json says how the run ended."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Thread
from time import sleep

import pytest

from orchestrator.cli.commands import _ENDING, _terminable
from orchestrator.errors import InfrastructureError, Interrupted, KernelBuildError, PatchError, UsageError
from orchestrator.events import Event, Kind, ignore
from orchestrator.kernel.model import KernelBuild, Recipe
from orchestrator.machine.boothost.base import LocalBootHost
from orchestrator.machine.model import BootEnd, BootReport, Splat
from orchestrator.passthrough.pool import NOTHING_LENT
from orchestrator.report import junit
from orchestrator.result.model import Case, CaseId, Status
from orchestrator.result.run import BootResult, JobStatus, Run, RunStatus
from orchestrator.result.store.bounds import LONGEST_LINE, LONGEST_MESSAGE, LONGEST_NAME, MOST_CASES, bounded
from orchestrator.result.store.load import load_run
from orchestrator.result.store.writer import RunStore
from orchestrator.run import runner as runner_module
from orchestrator.run.boot_job import RunContext
from orchestrator.run.execute import closed, exit_status
from orchestrator.run.plan import boot_id, build_id, jobs
from orchestrator.run.runner import Runner, Settings
from orchestrator.scenario.model import Scenario
from tests.fakes import FakeHost
from tests.unit.result.store.test_tampered import show
from tests.unit.result.test_samples import WORKLOAD, scenario_at


class OddError(Exception):
    """An error that nothing expects, with text that is odd, too."""


ERRORS = (
    ValueError("no such [/dev/vfio/1]"),
    TypeError("\x1b[2J"),
    RecursionError(),
    MemoryError(),
    UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid"),
    ZeroDivisionError(),
    OverflowError("x" * 100_000),
    AssertionError(),
    StopIteration(),
    KeyError("a"),
    OddError("\ud800"),
    OSError(5, "Input/output error"),
    InfrastructureError("one sentence"),
)


@pytest.fixture
def scenario(tmp_path: Path) -> Scenario:
    (tmp_path / "s.yaml").write_text("name: s\n")
    return scenario_at(tmp_path / "s.yaml")


@pytest.fixture
def runner(scenario: Scenario, tmp_path: Path) -> Iterator[Runner]:
    """A run whose kernels are all built."""
    store = RunStore.create(tmp_path / "results", scenario, jobs(scenario), views={"junit.xml": junit.render})
    host = FakeHost()
    boot_host = LocalBootHost(host, tmp_path)
    with ThreadPoolExecutor(1) as executor:
        settings = Settings(tmp_path / "cache", tmp_path / "results", 1)
        made = Runner(scenario, settings, host, executor, store, ignore, boot_host, NOTHING_LENT, None)
        made.bench = RunContext(host, tmp_path / "cache", {}, scenario, ignore, boot_host)
        for kernel in scenario.kernels:
            made._builds[kernel.name] = KernelBuild(kernel.name, "key", tmp_path, "7.3.4", 1, 1.0, cached=True)
        yield made


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
    runner._boot(recipe("base"), WORKLOAD)
    run = load_run(runner.store.path)
    job = boot_id("base", "alignment")
    assert run.job(job).status is JobStatus.FAILED
    (case,) = run.cases
    assert case.status is Status.ERROR
    assert len(case.message) < 1000
    kept = runner.store.path / "boots/base/alignment/traceback.txt"
    assert kept.exists() is not is_expected(error)
    if kept.exists():
        assert type(error).__name__ in case.message
        assert "boots/base/alignment/traceback.txt" in case.message
        assert "in fail" in kept.read_text()
    show(run)
    assert exit_status(runner.store.run) == 3


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
    run = load_run(runner.store.path)
    assert run.job(build_id("base")).status is JobStatus.FAILED
    (case,) = run.cases
    assert case.status is (Status.FAIL if isinstance(error, KernelBuildError) else Status.ERROR)
    assert (runner.store.path / "kernels/base/traceback.txt").exists() is not (
        is_expected(error) or isinstance(error, UsageError | KernelBuildError)
    )
    status = 2 if isinstance(error, UsageError) else 1 if isinstance(error, KernelBuildError) else 3
    assert exit_status(runner.store.run) == status


def test_a_job_that_is_stopped_stays_so(runner: Runner, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(*_arguments: object) -> BootResult:
        raise Interrupted("stopped")

    monkeypatch.setattr(runner_module, "boot_kernel", stop)
    with pytest.raises(Interrupted):
        runner._boot(recipe("base"), WORKLOAD)


def test_a_display_that_fails_ends_no_job(runner: Runner) -> None:
    shown: list[Event] = []

    def fail(event: Event) -> None:
        shown.append(event)
        raise OddError("closing tag '[/dev/vfio/1]' matches nothing")

    runner._consumer = fail
    for text in ("first", "second"):
        runner.emit(Event("base", "boot", Kind.NOTE, text))
    assert [event.text for event in shown] == ["first"]
    assert (runner.store.path / "events.jsonl").read_text().count("\n") == 2
    assert "OddError" in (runner.store.path / "traceback.txt").read_text()


@pytest.mark.parametrize(
    ("error", "raised", "status", "code"),
    [
        (KeyboardInterrupt(), KeyboardInterrupt, "interrupted", 130),
        (Interrupted("stopped"), Interrupted, "failed", 130),
        (InfrastructureError("no disk"), InfrastructureError, "failed", 3),
        (UsageError("no"), UsageError, "failed", 2),
        (SystemExit(0), SystemExit, "failed", 3),
        (GeneratorExit(), GeneratorExit, "failed", 3),
        *((error, InfrastructureError, "failed", 3) for error in ERRORS if not isinstance(error, StopIteration)),
    ],
    ids=lambda one: type(one).__name__ if isinstance(one, BaseException) else "",
)
def test_run_json_says_how_the_run_ended(
    runner: Runner, error: BaseException, raised: type[BaseException], status: str, code: int
) -> None:
    runner.store.start_job(build_id("base"))
    with pytest.raises(raised), closed(runner.store):
        raise error
    record = json.loads((runner.store.path / "run.json").read_text())
    assert (record["status"], record["exit_status"]) == (status, code)
    assert all(job["status"] != "running" for job in record["jobs"])
    assert (runner.store.path / "junit.xml").exists()


def test_a_second_signal_at_the_end_changes_nothing(runner: Runner, monkeypatch: pytest.MonkeyPatch) -> None:
    finish, calls = runner.store.finish, []

    def once_more(status: RunStatus, exit_status: int) -> Run:
        calls.append(status)
        if len(calls) == 1:
            raise KeyboardInterrupt
        return finish(status, exit_status)

    monkeypatch.setattr(runner.store, "finish", once_more)
    with pytest.raises(KeyboardInterrupt), closed(runner.store):
        raise KeyboardInterrupt
    assert json.loads((runner.store.path / "run.json").read_text())["status"] == "interrupted"


@pytest.mark.parametrize("name", _ENDING)
def test_every_signal_that_would_end_orch_ends_the_run_in_order(name: str) -> None:
    number = signal.Signals[f"SIG{name}"]
    before = signal.signal(number, signal.SIG_DFL)  # nohup(1) and the shell's & have these tests ignore some
    try:
        with pytest.raises(KeyboardInterrupt), _terminable():
            os.kill(os.getpid(), number)
            sleep(5)
        assert signal.getsignal(number) == signal.SIG_DFL
    finally:
        signal.signal(number, before)


def test_a_signal_that_is_ignored_stays_so() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)  # nohup(1)
    try:
        with _terminable():
            os.kill(os.getpid(), signal.SIGHUP)
            sleep(0.1)
    finally:
        signal.signal(signal.SIGHUP, before)


def test_a_view_that_cannot_be_rendered_ends_no_job_but_is_no_success(scenario: Scenario, tmp_path: Path) -> None:
    def fail(_run: Run) -> str:
        raise OddError("no")

    views = {"bad.xml": fail, "good.txt": lambda run: run.id}
    store = RunStore.create(tmp_path / "results", scenario, jobs(scenario), views=views)
    store.end_build(build_id("base"), {}, seconds=1.0)
    run = store.finish(RunStatus.FINISHED, 0)
    assert run.exit_status == 3
    assert (store.path / "good.txt").read_text() == run.id
    assert "OddError" in (store.path / "traceback.txt").read_text()
    assert store.finish(RunStatus.FINISHED, 1).exit_status == 1


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    """A disk of 8 MB."""
    place = tmp_path / "small"
    place.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8M", "tmpfs", str(place)], check=True)
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


def fill(place: Path) -> None:
    with pytest.raises(OSError, match="No space left"), (place / "fill").open("wb", buffering=0) as file:
        while True:
            file.write(b"x" * 65536)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount a small disk")
def test_a_run_whose_disk_is_full_says_so_on_it(scenario: Scenario, small: Path) -> None:
    store = RunStore.create(small / "results", scenario, jobs(scenario))
    store.start_job(build_id("base"))
    fill(small)
    with pytest.raises(InfrastructureError, match="No space left"), closed(store):
        store.event(text="x" * 100_000)
    record = json.loads((store.path / "run.json").read_text())
    assert (record["status"], record["exit_status"]) == ("failed", 3)
    assert not list(store.path.rglob(".*"))


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount a small disk")
def test_a_disk_that_is_full_for_a_moment_loses_nothing(scenario: Scenario, small: Path) -> None:
    store = RunStore.create(small / "results", scenario, jobs(scenario))
    fill(small)

    def free() -> None:
        sleep(1)
        (small / "fill").unlink()

    thread = Thread(target=free)
    thread.start()
    store.event(text="x" * 100_000)
    store.end_build(build_id("base"), {"a": "x" * 100_000}, seconds=1.0)
    thread.join()
    lines = (store.path / "events.jsonl").read_text().splitlines()
    assert [len(json.loads(line)["text"]) for line in lines] == [100_000]
    assert load_run(store.path).job(build_id("base")).status is JobStatus.DONE


def test_what_a_guest_wrote_has_a_bounded_size_in_the_results() -> None:
    text = "\ufffd" * 1_000_000
    splat = Splat("WARNING", text, text, "console.log:1")
    report = BootReport(BootEnd.QEMU, 1.0, (text,) * 200, "console.log:1", (splat,), odd=(text,), why=text)
    cases = tuple(
        Case(CaseId("k", "w", test=f"{text}{number}"), Status.FAIL, text, text, text, lines=(text,) * 200)
        for number in range(3)
    )
    result = bounded(BootResult("k", "w", "d", report, cases))
    assert len({case.id for case in result.cases}) == 3
    assert all(len(case.id.test) < LONGEST_NAME + 50 for case in result.cases)
    assert all(len(case.message) < LONGEST_MESSAGE + 50 for case in result.cases)
    assert all(len(line) < LONGEST_LINE + 50 for line in (*result.cases[0].lines, *result.boot.lines))
    assert len(result.boot.lines) == 100
    assert len(result.boot.splats[0].text) < LONGEST_LINE + 50
    assert len(result.boot.why) < LONGEST_MESSAGE + 50


def test_a_short_result_stays_as_it_is() -> None:
    case = Case(CaseId("k", "w", test="t"), Status.FAIL, "a", "b", "c", lines=("d",))
    result = BootResult("k", "w", "d", BootReport(BootEnd.OK, 1.0, ("x",), odd=("y",)), (case,))
    assert bounded(result) == result


def test_more_cases_than_can_be_kept_are_an_error() -> None:
    cases = tuple(Case(CaseId("k", "w", test=f"{number}"), Status.PASS) for number in range(MOST_CASES + 1))
    result = bounded(BootResult("k", "w", "", BootReport(BootEnd.OK, 1.0), cases))
    assert len(result.cases) == MOST_CASES + 1
    assert result.cases[-1].status is Status.ERROR
    assert result.cases[-1].message == "only the first 20,000 of 20,001 cases are kept"
