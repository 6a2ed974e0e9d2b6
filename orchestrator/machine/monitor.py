# SPDX-License-Identifier: GPL-2.0-only
"""Read from QMP events how QEMU's machine ended.

A QMP monitor writes its events to a file, without a client.  A guest that resets itself, a guest that powers off, and a
QEMU that is killed all end the process without a message on the console.  The reason in QEMU's event SHUTDOWN
distinguishes them (QEMU, qapi/run-state.json).  The monitor is a "pipe" chardev: QEMU opens two files by name, which
need not be FIFOs (QEMU, chardev/char-pipe.c), reads its only command from the first and writes events to the second.
Therefore it works without a connection, also on another host.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

MONITOR = "monitor"
"""The directory of the monitor's files, beside the boot's share; the guest cannot access it."""
_COMMANDS, _EVENTS = "qmp.in", "qmp.out"
_NEGOTIATE = '{"execute": "qmp_capabilities"}\n'
"""QMP sends no event before this command (QEMU, docs/interop/qmp-spec)."""
_LONGEST = 1 << 20
"""Maximum bytes of events that are read.  A boot has about 300; QEMU limits the rate of events that a guest causes."""


@dataclass(frozen=True)
class MachineEnd:
    """What QEMU reported about its machine.

    `up` is whether QEMU started its monitor.  `reason` is QMP's name of the reason why the machine shut down, "" if
    QEMU ended without reporting one.  `stopped` is whether QEMU had stopped the machine because of an internal error.
    """

    up: bool = False
    reason: str = ""
    stopped: bool = False


UNKNOWN = MachineEnd()
"""The value if QEMU reported nothing."""


def monitor_arguments(share: Path) -> tuple[str, ...]:
    """Return QEMU's arguments for the monitor of the boot whose share is `share`."""
    path = str(share.parent / MONITOR / "qmp").replace(",", ",,")
    return ("-chardev", f"pipe,id=orch-qmp,path={path}", "-mon", "chardev=orch-qmp,mode=control")


def prepare_monitor(share: Path) -> None:
    """Create the monitor's files for the boot whose share is `share`."""
    directory = share.parent / MONITOR
    directory.mkdir(parents=True, exist_ok=True)
    (directory / _COMMANDS).write_text(_NEGOTIATE)
    (directory / _EVENTS).write_bytes(b"")


def machine_end(share: Path) -> MachineEnd:
    """Return what QEMU reported about the machine whose share is `share`, after it has ended."""
    with suppress(OSError), (share.parent / MONITOR / _EVENTS).open("rb") as events:
        return parse_events(events.read(_LONGEST).decode(errors="replace"))
    return UNKNOWN


def parse_events(text: str) -> MachineEnd:
    """Parse the monitor's output.  Lines that are not QMP are ignored: a killed QEMU can leave an incomplete line.

    The first SHUTDOWN is used, so that a signal from orch to a guest that is powering off does not change the result.
    """
    messages = list(_objects(text))
    reasons = [_reason(message) for message in messages if message.get("event") == "SHUTDOWN"]
    runs = [message["event"] for message in messages if message.get("event") in ("STOP", "RESUME")]
    return MachineEnd(
        up=any("QMP" in message for message in messages),
        reason=next(iter(reasons), ""),
        stopped=runs[-1:] == ["STOP"] and not reasons,
    )


def _objects(text: str) -> Iterator[dict[str, Any]]:
    for line in text.splitlines():
        with suppress(ValueError, RecursionError):
            message = json.loads(line)
            if isinstance(message, dict):
                yield message


def _reason(event: dict[str, Any]) -> str:
    data = event.get("data")
    return str(data.get("reason", "")) if isinstance(data, dict) else ""
