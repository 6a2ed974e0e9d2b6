# SPDX-License-Identifier: GPL-2.0-only
"""How long jobs took here before, so that the next run starts the longest first and a plan can say when it ends.

durations/<digest>.json in the cache: what it is of, in words, and the last few times, in seconds.  Only jobs that ended
well are recorded: a failure ends early, a timeout late.  Each file is written whole; of two processes that record the
same at once one may lose its time, which the next run makes up for.
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
"""So many times are kept of each: the median of five shrugs off two that a busy machine has spoiled."""


@dataclass(frozen=True)
class Durations:
    """The record in `directory`.

    What a job is called here is its names: the first says all that decides its time, each further one less, for jobs
    that nobody has seen yet but that are like others.
    """

    directory: Path

    def recall(self, names: Iterable[str]) -> float | None:
        """The seconds that the job of these `names` usually takes; None where nothing like it was recorded."""
        known = (self._times(self._file(name)) for name in names)
        return next((median(times) for times in known if times), None)

    def record(self, names: Iterable[str], seconds: float) -> None:
        """Note that the job of these `names` ended well after `seconds`.

        A disk that does not take the note is no reason for a job to fail: then there is none.
        """
        for name in names:
            file = self._file(name)
            times = [*self._times(file), round(seconds, 3)][-KEPT:]
            with suppress(InfrastructureError):
                write_whole(file, json.dumps({"of": name, "seconds": times}) + "\n")

    def _file(self, name: str) -> Path:
        return self.directory / f"{hashlib.sha256(name.encode()).hexdigest()[:32]}.json"

    def _times(self, file: Path) -> list[float]:
        """The recorded times; none where the file is missing or damaged, for a record is never worth an error."""
        try:
            times = [float(one) for one in json.loads(file.read_text())["seconds"]]
        except (OSError, ValueError, KeyError, TypeError):
            return []
        return [one for one in times if math.isfinite(one) and one >= 0]
