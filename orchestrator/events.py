# SPDX-License-Identifier: GPL-2.0-only
"""What happens while orch works, as values: the rooms emit events, the user interface only consumes them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from time import monotonic


class Kind(StrEnum):
    """What an event says of its phase."""

    START = "start"
    PROGRESS = "progress"
    END = "end"
    FAILED = "failed"
    NOTE = "note"


@dataclass(frozen=True)
class Event:
    """One step of one job: `job` is a kernel or boot, `phase` what is being done, `text` the detail to show.

    `seconds` is the phase's duration, in END and FAILED.
    """

    job: str
    phase: str
    kind: Kind
    text: str = ""
    seconds: float = 0.0


Emit = Callable[[Event], None]
"""A consumer of events; called from the thread that works, so it must be quick and thread-safe."""


def ignore(_event: Event) -> None:
    """The consumer for whoever does not care."""


@contextmanager
def phase(emit: Emit, job: str, name: str, text: str = "") -> Iterator[Callable[[str], None]]:
    """Emit a phase's START and its END (or FAILED) with the last detail; yields a function that emits a detail."""
    begun = monotonic()
    last = text

    def progress(detail: str) -> None:
        nonlocal last
        last = detail
        emit(Event(job, name, Kind.PROGRESS, detail))

    emit(Event(job, name, Kind.START, text))
    try:
        yield progress
    except BaseException:
        emit(Event(job, name, Kind.FAILED, last, monotonic() - begun))
        raise
    emit(Event(job, name, Kind.END, last, monotonic() - begun))
