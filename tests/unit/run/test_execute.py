# SPDX-License-Identifier: GPL-2.0-only
"""A run always ends: run.json says how, and files on a full disk are whole."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from threading import Thread
from time import sleep

import pytest

from orchestrator.errors import InfrastructureError, Interrupted, UsageError
from orchestrator.result.run import JobStatus, Run, RunStatus
from orchestrator.result.store import patience
from orchestrator.result.store.load import load_run
from orchestrator.result.store.writer import RunStore
from orchestrator.run.context import RunContext
from orchestrator.run.execute import closed
from orchestrator.run.plan import build_id, jobs
from orchestrator.scenario.model import Scenario
from tests.unit.run.errors import ERRORS, OddError


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
    context: RunContext, error: BaseException, raised: type[BaseException], status: str, code: int
) -> None:
    context.store.start_job(build_id("base"))
    with pytest.raises(raised), closed(context.store):
        raise error
    record = json.loads((context.store.path / "run.json").read_text())
    assert (record["status"], record["exit_status"]) == (status, code)
    assert all(job["status"] != "running" for job in record["jobs"])
    assert (context.store.path / "junit.xml").exists()


def test_a_second_signal_at_the_end_changes_nothing(context: RunContext, monkeypatch: pytest.MonkeyPatch) -> None:
    finish, calls = context.store.finish, []

    def once_more(status: RunStatus, exit_status: int) -> Run:
        calls.append(status)
        if len(calls) == 1:
            raise KeyboardInterrupt
        return finish(status, exit_status)

    monkeypatch.setattr(context.store, "finish", once_more)
    with pytest.raises(KeyboardInterrupt), closed(context.store):
        raise KeyboardInterrupt
    assert json.loads((context.store.path / "run.json").read_text())["status"] == "interrupted"


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
def test_a_run_whose_disk_is_full_says_so_on_it(
    scenario: Scenario, small: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(patience, "_SECONDS", 0.3)
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
        sleep(0.3)
        (small / "fill").unlink()

    thread = Thread(target=free)
    thread.start()
    store.event(text="x" * 100_000)
    store.end_build(build_id("base"), {"a": "x" * 100_000}, seconds=1.0)
    thread.join()
    lines = (store.path / "events.jsonl").read_text().splitlines()
    assert [len(json.loads(line)["text"]) for line in lines] == [100_000]
    assert load_run(store.path).job(build_id("base")).status is JobStatus.DONE
