# SPDX-License-Identifier: GPL-2.0-only
"""Events: what happens while orch works, as values.

The working packages emit events; the user interface only consumes them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from time import monotonic


class Kind(StrEnum):
    """The kind of an event within its phase."""

    START = "start"
    PROGRESS = "progress"
    END = "end"
    FAILED = "failed"
    NOTE = "note"


@dataclass(frozen=True)
class Event:
    """One step of one job.

    `job` is a kernel or a boot, `phase` the current activity, `text` the detail to show.  `seconds` is the phase's
    duration, in END and FAILED.
    """

    job: str
    phase: str
    kind: Kind
    text: str = ""
    seconds: float = 0.0


Emit = Callable[[Event], None]
"""A consumer of events.  It is called from the working thread, so it must be quick and thread-safe."""


def ignore(_event: Event) -> None:
    """Discard the event."""


@contextmanager
def phase(emit: Emit, job: str, name: str, text: str = "") -> Iterator[Callable[[str], None]]:
    """Emit a phase's START, and at the end its END or FAILED.

    END and FAILED carry the last detail.  Yields a function that emits a detail (PROGRESS).
    """
    start = monotonic()
    last = text

    def progress(detail: str) -> None:
        nonlocal last
        last = detail
        emit(Event(job, name, Kind.PROGRESS, detail))

    emit(Event(job, name, Kind.START, text))
    try:
        yield progress
    except BaseException:
        emit(Event(job, name, Kind.FAILED, last, monotonic() - start))
        raise
    emit(Event(job, name, Kind.END, last, monotonic() - start))
