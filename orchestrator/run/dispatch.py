# SPDX-License-Identifier: GPL-2.0-only
"""Start the jobs of a run in the order of the schedule, each as soon as its resources are free."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import FIRST_COMPLETED, Executor, Future, wait

from orchestrator.run.schedule import Resources, Task, longest_first, startable


def run_tasks(
    tasks: Iterable[Task],
    limits: Resources,
    executor: Executor,
    work: Callable[[str], None],
    changed: Callable[[str], Iterable[Task] | None],
) -> None:
    """Call `work` in `executor` with the id of every task, within `limits`; returns when all have ended.

    `changed` is called in this thread with the id of each job that has ended.  It returns the tasks as they are then,
    without those that are not needed any more but with those that run; None if nothing has changed.
    Raises what a job raises, and ValueError as `longest_first`; the caller has to end the jobs that run then.
    """
    ranked = longest_first(tasks)
    done: set[str] = set()
    running: dict[Future[None], str] = {}
    while any(task.id not in done for task in ranked):
        for task in startable(ranked, limits, done, running.values()):
            running[executor.submit(work, task.id)] = task.id
        for future in wait(running, return_when=FIRST_COMPLETED).done:
            ended = running.pop(future)
            future.result()
            done.add(ended)
            tasks_now = changed(ended)
            ranked = ranked if tasks_now is None else longest_first(tasks_now)
