# SPDX-License-Identifier: GPL-2.0-only
"""The plan for a person or a program: every job with the time at which it would begin and how long it would take."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from orchestrator.report.progress import clock
from orchestrator.report.text import in_a_line, wrap
from orchestrator.run.dry_run import Step
from orchestrator.run.estimate import Capacity

NARROWEST = 24
"""Where the names of the jobs leave fewer columns for what they do, that stands below."""


def to_json(steps: Sequence[Step]) -> list[dict[str, object]]:
    """The steps as values that `json.dumps` takes; `start` and `seconds` are in seconds, `start` from the first job's.

    `guessed` says that nothing like the job was timed here yet.
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
    """The steps as lines of at most `width` columns, in the order of their start, and a last one with the total."""
    wide = max(len(in_a_line(step.job)) for step in steps)
    lines = [line for step in steps for line in _lines(step, wide, width)]
    return "\n".join((*lines, *wrap(_total(steps, capacity), width))) + "\n"


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
    said = f"about {_words(ends)} on {cores}, {capacity.memory / (1 << 30):.0f} GiB"
    if capacity.boot_host:
        said += f", guests on {capacity.boot_host} ({capacity.limits.cores} cores)"
    if capacity.makers.host:
        said += f", built on {capacity.makers.host} with {capacity.makers.jobs} jobs"
    if not all(step.fetched for step in steps):
        said += ", once the sources are here"
    if any(step.guessed for step in steps):
        said += "; ~ is a guess: nothing like it was timed here yet"
    return said


def _words(seconds: float) -> str:
    """A duration as a person says it."""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"
