# SPDX-License-Identifier: GPL-2.0-only
"""Start the jobs of a run as the schedule says, each as soon as what it takes is free."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import FIRST_COMPLETED, Executor, Future, wait

from orchestrator.schedule import Resources, Task, longest_first, startable


def carry_out(
    tasks: Iterable[Task],
    limits: Resources,
    executor: Executor,
    work: Callable[[str], None],
    dropped: Callable[[str], Iterable[str]],
) -> None:
    """Have `executor` do `work` for the id of every task, within `limits`; returns when all have ended.

    `dropped` is called in this thread with the id of each job that has ended, and says which jobs need not run now.
    Raises what a job raises, and ValueError as `longest_first`; the jobs that run then are left to the caller.
    """
    ranked = longest_first(tasks)
    done: set[str] = set()
    running: dict[Future[None], str] = {}
    while len(done) < len(ranked):
        for task in startable(ranked, limits, done, running.values()):
            running[executor.submit(work, task.id)] = task.id
        for future in wait(running, return_when=FIRST_COMPLETED).done:
            ended = running.pop(future)
            future.result()
            done |= {ended, *dropped(ended)}
