# SPDX-License-Identifier: GPL-2.0-only
"""The record of durations: what was, roughly, and never a reason for an error."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from orchestrator.run.durations import KEPT, Durations

NAMES = ("build, variant, of linux", "build, variant")


@pytest.fixture
def durations(tmp_path: Path) -> Durations:
    return Durations(tmp_path / "durations")


def test_nothing_is_known_of_what_never_ran(durations: Durations) -> None:
    assert durations.recall(NAMES) is None
    assert durations.recall(()) is None
    assert not durations.directory.exists()


def test_what_was_recorded_is_known(durations: Durations) -> None:
    durations.record(NAMES, 12.5)
    assert durations.recall(NAMES) == 12.5


def test_what_is_like_it_stands_in_for_what_never_ran(durations: Durations) -> None:
    durations.record(NAMES, 12.5)
    other = ("build, variant, of another", "build, variant")
    assert durations.recall(other) == 12.5
    durations.record(other, 40.0)
    assert (durations.recall(NAMES), durations.recall(other)) == (12.5, 40.0)


def test_a_time_that_a_busy_machine_has_spoiled_counts_little(durations: Durations) -> None:
    for seconds in (10.0, 11.0, 300.0, 12.0, 280.0):
        durations.record(NAMES, seconds)
    assert durations.recall(NAMES) == 12.0


def test_old_times_are_forgotten(durations: Durations) -> None:
    for seconds in [100.0] * 9 + [10.0] * KEPT:
        durations.record(NAMES, seconds)
    assert durations.recall(NAMES) == 10.0


@pytest.mark.parametrize(
    "content", ["", "{", "[]", "null", '{"seconds": 3}', '{"seconds": ["x"]}', '{"seconds": [NaN, -1]}']
)
def test_a_damaged_record_is_none_and_is_replaced(durations: Durations, content: str) -> None:
    durations.record(NAMES, 5.0)
    for file in durations.directory.iterdir():
        file.write_text(content)
    assert durations.recall(NAMES) is None
    durations.record(NAMES, 7.0)
    assert durations.recall(NAMES) == 7.0


def test_a_disk_that_does_not_take_it_is_no_error(tmp_path: Path) -> None:
    (tmp_path / "durations").write_text("a file in the way")
    durations = Durations(tmp_path / "durations")
    durations.record(NAMES, 5.0)
    assert durations.recall(NAMES) is None


def test_many_processes_at_once_leave_a_whole_record(durations: Durations) -> None:
    script = (
        "import sys; from pathlib import Path; from orchestrator.run.durations import Durations\n"
        "for n in range(60): Durations(Path(sys.argv[1])).record(('the same',), float(sys.argv[2]))"
    )
    argv = (sys.executable, "-c", script, str(durations.directory))
    writers = [subprocess.Popen((*argv, seconds)) for seconds in ("1", "2", "3")]
    seen = {durations.recall(("the same",)) for _ in range(100)}
    assert [writer.wait() for writer in writers] == [0, 0, 0]
    seen.add(durations.recall(("the same",)))
    assert seen <= {None, 1.0, 1.5, 2.0, 2.5, 3.0}
    assert durations.recall(("the same",)) is not None
    assert len(list(durations.directory.iterdir())) == 1
