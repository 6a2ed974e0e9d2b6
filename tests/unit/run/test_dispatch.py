# SPDX-License-Identifier: GPL-2.0-only
"""All jobs of a run, on a real executor, in the order of the schedule."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from concurrent.futures import Executor, ThreadPoolExecutor

import pytest
from hypothesis import given, settings

from orchestrator.run.dispatch import run_tasks
from orchestrator.run.schedule import Resources, Task
from tests.unit.run.test_schedule import BOOT, TWO, boot, build, jobs, resources


class Watch:
    """The work of jobs that take no time, and what ran with what."""

    def __init__(self, tasks: Iterable[Task], limits: Resources) -> None:
        self.tasks = {task.id: task for task in tasks}
        self.limits = limits
        self.started: list[str] = []
        self.ended: list[str] = []
        self._lock = threading.Lock()

    def __call__(self, name: str) -> None:
        with self._lock:
            assert set(self.tasks[name].after) <= set(self.ended)
            self.started.append(name)
            running = set(self.started) - set(self.ended)
            taken = sum((self.tasks[one].needs.within(self.limits) for one in running), Resources())
            assert taken.fits(self.limits)
        with self._lock:
            self.ended.append(name)


def nothing_changed(_job: str) -> None:
    return None


@pytest.fixture(scope="module")
def executor() -> Iterator[Executor]:
    with ThreadPoolExecutor(8) as pool:
        yield pool


@settings(deadline=None)
@given(tasks=jobs(), limits=resources)
def test_every_job_runs_once_in_order_and_within_the_limits(
    executor: Executor, tasks: tuple[Task, ...], limits: Resources
) -> None:
    watch = Watch(tasks, limits)
    run_tasks(tasks, limits, executor, watch, nothing_changed)
    assert sorted(watch.started) == sorted(watch.ended) == sorted(task.id for task in tasks)


def test_a_boot_runs_beside_the_next_build(executor: Executor) -> None:
    together = threading.Barrier(2)

    def work(job: str) -> None:
        if job in ("boot/a", "build/b"):
            together.wait(timeout=10)

    tasks = [build("a", 100, makes=2), boot("a"), build("b", 90, makes=2), boot("b")]
    run_tasks(tasks, TWO, executor, work, nothing_changed)


def test_too_few_threads_delay_and_do_not_hang() -> None:
    tasks = [boot_without_build(number) for number in range(9)]
    with ThreadPoolExecutor(1) as narrow:
        watch = Watch(tasks, Resources(9, 9, 99))
        run_tasks(tasks, Resources(9, 9, 99), narrow, watch, nothing_changed)
    assert len(watch.ended) == 9


def boot_without_build(number: int) -> Task:
    return Task(f"{number}", 1.0, BOOT)


def test_jobs_that_were_dropped_do_not_run_and_those_after_them_do(executor: Executor) -> None:
    tasks = [build("a", 10), boot("a"), build("b", 10, "a"), boot("b")]
    watch = Watch(tasks, TWO)

    def changed(ended: str) -> Iterable[Task] | None:
        return [build("b", 10), boot("b")] if ended == "build/a" else None

    run_tasks(tasks, TWO, executor, watch, changed)
    assert watch.ended == ["build/a", "build/b", "boot/b"]


def test_what_is_left_to_do_can_change_while_others_run(executor: Executor) -> None:
    tasks = [build("a", 10), build("b", 1), build("c", 1, "a"), build("d", 1, "a")]
    left = [build("b", 1), build("c", 10, makes=2), build("d", 1, "c")]
    failed, watch = threading.Event(), Watch(tasks, TWO)

    def work(job: str) -> None:
        watch(job)
        if job == "build/b":
            assert failed.wait(timeout=10)

    def changed(ended: str) -> Iterable[Task] | None:
        if ended != "build/a":
            return None
        watch.tasks |= {task.id: task for task in left}
        failed.set()
        return left

    run_tasks(tasks, TWO, executor, work, changed)
    assert watch.started[2:] == ["build/c", "build/d"]


def test_the_error_of_a_job_is_raised(executor: Executor) -> None:
    def work(job: str) -> None:
        raise ZeroDivisionError(job)

    with pytest.raises(ZeroDivisionError, match="build/a"):
        run_tasks([build("a", 1), boot("a")], TWO, executor, work, nothing_changed)
