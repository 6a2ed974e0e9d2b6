# SPDX-License-Identifier: GPL-2.0-only
"""How long jobs took before, so that a run starts the longest first and a plan can estimate when it ends.

durations/<digest>.json in the cache: the name of a kind of job, and its last few durations in seconds.  Only jobs that
ended well are recorded: a failure ends early, a timeout late.  Each file is written whole; if two processes record the
same name at the same time, one duration may be lost, which does no harm.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from orchestrator.errors import InfrastructureError
from orchestrator.kernel.cache.store import write_whole

KEPT = 5
"""Durations kept of each name: the median of five is right even if a busy machine has disturbed two."""


@dataclass(frozen=True)
class Durations:
    """The record in `directory`.

    A job has several names: the first has all that decides its duration, each further one has less of it, for jobs that
    were not recorded yet but resemble others.
    """

    directory: Path

    def recall(self, names: Iterable[str]) -> float | None:
        """Return how many seconds the job of these `names` usually takes; None if none of them is recorded."""
        known = (self._times(self._file(name)) for name in names)
        return next((median(times) for times in known if times), None)

    def record(self, names: Iterable[str], seconds: float) -> None:
        """Record that the job of these `names` ended well after `seconds`.

        If the disk refuses, nothing is recorded: that is no reason for a job to fail.
        """
        for name in names:
            file = self._file(name)
            times = [*self._times(file), round(seconds, 3)][-KEPT:]
            with suppress(InfrastructureError):
                write_whole(file, json.dumps({"of": name, "seconds": times}) + "\n")

    def _file(self, name: str) -> Path:
        return self.directory / f"{hashlib.sha256(name.encode()).hexdigest()[:32]}.json"

    def _times(self, file: Path) -> list[float]:
        """Return the recorded durations; none if the file is missing or damaged, which is not worth an error."""
        try:
            times = [float(seconds) for seconds in json.loads(file.read_text())["seconds"]]
        except (OSError, ValueError, KeyError, TypeError):
            return []
        return [seconds for seconds in times if math.isfinite(seconds) and seconds >= 0]
