# SPDX-License-Identifier: GPL-2.0-only
"""The plan of a run: each job with its start and duration.

It is for users or programs.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from orchestrator.report.progress import clock
from orchestrator.report.text import in_a_line, wrap
from orchestrator.run.dry_run import Step
from orchestrator.run.estimate import Capacity

NARROWEST = 24
"""If the names of the jobs leave fewer columns for the descriptions, these are below the names."""


def to_json(steps: Sequence[Step]) -> list[dict[str, object]]:
    """Return the steps as values that `json.dumps` accepts.

    `start` and `seconds` are in seconds, `start` from the start of the first job.  `guessed` is whether no similar job
    was timed on this machine before.
    """
    return [
        {
            "job": step.job,
            "outlook": step.text,
            "cached": step.cached,
            "start": round(step.begins, 1),
            "seconds": round(step.seconds, 1),
            "guessed": step.guessed,
        }
        for step in steps
    ]


def render(steps: Sequence[Step], capacity: Capacity, width: int) -> str:
    """Return the steps as lines of at most `width` columns.

    They are in the order of their start, with a total at the end.
    """
    shown = [step for step in steps if step.round <= 1]
    wide = max(len(in_a_line(step.job)) for step in shown)
    lines = [line for step in shown for line in _lines(step, wide, width)]
    return "\n".join((*lines, *_further_rounds(steps, width), *wrap(_total(steps, capacity), width))) + "\n"


def _further_rounds(steps: Sequence[Step], width: int) -> list[str]:
    """Return a line on all rounds of boots after the first, which do the same again."""
    further = [step for step in steps if step.round > 1]
    if not further:
        return []
    begins = min(step.begins for step in further)
    seconds = max(step.begins + step.seconds for step in further) - begins
    last = max(step.round for step in further)
    which = f"rounds 2 to {last}" if last > 2 else "round 2"
    takes = f"{'~' if any(step.guessed for step in further) else ''}{clock(seconds + 0.5)}"
    left = f"{clock(begins + 0.5):>6} {takes:>7}  "
    return wrap(f"{which}: every boot again, in the same order", width, left, " " * len(left))


def _lines(step: Step, wide: int, width: int) -> Iterator[str]:
    takes = f"{'~' if step.guessed else ''}{clock(step.seconds + 0.5)}"
    left = f"{clock(step.begins + 0.5):>6} {takes:>7}  {in_a_line(step.job):<{wide}}  "
    if width - len(left) < NARROWEST:
        yield left.rstrip()
        left = " " * 16
        first, *more = wrap(step.text, width - len(left))
        yield left + first
    else:
        first, *more = wrap(step.text, width - len(left))
        yield left + first
    yield from (f"{'':{len(left)}}{line}" for line in more)


def _total(steps: Sequence[Step], capacity: Capacity) -> str:
    ends = max(step.begins + step.seconds for step in steps)
    cores = f"{capacity.jobs} core" + ("" if capacity.jobs == 1 else "s")
    total = f"about {_duration(ends)} on {cores}, {capacity.memory / (1 << 30):.0f} GiB"
    if capacity.boot_host:
        total += f", guests on {capacity.boot_host} ({capacity.limits.cores} cores)"
    if capacity.makers.host:
        total += f", built on {capacity.makers.host} with {capacity.makers.jobs} jobs"
    if not all(step.fetched for step in steps):
        total += ", once the sources are here"
    if any(step.guessed for step in steps):
        total += "; ~ is a guess: nothing like it was timed here yet"
    return total


def _duration(seconds: float) -> str:
    """Return a duration in minutes and seconds, such as "4 min 32 s"."""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"
