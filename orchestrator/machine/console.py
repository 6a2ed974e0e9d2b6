# SPDX-License-Identifier: GPL-2.0-only
"""What a console log says: how the boot ended, and the lines that show it.  Pure: text in, values out."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from orchestrator.machine.model import BootEnd

_CONTEXT_LINES = 14
_STAMP = re.compile(r"\[\s*\d+\.\d+\](?:\[\s*[TC]\d+\])?\s*")
_PANIC = re.compile(r"Kernel panic - not syncing")
_OOPS = re.compile(
    r"BUG: |Oops: |kernel BUG at |general protection fault|Unable to handle kernel|Internal error: |"
    r"invalid opcode: |stack segment: |double fault: |divide error: |UBSAN: |KASAN: "
)
_STALL = re.compile(r"rcu: INFO: .*stall|blocked for more than \d+ seconds|soft lockup|hard LOCKUP")
_OUTSIDE = re.compile(
    r"^(?:qemu-system-\w+|virtme-run|vng|virtme|virtme-init|error|Error)\b(?!: warning: ).*: |^qemu: ", re.IGNORECASE
)
_KILLED = re.compile(r"Out of memory: Killed process|segfault at ")


@dataclass(frozen=True)
class Finding:
    """How a boot ended; `lines` show it, and `line` is the number in the log of the first of them (0: none)."""

    end: BootEnd
    lines: tuple[str, ...] = ()
    line: int = 0


def find_end(console: str, *, timed_out: bool, workload_status: int | None) -> Finding:
    """How the boot that wrote `console` ended.

    `workload_status` is the workload's exit status as the guest left it in the share, None where it left none: the
    guest's word counts more than virtme-ng's exit status, which is 255 for a panic, for an aborted QEMU, and for
    some successes.  0 and 1 are answers (all, or not all, of its cases are ok); above, it could not work.
    """
    log = console.splitlines()
    for pattern, end in ((_OOPS, BootEnd.OOPS), (_PANIC, BootEnd.PANIC)):
        number = next((number for number, text in kernel_lines(log) if pattern.match(text)), 0)
        if number:
            return Finding(end, context(log, number), number)
    if timed_out:
        number = first_match(log, _STALL)
        return Finding(BootEnd.HANG, context(log, number) if number else last_lines(log), number or len(log))
    if workload_status in (0, 1):
        return Finding(BootEnd.OK)
    if workload_status is not None:
        number = first_match(log, _KILLED)
        return Finding(BootEnd.WORKLOAD, context(log, number) if number else (), number)
    number = first_match(log, _OUTSIDE)
    return Finding(BootEnd.QEMU, context(log, number) if number else last_lines(log), number or len(log))


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


def first_match(log: list[str], pattern: re.Pattern[str]) -> int:
    """The number, from 1, of the first line that `pattern` finds; 0 where it finds none."""
    return next((number for number, line in enumerate(log, 1) if pattern.search(line)), 0)


def context(log: list[str], number: int) -> tuple[str, ...]:
    """The line `number` and what follows it, up to the end of a trace."""
    lines = []
    for line in log[number - 1 : number - 1 + _CONTEXT_LINES]:
        lines.append(line.rstrip())
        if "---[ end " in line:
            break
    return tuple(lines)


def last_lines(log: list[str]) -> tuple[str, ...]:
    """The last lines that say anything: what a guest that fell silent said last."""
    return tuple(line.rstrip() for line in log if line.strip())[-_CONTEXT_LINES:]
