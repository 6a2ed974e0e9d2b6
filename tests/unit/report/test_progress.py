# SPDX-License-Identifier: GPL-2.0-only
"""Progress without a terminal: a log that shows long phases as active."""

from __future__ import annotations

import io
import re
import threading

import pytest
from rich.console import Console

from orchestrator.events import Event, Kind, phase
from orchestrator.report import progress as module
from orchestrator.report.progress import clock, line_of, progress


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time for the progress, in seconds, which a test sets."""
    clock = [100.0]
    monkeypatch.setattr(module, "monotonic", lambda: clock[0])
    return clock


def lines_of(stream: io.StringIO) -> list[str]:
    return [line.strip() for line in stream.getvalue().splitlines()]


def test_a_phase_that_lasts_has_a_line_every_thirty_seconds_with_its_newest_detail(now: list[float]) -> None:
    stream = io.StringIO()
    lines = module._Lines(stream, verbose=False)
    with phase(lines, "base", "build") as detail:
        for second in range(95):
            now[0] = 100.0 + second
            detail(f"{second * 10} objects")
            lines.remind()
    lines.remind()
    *during, end = lines_of(stream)
    assert during == [
        "0:00  base: build ...",
        "0:30  base: build ...: 300 objects",
        "1:00  base: build ...: 600 objects",
        "1:30  base: build ...: 900 objects",
    ]
    assert end.startswith("1:34  base: build done (")


@pytest.mark.parametrize(("silence", "printed"), [(29.9, 0), (30.0, 1), (300.0, 1)])
def test_a_phase_without_details_is_named_too(now: list[float], silence: float, printed: int) -> None:
    stream = io.StringIO()
    lines = module._Lines(stream, verbose=False)
    lines(Event("base", "boot map", Kind.START, "under tcg"))
    now[0] += silence
    lines.remind()
    lines.remind()
    assert lines_of(stream)[1:].count(f"{module.clock(silence)}  base: boot map ...: under tcg") == printed
    assert len(lines_of(stream)) == 1 + printed


def test_the_reminder_runs_by_itself_and_ends_with_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SILENCE_SECONDS", 0.0)
    stream = io.StringIO()
    with progress(stream, verbose=False) as emit, phase(emit, "base", "build"):
        for _ in range(200):
            if len(lines_of(stream)) > 1:
                break
            threading.Event().wait(0.05)
    assert lines_of(stream)[1] in ("0:01  base: build ...", "0:02  base: build ...")
    assert not [one for one in threading.enumerate() if one.name == "progress"]


HOSTILE = {
    "markup": "open [/dev/vfio/1]",
    "more markup": "[bold red]x[/] [link=http://a]b[/link]",
    "escape sequences": "\x1b]0;pwned\x07\x1b[2J\x1b[31mred",
    "a screen's line": "one\rtwo\x08\x7f\x9b31m",
    "bidirectional": "a\u202eb\u2066c",
    "no width": "a\u200bb\ufeffc",
    "no UTF-8": "a\udcffb",
    "lines": "one\ntwo\u2028three",
    "long": "x" * 2_000_000,
}
HARMLESS = re.compile(r"[^\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff]*")


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
@pytest.mark.parametrize("kind", Kind)
def test_nothing_of_an_event_acts_on_the_log(text: str, kind: Kind) -> None:
    line = module.line_of(Event(text, text, kind, text), 1.0)
    assert HARMLESS.fullmatch(line)
    assert "\n" not in line
    assert len(line) <= module.LONGEST_LINE
    assert "[/dev/vfio/1]" in line or "[/dev" not in text


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_nothing_of_an_event_acts_on_the_live_view(text: str) -> None:
    stream = io.StringIO()
    console = Console(file=stream, force_terminal=True, width=80, color_system=None)
    view = module._View()
    screen = module._Screen(view, console, verbose=True)
    for kind in (Kind.START, Kind.PROGRESS, Kind.NOTE):
        screen(Event("job" + text, "phase" + text, kind, text))
        console.print(view.render())
    assert HARMLESS.fullmatch(stream.getvalue().replace("\n", ""))
    assert len(stream.getvalue()) < 100_000


def test_without_a_terminal_progress_is_plain_lines_of_starts_and_ends() -> None:
    stream = io.StringIO()
    with progress(stream, verbose=False) as emit:
        emit(Event("base", "build", Kind.START))
        emit(Event("base", "build", Kind.PROGRESS, "12 objects"))
        emit(Event("base", "build", Kind.END, "990 objects", 243.21))
    assert stream.getvalue().splitlines() == [
        "  0:00  base: build ...",
        "  0:00  base: build done (243.2 s): 990 objects",
    ]


def test_verbose_shows_what_happens_between() -> None:
    stream = io.StringIO()
    with progress(stream, verbose=True) as emit:
        emit(Event("base", "build", Kind.PROGRESS, "12 objects"))
    assert "12 objects" in stream.getvalue()


def test_elapsed_time_is_minutes_and_seconds() -> None:
    assert clock(59.9) == "0:59"
    assert clock(3725) == "62:05"
    assert line_of(Event("k", "boot", Kind.FAILED, seconds=1.0), 61) == "  1:01  k: boot FAILED (1.0 s)"
