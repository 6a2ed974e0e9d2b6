# SPDX-License-Identifier: GPL-2.0-only
"""Runs that answered an equal review before."""

from __future__ import annotations

from pathlib import Path

from orchestrator.errors import OrchError
from orchestrator.result.run import Run, RunStatus
from orchestrator.result.store.load import load_run
from orchestrator.result.store.review import REVIEW_FILE, read_review


def earlier_run(results: Path, key: str) -> Run | None:
    """Return the newest finished run below `results` whose review has the key `key`; None if there is none.

    A run that the infrastructure spoilt does not count: it is run again.
    """
    files = sorted(results.glob(f"*/{REVIEW_FILE}"), key=_changed, reverse=True)
    for directory in (file.parent for file in files if not file.parent.is_symlink()):
        record = read_review(directory)
        if record and record.key == key and (run := _finished(directory)):
            return run
    return None


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
