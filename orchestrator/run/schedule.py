# SPDX-License-Identifier: GPL-2.0-only
"""Which job starts when: pure, so that a plan can print what a run would do.

A job may start when all jobs before it have ended and its resources are free.  Of the jobs that may start, the one with
the longest path comes first: its own duration and that of the longest chain of jobs after it.  A job that does not fit
lets later ones pass, so no resource is idle that a job could use.  A job never takes more than there is: one that needs
more has all of it for itself.  So if no job runs, one can start, and every job runs in the end.

Boots that are repeated have rounds.  No job of a round starts before every job of the earlier rounds has started: what
changes slowly on the machine then changes for all kernels alike.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from graphlib import TopologicalSorter


@dataclass(frozen=True)
class Resources:
    """What a machine has, or what a job takes of it while it runs.

    `cores` are for guests, each of which keeps as many busy as it has CPUs.  `makes` are for builds, which have a lower
    priority than guests and so take no core from them: even on one core, a kernel boots while the next one is built.
    `memory` is in bytes.
    """

    cores: int = 0
    makes: int = 0
    memory: int = 0

    def __add__(self, other: Resources) -> Resources:
        return Resources(self.cores + other.cores, self.makes + other.makes, self.memory + other.memory)

    def within(self, limits: Resources) -> Resources:
        """Return these resources, reduced to `limits`."""
        return Resources(min(self.cores, limits.cores), min(self.makes, limits.makes), min(self.memory, limits.memory))

    def fits(self, limits: Resources) -> bool:
        """Return whether `limits` has all of these resources."""
        return self == self.within(limits)


@dataclass(frozen=True)
class Task:
    """A job as the schedule sees it: its expected seconds, its resources, and the jobs that it comes after.

    `round` is 0 for a job that is not repeated.
    """

    id: str
    seconds: float
    needs: Resources = field(default_factory=Resources)
    after: tuple[str, ...] = ()
    round: int = 0


@dataclass(frozen=True)
class Slot:
    """When a job is expected to run, in seconds since the start."""

    task: Task
    begins: float

    @property
    def ends(self) -> float:
        """When it is expected to end."""
        return self.begins + self.task.seconds


def longest_first(tasks: Iterable[Task]) -> tuple[Task, ...]:
    """Return `tasks` by their round, then by the length of their path, the longest first, equals in their order.

    The jobs of a round keep their order, which must be the same in every round.  Raises ValueError if they wait for
    each other in a circle, or for a job that is not among them.
    """
    known = {task.id: task for task in tasks}
    paths = {name: task.seconds for name, task in known.items()}
    order = tuple(TopologicalSorter({name: task.after for name, task in known.items()}).static_order())
    if missing := set(order) - known.keys():
        raise ValueError(f"no such job: {', '.join(sorted(missing))}")
    for name in reversed(order):
        for before in known[name].after:
            paths[before] = max(paths[before], known[before].seconds + paths[name])
    return tuple(sorted(known.values(), key=lambda task: (task.round, 0.0 if task.round else -paths[task.id])))


def startable(
    ranked: Sequence[Task], limits: Resources, done: Collection[str], running: Collection[str]
) -> tuple[Task, ...]:
    """Return those of `ranked` to start now, in addition to `running`; `done` and `running` have ids."""
    taken = sum((task.needs.within(limits) for task in ranked if task.id in running), Resources())
    chosen: list[Task] = []
    left_behind = 0
    for task in (task for task in ranked if task.id not in done and task.id not in running):
        with_it = taken + task.needs.within(limits)
        in_turn = not task.round or left_behind in (0, task.round)
        if in_turn and all(before in done for before in task.after) and with_it.fits(limits):
            chosen.append(task)
            taken = with_it
        else:
            left_behind = left_behind or task.round
    return tuple(chosen)


def timetable(tasks: Iterable[Task], limits: Resources) -> tuple[Slot, ...]:
    """Return when each job would run if all took as long as expected, in the order in which they start.

    Raises ValueError as `longest_first`.
    """
    ranked = longest_first(tasks)
    now, slots = 0.0, []
    done: set[str] = set()
    running: dict[str, float] = {}
    while len(done) < len(ranked):
        for task in startable(ranked, limits, done, running):
            slots.append(Slot(task, now))
            running[task.id] = slots[-1].ends
        now = min(running.values())
        ended = {name for name, ends in running.items() if ends <= now}
        done |= ended
        running = {name: ends for name, ends in running.items() if name not in ended}
    return tuple(slots)
