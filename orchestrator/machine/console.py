# SPDX-License-Identifier: GPL-2.0-only
"""Find in a console log how the boot ended, and the lines that show it.  Pure functions of text."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass

from orchestrator.machine.model import BootEnd
from orchestrator.machine.monitor import UNKNOWN, MachineEnd
from orchestrator.machine.printk import TIMESTAMP, strip_timestamp

FLOOD_BYTES = 64 << 20
"""Limit of a guest's console output in bytes.  A Linux boot with all messages writes about 200 KiB."""
LINE_BYTES = 64
"""Bytes that each line counts in addition to its length, as it needs them in memory."""

_CONTEXT_LINES = 14
_PANIC = re.compile(r"Kernel panic - not syncing|PANIC: early exception")
_OOPS = re.compile(
    r"BUG: |Oops: |kernel BUG at |general protection fault|Unable to handle kernel|Internal error: |"
    r"invalid opcode: |stack segment: |double fault: |divide error: |UBSAN: |KASAN: "
)
_STALL = re.compile(r"rcu: INFO: .{0,200}stall|blocked for more than \d+ seconds|soft lockup|hard LOCKUP")
_NO_MEMORY = re.compile(r"Out of memory: Killed process")
_KILLED = re.compile(r"Out of memory: Killed process|segfault at ")
_BANNER = re.compile(r"Linux version |Booting Linux on physical CPU ")
"""The start of a kernel's first line, which may have no timestamp yet."""
_GOES_DOWN = re.compile(
    r"(?:reboot: (?:Restarting system|Power down|System halted|machine restart)|sysrq: (?:Rese|Power))"
)
"""Messages of a kernel that shuts down in order (kernel/reboot.c, drivers/tty/sysrq.c)."""
_VIRTME = re.compile(r"virtme(?:-ng)?-init: |virtme: |<\d+>virtme")
"""Messages of virtme-ng's init in the kernel's log: its progress and its failed attempts.  All are harmless."""
_QEMU = re.compile(r"^qemu-system-\w+: (?!warning: )")
_ENDED_BY_ORCH = re.compile(r"qemu-system-\w+: terminating on signal \d+ from pid \d+ \([^\n]{0,4096}\)\s*\Z")
"""QEMU's last message when orch ends it.  In parentheses is a path, of at most PATH_MAX characters."""
_LAST_CHARACTERS = 8192
"""Number of characters at the end of a console in which that message is searched."""
_OUTSIDE = re.compile(
    r"^(?:qemu-system-\w+|virtme-run|vng|virtme|virtme-init|error|Error)\b(?!: warning: ).*: |^qemu: ", re.IGNORECASE
)
_LONGEST = 2000
"""Maximum number of characters of a line that a finding keeps."""
_QUOTED = 200
"""Maximum number of characters of a line that is quoted in a sentence."""
_TRACEBACK = "Traceback (most recent call last):"


@dataclass(frozen=True)
class BootFinding:
    """How a boot ended.

    `lines` are the lines that show it, and `line` is the number in the log of the most important one (0: none).
    `why` is the known cause, as the end of a sentence; "" if the first of `lines` shows it.
    """

    end: BootEnd
    lines: tuple[str, ...] = ()
    line: int = 0
    why: str = ""


@dataclass(frozen=True)
class Ended:
    """What is known about a finished boot in addition to its console.

    `timed_out` and `flooded` are whether orch ended the boot, because its timeout expired or because its console output
    exceeded the limit.  `status` is the workload's exit status that the guest left in the share, None if it left none.
    It is used instead of virtme-ng's exit status, which is 255 for a panic, for a QEMU that aborted, and for some
    successes.  `began` is whether the guest reached the start of the workload.  `machine` is QEMU's report.
    """

    timed_out: bool = False
    flooded: bool = False
    status: int | None = None
    began: bool = False
    machine: MachineEnd = UNKNOWN


def find_end(console: str, ended: Ended) -> BootFinding:
    """Return how the boot that wrote `console` ended.

    The first of these decides: a crash that the kernel reports, the reason why orch ended the boot, the way in which
    the machine went down according to QEMU, and the workload's exit status.  The statuses 0 and 1 are valid results
    (all, or not all, of its cases are ok); with a higher one, the workload could not do its work.
    """
    if ended.timed_out or ended.flooded:
        console = console[:-_LAST_CHARACTERS] + _ENDED_BY_ORCH.sub("", console[-_LAST_CHARACTERS:])
    log = console.splitlines()
    finders = (_crashed, _endless, _went_down, _answered)
    return next(filter(None, (find(log, ended) for find in finders)), None) or _lost(log, ended)


def _crashed(log: list[str], ended: Ended) -> BootFinding | None:
    for pattern, end in ((_OOPS, BootEnd.OOPS), (_PANIC, BootEnd.PANIC)):
        number = next((number for number, text in kernel_lines(log) if pattern.match(text)), 0)
        if number:
            return BootFinding(end, context(log, number), number)
    if ended.machine.reason == "guest-panic":
        return _at_last(BootEnd.PANIC, log, "the guest reported it to QEMU")
    return None


def _endless(log: list[str], ended: Ended) -> BootFinding | None:
    """Return the end of a boot that orch ended.

    The finding shows what the guest did last, or that QEMU had stopped the machine.
    """
    if ended.flooded:
        return _at_last(BootEnd.FLOOD, log, f"it was stopped after {FLOOD_BYTES >> 20} MiB")
    if not ended.timed_out:
        return None
    if ended.machine.stopped:
        return _of_qemu(log, "QEMU stopped the machine for an error of its own")
    number = next((number for number, text in kernel_lines(log) if _STALL.search(text)), 0)
    if number:
        return BootFinding(BootEnd.HANG, context(log, number), number)
    if ended.machine.up and not _last_of_kernel(log)[0]:
        return BootFinding(BootEnd.HANG, last_lines(log), len(log), "the kernel wrote nothing at all")
    return _at_last(BootEnd.HANG, log, "" if ended.began else "it had not started")


def _went_down(log: list[str], ended: Ended) -> BootFinding | None:
    """Return the end of a machine that was reset, or powered off before the workload ended."""
    how = {"guest-reset": "reset", "guest-shutdown": "powered off"}.get(ended.machine.reason)
    if how is None or (ended.status is not None and how != "reset"):
        return None
    if not any(_GOES_DOWN.match(text) for _, text in kernel_lines(log)):
        like = ", as with a triple fault" if how == "reset" else ""
        return _at_last(BootEnd.RESET, log, f"it was {how}, and the kernel had not announced that{like}")
    if ended.status is not None:
        return None
    number = next((number for number, text in kernel_lines(log) if _NO_MEMORY.search(text)), 0)
    if number:
        return BootFinding(BootEnd.SHUTDOWN, context(log, number), number)
    return _at_last(BootEnd.SHUTDOWN, log, "" if ended.began else "it had not started")


def _answered(log: list[str], ended: Ended) -> BootFinding | None:
    if ended.status is None:
        return None
    if ended.status in (0, 1):
        return BootFinding(BootEnd.OK)
    number = next((number for number, text in kernel_lines(log) if _KILLED.search(text)), 0)
    if number:
        return BootFinding(BootEnd.WORKLOAD, context(log, number), number)
    last = program_lines(log)[-_CONTEXT_LINES:]
    how = f"exit status {ended.status}"
    why = f"{how}; it wrote last: {_short(last[-1][1])}" if last else f"{how}, and it wrote nothing"
    return BootFinding(BootEnd.WORKLOAD, tuple(text[:_LONGEST] for _, text in last), last[-1][0] if last else 0, why)


def _lost(log: list[str], ended: Ended) -> BootFinding:
    """Return the end of a boot that failed because of a problem of the host.

    Neither the guest nor QEMU's events explain such an end.
    """
    if ended.machine.up or _last_of_kernel(log)[0]:
        return _of_qemu(log, "QEMU ended without a message, as when it crashes or is killed")
    if _TRACEBACK in log:
        last = len(log) - next((at for at, line in enumerate(reversed(log)) if line.strip()), 0)
        return BootFinding(BootEnd.QEMU, last_lines(log), last, f"virtme-ng failed: {_short(log[last - 1].strip())}")
    number = first_match(log, _OUTSIDE)
    if number or not last_lines(log):
        return BootFinding(BootEnd.QEMU, context(log, number) if number else (), number)
    last = max(number for number, line in enumerate(log, 1) if line.strip())
    return BootFinding(BootEnd.QEMU, (log[last - 1].strip()[:_LONGEST],), last)


def _of_qemu(log: list[str], why: str) -> BootFinding:
    """Return the end of a QEMU that was running.

    The finding shows QEMU's own first line, or `why` and what the guest wrote last.
    """
    own = first_match(log, _QEMU)
    if own:
        return BootFinding(BootEnd.QEMU, context(log, own), own)
    return _at_last(BootEnd.QEMU, log, why)


def _at_last(end: BootEnd, log: list[str], why: str) -> BootFinding:
    """Return a finding that no line shows, with `why` and the kernel's last line."""
    number, text = _last_of_kernel(log)
    last = f"the kernel wrote last: {_short(text)}" if text else "the kernel had written nothing"
    return BootFinding(end, last_lines(log), number or len(log), f"{why}; {last}" if why else last)


def _short(text: str) -> str:
    return text if len(text) <= _QUOTED else f"{text[:_QUOTED]} ..."


def _last_of_kernel(log: list[str]) -> tuple[int, str]:
    """Return the number and the text of the kernel's last line that is not empty.

    Returns (0, "") if it wrote none.  Output of the firmware, QEMU and virtme-ng before the kernel's first line is
    ignored.
    """
    first = next((at for at, line in enumerate(log, 1) if TIMESTAMP.match(line) or _BANNER.match(line)), 0)
    own = [(at, text) for at, text in kernel_lines(log) if first and at >= first and text and not _VIRTME.match(text)]
    return own[-1] if own else (0, "")


def program_lines(log: list[str]) -> list[tuple[int, str]]:
    """Return the lines of the guest's programs, with their numbers.

    These are the lines after the kernel's first line that are not the kernel's, QEMU's or virtme-ng's.
    """
    kernels = {number for number, _ in kernel_lines(log)}
    others = ((number, line.strip()) for number, line in enumerate(log, 1) if number not in kernels)
    return [(number, text) for number, text in others if text and not _QEMU.match(text) and not _VIRTME.match(text)]


def kernel_lines(log: list[str]) -> Iterator[tuple[int, str]]:
    """Yield the kernel's own lines: their numbers, from 1, and their text after the timestamp.

    With printk.time=1, every line has a timestamp except the earliest of a boot.  A program's incomplete line can be
    before the timestamp.
    """
    early = True
    for number, line in enumerate(log, 1):
        stamp = TIMESTAMP.search(line)
        early = early and stamp is None
        if stamp or early:
            yield number, line[stamp.end() if stamp else 0 :].strip()


def first_match(log: list[str], pattern: re.Pattern[str]) -> int:
    """Return the number, from 1, of the first line that `pattern` matches.

    Returns 0 if none does.
    """
    return next((number for number, line in enumerate(log, 1) if pattern.search(line)), 0)


def context(log: list[str], number: int) -> tuple[str, ...]:
    """Return the line `number` and the lines after it, up to the end of a trace."""
    lines = []
    for line in log[number - 1 : number - 1 + _CONTEXT_LINES]:
        lines.append(line.rstrip()[:_LONGEST])
        if "---[ end " in line:
            break
    return tuple(lines)


def last_lines(log: list[str]) -> tuple[str, ...]:
    """Return the last lines that are not empty, without those of virtme-ng's init."""
    own = (line for line in log if line.strip() and not _VIRTME.match(strip_timestamp(line.strip()).strip()))
    return tuple(line.rstrip()[:_LONGEST] for line in deque(own, _CONTEXT_LINES))
