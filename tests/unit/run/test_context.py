# SPDX-License-Identifier: GPL-2.0-only
"""What the jobs of a run share: the log of events."""

from __future__ import annotations

from orchestrator.events import Event, Kind
from orchestrator.run.context import EventLog, RunContext
from tests.unit.run.errors import OddError


def test_a_display_that_fails_ends_no_job(context: RunContext) -> None:
    shown: list[Event] = []

    def fail(event: Event) -> None:
        shown.append(event)
        raise OddError("closing tag '[/dev/vfio/1]' matches nothing")

    emit = EventLog(context.store, fail)
    for text in ("first", "second"):
        emit(Event("base", "boot", Kind.NOTE, text))
    assert [event.text for event in shown] == ["first"]
    assert (context.store.path / "events.jsonl").read_text().count("\n") == 2
    assert "OddError" in (context.store.path / "traceback.txt").read_text()
