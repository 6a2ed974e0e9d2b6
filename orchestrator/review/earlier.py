# SPDX-License-Identifier: GPL-2.0-only
"""Runs that answered an equal review before."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from orchestrator.errors import OrchError
from orchestrator.result.run import Run, RunStatus
from orchestrator.result.store.load import load_run
from orchestrator.result.store.review import REVIEW_FILE, ReviewRecord, read_review


def earlier_run(results: Path, key: str) -> Run | None:
    """Return the newest finished run below `results` whose review has the key `key`; None if there is none.

    A run that the infrastructure spoilt does not count: it is run again.
    """
    return next((run for _, run in _reviews(results, lambda record: record.key == key)), None)


def runs_of_patch(results: Path, message: str, change: str) -> tuple[tuple[ReviewRecord, Run], ...]:
    """Return the newest review of a patch, by its message id or its change: a run for each of its scenarios.

    Older reviews, as with another base or of another version of the series, are left out.
    """

    def wanted(record: ReviewRecord) -> bool:
        return bool(message and message in record.messages) or bool(change and change in record.changes)

    found: dict[str, tuple[ReviewRecord, Run]] = {}
    for record, run in _reviews(results, wanted):
        newest = next(iter(found.values()), (record, run))[0]
        if (newest.changes, newest.base) == (record.changes, record.base):
            found.setdefault(run.scenario.name, (record, run))
    return tuple(found.values())


def _reviews(results: Path, wanted: Callable[[ReviewRecord], bool]) -> Iterator[tuple[ReviewRecord, Run]]:
    """Yield each finished review below `results` that is `wanted`, the newest first."""
    files = sorted(results.glob(f"*/{REVIEW_FILE}"), key=_changed, reverse=True)
    for directory in (file.parent for file in files if not file.parent.is_symlink()):
        record = read_review(directory)
        if record and wanted(record) and (run := _finished(directory)):
            yield record, run


def _changed(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0


def _finished(directory: Path) -> Run | None:
    try:
        run = load_run(directory)
    except OrchError:
        return None
    return run if run.status is RunStatus.FINISHED and run.exit_status in (0, 1) else None
