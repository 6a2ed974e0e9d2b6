# SPDX-License-Identifier: GPL-2.0-only
"""Why a boot ended, for consoles and QMP events of real guests.

The consoles in data/ends are those of tests/vm/test_ends.py, without their middle part.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.machine.console import FLOOD_BYTES, BootFinding, Ended, find_end, program_lines
from orchestrator.machine.model import BootEnd
from orchestrator.machine.monitor import MachineEnd, machine_end, monitor_arguments, parse_events, prepare_monitor

DATA = Path(__file__).parents[1] / "data/ends"
NOT_ANNOUNCED = "and the kernel had not announced that"
SCHED, P9 = "the kernel wrote last: sched_clock: Marking stable", "the kernel wrote last: 9pnet: Limiting 'msize'"
TSC = "the kernel wrote last: clocksource: Switched to clocksource tsc"

GREETING = '{"QMP": {"version": {"qemu": {"micro": 0, "minor": 0, "major": 10}}, "capabilities": ["oob"]}}\n'
CONNECTED = GREETING + '{"return": {}}\n'


def event(name: str, data: str = "{}") -> str:
    return f'{{"timestamp": {{"seconds": 1, "microseconds": 2}}, "event": "{name}", "data": {data}}}\n'


def shutdown(reason: str) -> str:
    return event("SHUTDOWN", f'{{"guest": true, "reason": "{reason}"}}')


def found(name: str, *, began: bool, timed_out: bool = False, status: int | None = None) -> BootFinding:
    """Return the finding for the console and the events `name`."""
    machine = parse_events((DATA / f"{name}.qmp").read_text())
    return find_end((DATA / f"{name}.log").read_text(), Ended(timed_out, False, status, began, machine))


@pytest.mark.parametrize(
    ("name", "began", "timed_out", "end", "why"),
    [
        ("boot-triple-fault", False, False, BootEnd.RESET, ("it was reset", NOT_ANNOUNCED, "triple fault", SCHED)),
        ("run-triple-fault", True, False, BootEnd.RESET, ("it was reset", NOT_ANNOUNCED, "triple fault", P9)),
        ("run-reset", True, False, BootEnd.RESET, ("it was reset", NOT_ANNOUNCED, P9)),
        ("boot-power-off", False, False, BootEnd.RESET, ("it was powered off", NOT_ANNOUNCED, SCHED)),
        ("run-power-off", True, False, BootEnd.RESET, ("it was powered off", NOT_ANNOUNCED, P9)),
        ("boot-panic", False, False, BootEnd.PANIC, ()),
        ("boot-lockup", False, True, BootEnd.HANG, ("it had not started", SCHED)),
        ("run-lockup", True, True, BootEnd.HANG, (P9,)),
        ("silence", False, True, BootEnd.HANG, ("the kernel wrote nothing at all",)),
        ("halt", True, True, BootEnd.HANG, ("the kernel wrote last: reboot: System halted",)),
        ("reboot", True, False, BootEnd.SHUTDOWN, ("the kernel wrote last: reboot: machine restart",)),
        ("off", True, False, BootEnd.SHUTDOWN, ("the kernel wrote last: reboot: Power down",)),
        ("killall", True, False, BootEnd.SHUTDOWN, ("the kernel wrote last: reboot: Power down",)),
        ("kill-qemu", True, False, BootEnd.QEMU, ("QEMU ended without a message", TSC)),
        ("kill-term", True, False, BootEnd.QEMU, ()),
    ],
)
def test_each_end_of_a_real_guest(name: str, began: bool, timed_out: bool, end: BootEnd, why: tuple[str, ...]) -> None:
    finding = found(name, began=began, timed_out=timed_out)
    assert finding.end is end
    assert all(part in finding.why for part in why), finding.why
    assert bool(finding.why) is bool(why)
    assert not any("virtme-ng-init: " in line for line in finding.lines)


@pytest.mark.parametrize("name", ["run-triple-fault", "run-lockup", "reboot", "kill-qemu"])
def test_the_evidence_is_the_line_that_is_quoted(name: str) -> None:
    finding = found(name, began=True, timed_out=name == "run-lockup")
    quoted = finding.why.partition("the kernel wrote last: ")[2]
    assert quoted
    assert (DATA / f"{name}.log").read_text().splitlines()[finding.line - 1].endswith(quoted)


def test_a_panic_and_a_qemu_that_says_why_are_quoted_themselves() -> None:
    assert found("boot-panic", began=False).lines[0].endswith("Kernel panic - not syncing: orch: the patch panics")
    assert "terminating on signal 15 from pid" in found("kill-term", began=True).lines[0]


def test_a_guest_that_goes_down_after_its_workload_is_judged_by_that() -> None:
    assert found("off", began=True, status=0).end is BootEnd.OK
    assert found("off", began=True, status=3).end is BootEnd.WORKLOAD
    assert found("reboot", began=True, status=0).end is BootEnd.OK


def test_a_kernel_that_resets_the_machine_instead_of_powering_off_crashes_all_the_same() -> None:
    assert found("run-triple-fault", began=True, status=0).end is BootEnd.RESET


def test_a_signal_of_orchs_own_is_not_what_the_guest_wrote_last() -> None:
    log = "[    0.1] orch: 000qemu-system-x86_64: terminating on signal 15 from pid 7 (/usr/bin/python3)\n"
    finding = find_end(log, Ended(timed_out=True, machine=MachineEnd(up=True)))
    assert (finding.end, finding.lines) == (BootEnd.HANG, ("[    0.1] orch: 000",))


def test_an_endless_console_is_no_timeout_and_its_last_line_is_quoted_in_part() -> None:
    finding = find_end(f"[    0.1] {'7' * 9999}\n" * 9, Ended(flooded=True, machine=MachineEnd(up=True)))
    assert finding.end is BootEnd.FLOOD
    assert f"it was stopped after {FLOOD_BYTES >> 20} MiB" in finding.why
    assert len(finding.why) < 400


def test_a_qemu_that_is_killed_before_the_kernel_writes_is_not_one_that_never_started() -> None:
    finding = find_end("", Ended(machine=MachineEnd(up=True)))
    assert finding.end is BootEnd.QEMU
    assert finding.why.startswith("QEMU ended without a message")
    assert finding.why.endswith("the kernel had written nothing")
    assert find_end("", Ended()) == BootFinding(BootEnd.QEMU)


def test_a_line_without_end_is_kept_in_part() -> None:
    for ended in (Ended(timed_out=True), Ended(flooded=True), Ended(status=2), Ended()):
        finding = find_end("[    0.1] " + "7" * 1_000_000 + "\n" + "8" * 1_000_000, ended)
        assert 1000 < max(len(line) for line in finding.lines) < 5000


def test_a_guest_whose_script_was_killed_for_memory_shows_that_line() -> None:
    killed = "[    9.1] Out of memory: Killed process 77 (sh) total-vm:4196352kB, anon-rss:1044480kB"
    log = f"[    0.1] Linux\n{killed}\n[    9.9] reboot: Power down\n"
    finding = find_end(log, Ended(began=True, machine=MachineEnd(True, "guest-shutdown")))
    assert (finding.end, finding.lines[0], finding.line) == (BootEnd.SHUTDOWN, killed, 2)


def test_a_machine_that_qemu_stopped_is_no_hang_of_the_kernel() -> None:
    log = "[    0.1] Linux\nKVM internal error. Suberror: 1\n"
    finding = find_end(log, Ended(timed_out=True, machine=MachineEnd(up=True, stopped=True)))
    assert finding.end is BootEnd.QEMU
    assert "QEMU stopped the machine for an error of its own" in finding.why


def test_a_guest_panic_that_only_qemu_saw_is_one() -> None:
    assert find_end("", Ended(machine=MachineEnd(True, "guest-panic"))).end is BootEnd.PANIC


def test_an_early_exception_is_a_panic_of_a_kernel_that_then_stops() -> None:
    log = "Linux version 7.3.4\nPANIC: early exception 0x0e IP 10:ffffffff81000000 error 0 cr2 0x8\n"
    assert find_end(log, Ended(timed_out=True)).end is BootEnd.PANIC


def test_a_virtme_ng_that_fails_is_quoted_by_the_last_line_of_its_traceback() -> None:
    log = 'Traceback (most recent call last):\n  File "run.py", line 1, in main\nOSError: [Errno 28] No space left\n\n'
    finding = find_end(log, Ended())
    assert (finding.end, finding.why, finding.line) == (
        BootEnd.QEMU,
        "virtme-ng failed: OSError: [Errno 28] No space left",
        3,
    )


def test_a_program_that_cannot_work_is_quoted_by_what_it_wrote_last() -> None:
    log = "[    1.0] Linux\nusage: alignment\n[    1.1] Linux\nwhat it is about\n[    1.2] virtme-ng-init: exited\n"
    finding = find_end(log, Ended(status=2, machine=parse_events(CONNECTED + shutdown("guest-shutdown"))))
    assert finding.end is BootEnd.WORKLOAD
    assert finding.why == "exit status 2; it wrote last: what it is about"
    assert (finding.lines, finding.line) == (("usage: alignment", "what it is about"), 4)
    silent = find_end("[    1.0] Linux\n", Ended(status=2))
    assert (silent.why, silent.lines) == ("exit status 2, and it wrote nothing", ())


def test_what_programs_wrote_is_none_of_the_others_lines() -> None:
    log = (
        "Linux version 7\n[ 0.1] Linux\nown\n<6>virtme: x\nqemu-system-x86_64: terminating on signal 15\nhalf[ 0.2] k\n"
    )
    assert program_lines(log.splitlines()) == [(3, "own")]


@pytest.mark.parametrize(
    ("events", "machine"),
    [
        ("", MachineEnd()),
        (GREETING, MachineEnd(up=True)),
        (CONNECTED + shutdown("guest-reset"), MachineEnd(True, "guest-reset")),
        (CONNECTED + shutdown("guest-shutdown"), MachineEnd(True, "guest-shutdown")),
        (CONNECTED + shutdown("guest-shutdown") + shutdown("host-signal"), MachineEnd(True, "guest-shutdown")),
        (CONNECTED + event("STOP"), MachineEnd(True, "", stopped=True)),
        (CONNECTED + event("STOP") + event("RESUME"), MachineEnd(True)),
        (CONNECTED + event("STOP") + shutdown("host-signal"), MachineEnd(True, "host-signal")),
        (CONNECTED + event("RTC_CHANGE") + '{"timestamp": {"seco', MachineEnd(True)),
        (CONNECTED + '{"event": "SHUTDOWN"}\n', MachineEnd(True)),
        (CONNECTED + '{"event": "SHUTDOWN", "data": 7}\n[1]\n"QMP"\n7\n', MachineEnd(True)),
        ("[" * 100_000, MachineEnd()),
    ],
)
def test_what_qemus_events_come_to(events: str, machine: MachineEnd) -> None:
    assert parse_events(events) == machine


def test_the_monitor_has_its_command_and_is_out_of_the_guests_reach(tmp_path: Path) -> None:
    share = tmp_path / "a,b/guest"
    prepare_monitor(share)
    assert (tmp_path / "a,b/monitor/qmp.in").read_text() == '{"execute": "qmp_capabilities"}\n'
    assert machine_end(share) == MachineEnd()
    (tmp_path / "a,b/monitor/qmp.out").write_text(CONNECTED)
    assert machine_end(share) == MachineEnd(up=True)
    assert monitor_arguments(share)[1].endswith("a,,b/monitor/qmp")
    assert machine_end(tmp_path / "nowhere/guest") == MachineEnd()
