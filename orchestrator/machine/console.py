# SPDX-License-Identifier: GPL-2.0-only
"""What a console log says: how the boot ended, and the lines that show it.  Pure: text in, values out."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass

from orchestrator.machine.model import BootEnd
from orchestrator.machine.monitor import UNKNOWN, MachineEnd

FLOOD_BYTES = 64 << 20
"""How much a guest may write to its console: a Linux that tells all it does at boot writes some 200 KiB."""
LINE_BYTES = 64
"""What each line counts on top of its own length: that is what it takes in memory."""

_CONTEXT_LINES = 14
_STAMP = re.compile(r"\[\s*\d+\.\d+\](?:\[\s*[TC]\d+\])?\s*")
_PANIC = re.compile(r"Kernel panic - not syncing|PANIC: early exception")
_OOPS = re.compile(
    r"BUG: |Oops: |kernel BUG at |general protection fault|Unable to handle kernel|Internal error: |"
    r"invalid opcode: |stack segment: |double fault: |divide error: |UBSAN: |KASAN: "
)
_STALL = re.compile(r"rcu: INFO: .{0,200}stall|blocked for more than \d+ seconds|soft lockup|hard LOCKUP")
_NO_MEMORY = re.compile(r"Out of memory: Killed process")
_KILLED = re.compile(r"Out of memory: Killed process|segfault at ")
_BANNER = re.compile(r"Linux version |Booting Linux on physical CPU ")
"""The first words of a kernel, which may come before it gives its lines a time."""
_GOES_DOWN = re.compile(
    r"(?:reboot: (?:Restarting system|Power down|System halted|machine restart)|sysrq: (?:Rese|Power))"
)
"""What a kernel says of an orderly end (kernel/reboot.c, drivers/tty/sysrq.c)."""
_VIRTME = re.compile(r"virtme(?:-ng)?-init: |virtme: |<\d+>virtme")
"""What virtme-ng's init writes into the kernel's log: how far it is, and what it tried in vain; all harmless."""
_QEMU = re.compile(r"^qemu-system-\w+: (?!warning: )")
_ENDED_BY_ORCH = re.compile(r"qemu-system-\w+: terminating on signal \d+ from pid \d+ \([^\n]{0,4096}\)\s*\Z")
"""QEMU's last words; in the parentheses stands a path, of PATH_MAX at most."""
_LAST_WORDS = 8192
"""Characters at the end of a console in which they stand."""
_OUTSIDE = re.compile(
    r"^(?:qemu-system-\w+|virtme-run|vng|virtme|virtme-init|error|Error)\b(?!: warning: ).*: |^qemu: ", re.IGNORECASE
)
_LONGEST = 2000
"""Characters of a line that are kept with a finding."""
_QUOTED = 200
"""Characters of a line that a sentence quotes."""
_TRACEBACK = "Traceback (most recent call last):"


@dataclass(frozen=True)
class BootFinding:
    """How a boot ended.

    `lines` show it, and `line` is the number in the log of the one that says most (0: none).  `why` is what is known
    of the cause, for the end of a sentence; "" where the first of `lines` says it.
    """

    end: BootEnd
    lines: tuple[str, ...] = ()
    line: int = 0
    why: str = ""


@dataclass(frozen=True)
class Ended:
    """What is known of a boot that is over, beside its console.

    `timed_out` and `flooded` are why orch ended it: its time was over, or its console had no end.  `status` is the
    workload's exit status as the guest left it in the share, None where it left none: the guest's word counts more than
    virtme-ng's exit status, which is 255 for a panic, for a QEMU that aborted, and for some successes.  `began` is
    whether the guest had come as far as the workload.  `machine` is QEMU's word.
    """

    timed_out: bool = False
    flooded: bool = False
    status: int | None = None
    began: bool = False
    machine: MachineEnd = UNKNOWN


def find_end(console: str, ended: Ended) -> BootFinding:
    """How the boot that wrote `console` ended.

    What the kernel says of itself counts first, then why orch ended the boot, then how QEMU says that the machine went
    down, and the workload's exit status where all of this is as it should be: 0 and 1 are answers (all, or not all, of
    its cases are ok); above, it could not work.
    """
    if ended.timed_out or ended.flooded:
        console = console[:-_LAST_WORDS] + _ENDED_BY_ORCH.sub("", console[-_LAST_WORDS:])
    log = console.splitlines()
    finders = (_crashed, _endless, _went_down, _answered)
    return next(filter(None, (find(log, ended) for find in finders)), None) or _lost(log, ended)


def _crashed(log: list[str], ended: Ended) -> BootFinding | None:
    for pattern, end in ((_OOPS, BootEnd.OOPS), (_PANIC, BootEnd.PANIC)):
        number = next((number for number, text in kernel_lines(log) if pattern.match(text)), 0)
        if number:
            return BootFinding(end, context(log, number), number)
    if ended.machine.reason == "guest-panic":
        return _at_last(BootEnd.PANIC, log, "QEMU was told so")
    return None


def _endless(log: list[str], ended: Ended) -> BootFinding | None:
    """The end of a boot that orch ended: what it did last, or that QEMU itself had stopped it."""
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
    return _at_last(BootEnd.HANG, log, "" if ended.began else "it had not begun")


def _went_down(log: list[str], ended: Ended) -> BootFinding | None:
    """The end of a machine that was reset, or powered off before the workload had ended."""
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
    return _at_last(BootEnd.SHUTDOWN, log, "" if ended.began else "it had not begun")


def _answered(log: list[str], ended: Ended) -> BootFinding | None:
    if ended.status is None:
        return None
    if ended.status in (0, 1):
        return BootFinding(BootEnd.OK)
    number = next((number for number, text in kernel_lines(log) if _KILLED.search(text)), 0)
    if number:
        return BootFinding(BootEnd.WORKLOAD, context(log, number), number)
    said = program_lines(log)[-_CONTEXT_LINES:]
    how = f"exit status {ended.status}"
    why = f"{how}; it wrote last: {_short(said[-1][1])}" if said else f"{how}, and it wrote nothing"
    return BootFinding(BootEnd.WORKLOAD, tuple(text[:_LONGEST] for _, text in said), said[-1][0] if said else 0, why)


def _lost(log: list[str], ended: Ended) -> BootFinding:
    """The end of a boot of which nobody in the guest and nothing in QEMU's events tells: the host's own trouble."""
    if ended.machine.up or _last_of_kernel(log)[0]:
        return _of_qemu(log, "QEMU ended without a word, as when it crashes or is killed")
    if _TRACEBACK in log:
        last = len(log) - next((at for at, line in enumerate(reversed(log)) if line.strip()), 0)
        return BootFinding(BootEnd.QEMU, last_lines(log), last, f"virtme-ng failed: {_short(log[last - 1].strip())}")
    number = first_match(log, _OUTSIDE)
    if number or not last_lines(log):
        return BootFinding(BootEnd.QEMU, context(log, number) if number else (), number)
    last = max(number for number, line in enumerate(log, 1) if line.strip())
    return BootFinding(BootEnd.QEMU, (log[last - 1].strip()[:_LONGEST],), last)


def _of_qemu(log: list[str], why: str) -> BootFinding:
    """The end of a QEMU that was up: the first line that is its own, else `why` and what the guest wrote last."""
    own = first_match(log, _QEMU)
    if own:
        return BootFinding(BootEnd.QEMU, context(log, own), own)
    return _at_last(BootEnd.QEMU, log, why)


def _at_last(end: BootEnd, log: list[str], why: str) -> BootFinding:
    """A finding that no line shows: `why`, and the kernel's last line."""
    number, text = _last_of_kernel(log)
    said = f"the kernel wrote last: {_short(text)}" if text else "the kernel had written nothing"
    return BootFinding(end, last_lines(log), number or len(log), f"{why}; {said}" if why else said)


def _short(text: str) -> str:
    return text if len(text) <= _QUOTED else f"{text[:_QUOTED]} ..."


def _last_of_kernel(log: list[str]) -> tuple[int, str]:
    """The kernel's last line that says anything, and its number; (0, "") where it wrote none.

    What firmware, QEMU and virtme-ng wrote before the kernel's first words is none of it.
    """
    first = next((at for at, line in enumerate(log, 1) if _STAMP.match(line) or _BANNER.match(line)), 0)
    own = [(at, text) for at, text in kernel_lines(log) if first and at >= first and text and not _VIRTME.match(text)]
    return own[-1] if own else (0, "")


def program_lines(log: list[str]) -> list[tuple[int, str]]:
    """What the guest's programs wrote: every line, with its number, behind the kernel's first that is not its own."""
    kernels = {number for number, _ in kernel_lines(log)}
    others = ((number, line.strip()) for number, line in enumerate(log, 1) if number not in kernels)
    return [(number, text) for number, text in others if text and not _QEMU.match(text) and not _VIRTME.match(text)]


def kernel_lines(log: list[str]) -> Iterator[tuple[int, str]]:
    """The kernel's own lines: their numbers, from 1, and what they say behind the time.

    printk.time=1 gives every line a time but the earliest of a boot; a program's unfinished line may stand before it.
    """
    early = True
    for number, line in enumerate(log, 1):
        stamp = _STAMP.search(line)
        early = early and stamp is None
        if stamp or early:
            yield number, line[stamp.end() if stamp else 0 :].strip()


def without_time(line: str) -> str:
    """A line of the kernel's without the time before it."""
    return _STAMP.sub("", line, count=1).strip()


def first_match(log: list[str], pattern: re.Pattern[str]) -> int:
    """The number, from 1, of the first line that `pattern` finds; 0 where it finds none."""
    return next((number for number, line in enumerate(log, 1) if pattern.search(line)), 0)


def context(log: list[str], number: int) -> tuple[str, ...]:
    """The line `number` and what follows it, up to the end of a trace."""
    lines = []
    for line in log[number - 1 : number - 1 + _CONTEXT_LINES]:
        lines.append(line.rstrip()[:_LONGEST])
        if "---[ end " in line:
            break
    return tuple(lines)


def last_lines(log: list[str]) -> tuple[str, ...]:
    """The last lines that say anything: what a guest that fell silent wrote last.

    Not those of virtme-ng's init.
    """
    own = (line for line in log if line.strip() and not _VIRTME.match(without_time(line)))
    return tuple(line.rstrip()[:_LONGEST] for line in deque(own, _CONTEXT_LINES))
