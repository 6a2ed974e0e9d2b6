# SPDX-License-Identifier: GPL-2.0-only
"""A phase has a start and exactly one end, and commands are recorded as shell."""

from __future__ import annotations

import shlex
import subprocess
from pathlib import Path

import pytest

from orchestrator.errors import Interrupted
from orchestrator.events import Event, Kind, ignore, phase
from orchestrator.host.base import Command, Host
from orchestrator.host.local import LocalHost
from orchestrator.host.recorder import Recorder, shell_line
from tests.fakes import Answer, FakeHost


def kinds(events: list[Event]) -> list[tuple[Kind, str]]:
    return [(event.kind, event.text) for event in events]


def test_a_phase_starts_progresses_and_ends_with_its_last_detail() -> None:
    events: list[Event] = []
    with phase(events.append, "base", "build", "from nothing") as progress:
        progress("12 objects")
        progress("24 objects")
    assert kinds(events) == [
        (Kind.START, "from nothing"),
        (Kind.PROGRESS, "12 objects"),
        (Kind.PROGRESS, "24 objects"),
        (Kind.END, "24 objects"),
    ]
    assert {(event.job, event.phase) for event in events} == {("base", "build")}


def test_a_phase_without_details_ends_with_its_first_text() -> None:
    events: list[Event] = []
    with phase(events.append, "base", "clone", "from base"):
        pass
    assert kinds(events) == [(Kind.START, "from base"), (Kind.END, "from base")]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_a_phase_that_raises_has_failed_and_lets_the_error_through(error: type[BaseException]) -> None:
    events: list[Event] = []
    with pytest.raises(error), phase(events.append, "base", "build") as progress:
        progress("12 objects")
        raise error
    assert kinds(events)[-1] == (Kind.FAILED, "12 objects")
    assert Kind.END not in [event.kind for event in events]


def test_the_end_of_a_phase_says_how_long_it_took(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter([10.0, 12.5])
    monkeypatch.setattr("orchestrator.events.monotonic", lambda: next(clock))
    events: list[Event] = []
    with phase(events.append, "base", "build"):
        pass
    assert [event.seconds for event in events] == [0.0, 2.5]


def test_nobody_has_to_listen() -> None:
    with phase(ignore, "base", "build") as progress:
        progress("12 objects")


def test_a_recorder_passes_everything_on() -> None:
    fake = FakeHost([(("make",), Answer("  CC      a.o\n", 2))])
    recorder = Recorder(fake)
    lines: list[str] = []
    done = recorder.run(
        Command(("make", "-j2"), env={"A": "1"}, cwd=Path("/w"), stdin="in", timeout=5, on_line=lines.append)
    )
    assert (done.status, lines) == (2, ["  CC      a.o"])
    call = fake.calls[0]
    assert (call.argv, call.env, call.cwd, call.stdin, call.timeout) == (
        ("make", "-j2"),
        {"A": "1"},
        Path("/w"),
        "in",
        5,
    )
    recorder.stop_all()
    assert fake.stopped
    with pytest.raises(Interrupted):
        recorder.refuse_if_stopped("waiting")
    assert recorder.name == "fake"


def test_a_recorder_is_a_host_and_copies_as_one(tmp_path: Path) -> None:
    host: Host = Recorder(FakeHost())
    (tmp_path / "a").write_text("text")
    host.put(tmp_path / "a", tmp_path / "b")
    host.get(tmp_path / "b", tmp_path / "c")
    assert (tmp_path / "c").read_text() == "text"


def test_a_recorded_script_does_the_same_again(tmp_path: Path) -> None:
    recorder = Recorder(LocalHost())
    recorder.run(Command(("sh", "-c", 'echo "$A" > "a file"'), cwd=tmp_path, env={"A": "it's $HOME"}))
    recorder.run(Command(("cp", str(tmp_path / "a file"), str(tmp_path / "copy"))))
    (tmp_path / "a file").unlink()
    (tmp_path / "copy").unlink()
    subprocess.run(("sh",), input=recorder.script(), text=True, check=True)
    assert (tmp_path / "copy").read_text() == "it's $HOME\n"


def test_a_recorded_script_stops_at_the_first_failure() -> None:
    recorder = Recorder(LocalHost())
    recorder.run(Command(("false",)))
    recorder.run(Command(("echo", "went on")))
    done = subprocess.run(("sh",), input=recorder.script(), text=True, check=False, capture_output=True)
    assert done.returncode == 1
    assert "went on" not in done.stdout


def test_a_command_with_a_directory_of_its_own_leaves_the_next_where_it_was() -> None:
    line = shell_line(("pwd",), Path("/usr/lib"), {"A": "b c"})
    assert line == "(cd /usr/lib && A='b c' pwd)"
    assert shlex.split(shell_line(("a b", "$c"), None, None)) == ["a b", "$c"]
