# SPDX-License-Identifier: GPL-2.0-only
"""Progress of a run: a live view on a terminal, plain lines elsewhere.  Consumes events only."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from time import monotonic
from typing import TextIO

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from orchestrator.events import Emit, Event, Kind
from orchestrator.report.text import fit, one_line

SILENCE_SECONDS = 30.0
"""Longest time without a line of a running phase if there is no live view, so that a CI log shows progress."""

LONGEST_LINE = 2000
"""Characters of a line at most: a guest or a compiler can write a line of megabytes."""

_MARKS = {Kind.START: "...", Kind.PROGRESS: "...", Kind.END: "done", Kind.FAILED: "FAILED", Kind.NOTE: "note"}


def clock(seconds: float) -> str:
    """Return an elapsed time as m:ss."""
    return f"{int(seconds) // 60}:{int(seconds) % 60:02}"


def line_of(event: Event, elapsed: float) -> str:
    """Return one event as a plain line.

    `elapsed` is seconds since the start of the run.
    """
    detail = f": {one_line(event.text)}" if event.text else ""
    took = f" ({event.seconds:.1f} s)" if event.kind in (Kind.END, Kind.FAILED) else ""
    what = f"{one_line(event.job)}: {one_line(event.phase)}"
    return fit(f"{clock(elapsed):>6}  {what} {_MARKS[event.kind]}{took}{detail}", LONGEST_LINE)


@contextmanager
def progress(stream: TextIO, *, verbose: bool) -> Iterator[Emit]:
    """Yield a consumer of events, which shows them on `stream` while the context is open."""
    console = Console(file=stream, highlight=False)
    if not console.is_terminal:
        lines = _Lines(stream, verbose=verbose)
        with lines.reminding():
            yield lines
        return
    view = _View()
    with Live(console=console, get_renderable=view.render, refresh_per_second=4, transient=True) as live:
        yield _Screen(view, live.console, verbose=verbose)


class _Lines:
    """Plain lines: the start and end of each phase, and reminders.

    `verbose` adds all progress.
    """

    def __init__(self, stream: TextIO, *, verbose: bool) -> None:
        self._stream = stream
        self._verbose = verbose
        self._view = _View()
        self._lock = threading.Lock()

    def __call__(self, event: Event) -> None:
        """Show one event."""
        self._view.take(event)
        if event.kind is not Kind.PROGRESS or self._verbose:
            self._print(event)

    def remind(self) -> None:
        """Print the progress of each phase without a line for `SILENCE_SECONDS`.

        Of a build, it is the count of objects.
        """
        for event in self._view.silent(SILENCE_SECONDS):
            self._print(event)

    @contextmanager
    def reminding(self) -> Iterator[None]:
        """Call `remind` every second, in its own thread, while the context is open."""
        ended = threading.Event()

        def repeat() -> None:
            while not ended.wait(1):
                self.remind()

        thread = threading.Thread(target=repeat, name="progress", daemon=True)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()

    def _print(self, event: Event) -> None:
        with self._lock:
            print(line_of(event, monotonic() - self._view.started), file=self._stream, flush=True)


@dataclass
class _Active:
    started: float
    text: str
    printed: float
    """The time at which a line about it was last printed."""


class _View:
    """The running phases, as a table with a line for each."""

    def __init__(self) -> None:
        self.started = monotonic()
        self._active: dict[tuple[str, str], _Active] = {}
        self._lock = threading.Lock()

    def take(self, event: Event) -> None:
        """Update the view with one event."""
        key = (event.job, event.phase)
        with self._lock:
            if event.kind in (Kind.END, Kind.FAILED):
                self._active.pop(key, None)
            elif event.kind is Kind.PROGRESS and key in self._active:
                self._active[key].text = event.text
            elif event.kind is Kind.START:
                self._active[key] = _Active(monotonic(), event.text, monotonic())

    def silent(self, seconds: float) -> list[Event]:
        """Return the progress of each phase without a line for `seconds`.

        It counts as printed now.
        """
        now = monotonic()
        with self._lock:
            due = [(key, active) for key, active in self._active.items() if now - active.printed >= seconds]
            for _, active in due:
                active.printed = now
        return [Event(job, phase, Kind.PROGRESS, active.text) for (job, phase), active in due]

    def render(self) -> Table:
        """Return the view in its present state."""
        table = Table.grid(padding=(0, 2))
        for _ in range(3):
            table.add_column(no_wrap=True)
        table.add_column(no_wrap=True, overflow="ellipsis", ratio=1)
        now = monotonic()
        with self._lock:
            for (job, phase), active in self._active.items():
                elapsed = clock(now - active.started).rjust(6)
                text = Text(fit(one_line(active.text), LONGEST_LINE))
                table.add_row(elapsed, Text(one_line(job), "bold"), Text(one_line(phase)), text)
        return table


class _Screen:
    """A terminal: running phases stay at the bottom, lines about ended ones scroll above them."""

    def __init__(self, view: _View, console: Console, *, verbose: bool) -> None:
        self._view = view
        self._console = console
        self._verbose = verbose

    def __call__(self, event: Event) -> None:
        """Show one event."""
        self._view.take(event)
        shown = event.kind in (Kind.END, Kind.FAILED, Kind.NOTE) or (self._verbose and event.kind is Kind.PROGRESS)
        if shown:
            style = {Kind.FAILED: "red", Kind.NOTE: "yellow"}.get(event.kind, "")
            line = line_of(event, monotonic() - self._view.started)
            self._console.print(Text(line, style), overflow="ellipsis", no_wrap=event.kind is not Kind.NOTE)
