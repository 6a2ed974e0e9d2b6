# SPDX-License-Identifier: GPL-2.0-only
"""Progress for a person who waits: a live view on a terminal, plain lines anywhere else.  Consumes events only."""

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
"""How long a phase may go on without a line where nobody sees the live view: a log of CI must show that it lives."""

LONGEST_LINE = 2000
"""Characters of a line: a guest or a compiler can write one of megabytes."""

_MARKS = {Kind.START: "...", Kind.PROGRESS: "...", Kind.END: "done", Kind.FAILED: "FAILED", Kind.NOTE: "note"}


def clock(seconds: float) -> str:
    """Elapsed time as m:ss."""
    return f"{int(seconds) // 60}:{int(seconds) % 60:02}"


def line_of(event: Event, elapsed: float) -> str:
    """One event as a plain line; `elapsed` is seconds since the run began."""
    detail = f": {one_line(event.text)}" if event.text else ""
    took = f" ({event.seconds:.1f} s)" if event.kind in (Kind.END, Kind.FAILED) else ""
    what = f"{one_line(event.job)}: {one_line(event.phase)}"
    return fit(f"{clock(elapsed):>6}  {what} {_MARKS[event.kind]}{took}{detail}", LONGEST_LINE)


@contextmanager
def progress(stream: TextIO, *, verbose: bool) -> Iterator[Emit]:
    """A consumer of events that shows them on `stream` while the context lasts."""
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
    """Plain lines: each phase's start and end, how far a long phase is, and with `verbose` everything between."""

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
        """A line for each phase that has had none for `SILENCE_SECONDS`: a build says its count of objects."""
        for event in self._view.silent(SILENCE_SECONDS):
            self._print(event)

    @contextmanager
    def reminding(self) -> Iterator[None]:
        """Remind every second, in a thread of its own, while the context lasts."""
        over = threading.Event()

        def go_on() -> None:
            while not over.wait(1):
                self.remind()

        thread = threading.Thread(target=go_on, name="progress", daemon=True)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()

    def _print(self, event: Event) -> None:
        with self._lock:
            print(line_of(event, monotonic() - self._view.begun), file=self._stream, flush=True)


@dataclass
class _Active:
    began: float
    text: str
    shown: float
    """When a line was last printed of it."""


class _View:
    """The phases under way, as a table of one line each."""

    def __init__(self) -> None:
        self.begun = monotonic()
        self._active: dict[tuple[str, str], _Active] = {}
        self._lock = threading.Lock()

    def take(self, event: Event) -> None:
        """Follow one event."""
        key = (event.job, event.phase)
        with self._lock:
            if event.kind in (Kind.END, Kind.FAILED):
                self._active.pop(key, None)
            elif event.kind is Kind.PROGRESS and key in self._active:
                self._active[key].text = event.text
            elif event.kind is Kind.START:
                self._active[key] = _Active(monotonic(), event.text, monotonic())

    def silent(self, seconds: float) -> list[Event]:
        """How far each phase is that had no line for so many `seconds`; each has one from now on."""
        now = monotonic()
        with self._lock:
            due = [(key, one) for key, one in self._active.items() if now - one.shown >= seconds]
            for _, one in due:
                one.shown = now
        return [Event(job, phase, Kind.PROGRESS, one.text) for (job, phase), one in due]

    def render(self) -> Table:
        """The view as it is now."""
        table = Table.grid(padding=(0, 2))
        for _ in range(3):
            table.add_column(no_wrap=True)
        table.add_column(no_wrap=True, overflow="ellipsis", ratio=1)
        now = monotonic()
        with self._lock:
            for (job, phase), active in self._active.items():
                told = (
                    Text(one_line(job), "bold"),
                    Text(one_line(phase)),
                    Text(fit(one_line(active.text), LONGEST_LINE)),
                )
                table.add_row(clock(now - active.began).rjust(6), *told)
        return table


class _Screen:
    """A terminal: what is under way stays at the bottom, what has ended scrolls above it."""

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
            line = line_of(event, monotonic() - self._view.begun)
            self._console.print(Text(line, style), overflow="ellipsis", no_wrap=event.kind is not Kind.NOTE)
