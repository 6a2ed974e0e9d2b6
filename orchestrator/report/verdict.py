# SPDX-License-Identifier: GPL-2.0-only
"""The result of a run in one sentence, for every report."""

from __future__ import annotations

from orchestrator.result.run import Run, RunStatus


def is_good(run: Run) -> bool:
    """Whether the run has ended, is complete, and all of its cases are as expected."""
    return run.ok and run.status is RunStatus.FINISHED


def summary(run: Run) -> str:
    """Return the number of cases with each status, and of the jobs that did not end."""
    total = len(run.cases)
    counts = ", ".join(f"{count} {status.lower()}" for status, count in run.counts.items())
    ended = f"{total} case{'' if total == 1 else 's'}: {counts}" if total else "no case ended"
    return ended + (f"; {_unfinished(run)}" if run.unfinished else "")


def how_far(run: Run) -> str:
    """Return how far a run came that is not finished; "" if it is."""
    if run.status is RunStatus.FINISHED:
        return ""
    if not run.unfinished:
        return run.status.upper()
    return f"{run.status.upper()}: {_unfinished(run)}; what follows is what the others left"


def _unfinished(run: Run) -> str:
    so_far = "have not ended" if run.status is RunStatus.RUNNING else "did not end"
    return f"{len(run.unfinished)} of {len(run.jobs)} jobs {so_far}"
