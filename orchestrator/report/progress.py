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

_MARKS = {Kind.START: "...", Kind.PROGRESS: "...", Kind.END: "done", Kind.FAILED: "FAILED", Kind.NOTE: "note"}


def clock(seconds: float) -> str:
    """Elapsed time as m:ss."""
    return f"{int(seconds) // 60}:{int(seconds) % 60:02}"


def line_of(event: Event, elapsed: float) -> str:
    """One event as a plain line; `elapsed` is seconds since the run began."""
    detail = f": {event.text}" if event.text else ""
    took = f" ({event.seconds:.1f} s)" if event.kind in (Kind.END, Kind.FAILED) else ""
    return f"{clock(elapsed):>6}  {event.job}: {event.phase} {_MARKS[event.kind]}{took}{detail}"


@contextmanager
def progress(stream: TextIO, *, verbose: bool) -> Iterator[Emit]:
    """A consumer of events that shows them on `stream` while the context lasts."""
    console = Console(file=stream, highlight=False)
    if not console.is_terminal:
        yield _Lines(stream, verbose=verbose)
        return
    view = _View()
    with Live(console=console, get_renderable=view.render, refresh_per_second=4, transient=True) as live:
        yield _Screen(view, live.console, verbose=verbose)


class _Lines:
    """Plain lines: each phase's start and end, and with `verbose` everything between."""

    def __init__(self, stream: TextIO, *, verbose: bool) -> None:
        self._stream = stream
        self._verbose = verbose
        self._begun = monotonic()
        self._lock = threading.Lock()

    def __call__(self, event: Event) -> None:
        """Show one event."""
        if event.kind is Kind.PROGRESS and not self._verbose:
            return
        with self._lock:
            print(line_of(event, monotonic() - self._begun), file=self._stream, flush=True)


@dataclass
class _Active:
    began: float
    text: str


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
                self._active[key] = _Active(monotonic(), event.text)

    def render(self) -> Table:
        """The view as it is now."""
        table = Table.grid(padding=(0, 2))
        for _ in range(3):
            table.add_column(no_wrap=True)
        table.add_column(no_wrap=True, overflow="ellipsis", ratio=1)
        now = monotonic()
        with self._lock:
            for (job, phase), active in self._active.items():
                table.add_row(clock(now - active.began).rjust(6), Text(job, "bold"), phase, active.text)
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
