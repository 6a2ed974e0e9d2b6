# SPDX-License-Identifier: GPL-2.0-only
"""QEMU's own word on how its machine ended: the events of a QMP monitor that needs no client, kept in a file.

A guest that resets itself, one that powers off, and a QEMU that is killed all end the same process with no word on
the console.  QEMU's event SHUTDOWN tells them apart by its reason (QEMU, qapi/run-state.json).  The monitor is a
"pipe" chardev: QEMU opens two files by name, which need not be FIFOs (QEMU, chardev/char-pipe.c), reads its one
command from the first and writes events to the second.  So it works without a connection, also on another host.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

MONITOR = "monitor"
"""The directory of the monitor's files, beside the boot's share, out of the guest's reach."""
_COMMANDS, _EVENTS = "qmp.in", "qmp.out"
_NEGOTIATE = '{"execute": "qmp_capabilities"}\n'
"""QMP sends no event before this (QEMU, docs/interop/qmp-spec)."""
_LONGEST = 1 << 20
"""Bytes of events that are read: a boot has some 300, and QEMU limits the rate of those that a guest can cause."""


@dataclass(frozen=True)
class MachineEnd:
    """What QEMU told of its machine.

    `up` is whether QEMU got as far as its monitor.  `reason` is why the machine shut down, in QMP's words, "" where
    QEMU ended without a word.  `stopped` is whether QEMU had stopped the machine for an error of its own.
    """

    up: bool = False
    reason: str = ""
    stopped: bool = False


UNKNOWN = MachineEnd()
"""Where there is no word of QEMU at all."""


def monitor_arguments(share: Path) -> tuple[str, ...]:
    """QEMU's arguments for the monitor of the boot whose share is `share`."""
    path = str(share.parent / MONITOR / "qmp").replace(",", ",,")
    return ("-chardev", f"pipe,id=orch-qmp,path={path}", "-mon", "chardev=orch-qmp,mode=control")


def prepare_monitor(share: Path) -> None:
    """Make the files of the monitor of the boot whose share is `share`."""
    directory = share.parent / MONITOR
    directory.mkdir(parents=True, exist_ok=True)
    (directory / _COMMANDS).write_text(_NEGOTIATE)
    (directory / _EVENTS).write_bytes(b"")


def machine_end(share: Path) -> MachineEnd:
    """What QEMU told of the machine whose share is `share`, after it has ended."""
    with suppress(OSError), (share.parent / MONITOR / _EVENTS).open("rb") as events:
        return parse_events(events.read(_LONGEST).decode(errors="replace"))
    return UNKNOWN


def parse_events(text: str) -> MachineEnd:
    """What the monitor's output `text` tells.  Lines that are no QMP are passed over: a killed QEMU leaves half a one.

    The first SHUTDOWN counts: a signal that orch sends to a guest that is powering off changes nothing.
    """
    told = list(_objects(text))
    reasons = [_reason(one) for one in told if one.get("event") == "SHUTDOWN"]
    runs = [one["event"] for one in told if one.get("event") in ("STOP", "RESUME")]
    return MachineEnd(
        up=any("QMP" in one for one in told),
        reason=next(iter(reasons), ""),
        stopped=runs[-1:] == ["STOP"] and not reasons,
    )


def _objects(text: str) -> Iterator[dict[str, Any]]:
    for line in text.splitlines():
        with suppress(ValueError, RecursionError):
            one = json.loads(line)
            if isinstance(one, dict):
                yield one


def _reason(event: dict[str, Any]) -> str:
    data = event.get("data")
    return str(data.get("reason", "")) if isinstance(data, dict) else ""
