# SPDX-License-Identifier: GPL-2.0-only
"""The values that describe a boot: its request, its accelerator and its result."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from orchestrator.scenario.devices import Device
from orchestrator.scenario.model import Machine

GUEST_SHARE = "/mnt/orch"
"""Mount point of the boot's share in the guest, read-write.  The guest writes its results there."""
GUEST_MODULES = "/lib/modules"
"""Mount point of the kernel's modules in the guest, read-only."""
GUEST_PROGRAM = "/mnt/program"
"""Mount point of the workload's programs in the guest, read-only."""


@dataclass(frozen=True)
class Accelerator:
    """The accelerator that runs the guest.

    `name` is "kvm" or "tcg", `reason` a sentence why it was chosen.
    """

    name: str
    reason: str


@dataclass(frozen=True)
class Boot:
    """The request for one boot.

    `image` is the kernel, `root` the guest's root file system, `share` the directory that the guest writes to,
    `program` the directory with the workload, `command` a shell line for the guest.  `timeout` is in seconds.
    `exports` are further directories for the guest, read-only: pairs of the path in the guest and the path on the host.
    `arch` is the kernel's architecture.  `modules` is the directory on the host with ``lib/modules``, None for a kernel
    without modules.  `arguments` are added to the kernel's command line, `environment` to that of QEMU.  `links` are
    the symbolic links among these paths, each with its target (`machine.links`).  `answers` are the names of the files
    in the share that the workload writes and orch reads.  `qemu` are further arguments of QEMU.
    """

    image: Path
    root: Path
    share: Path
    program: Path
    command: str
    machine: Machine
    devices: tuple[Device, ...]
    accelerator: str
    timeout: float
    exports: tuple[tuple[str, Path], ...] = ()
    arch: str = "x86_64"
    modules: Path | None = None
    arguments: tuple[str, ...] = ()
    environment: tuple[tuple[str, str], ...] = ()
    links: tuple[tuple[Path, Path], ...] = ()
    answers: tuple[str, ...] = ()
    qemu: tuple[str, ...] = ()


class BootEnd(StrEnum):
    """How a boot ended: OK, or the kind of failure and the test status for it."""

    OK = "ok"
    PANIC = "panic"
    """The guest kernel panicked: CRASH."""
    OOPS = "oops"
    """The guest kernel oopsed, reported a bug, or was tainted by a task that died: CRASH."""
    HANG = "hang"
    """The timeout expired while the guest was running: TIMEOUT."""
    FLOOD = "flood"
    """The guest wrote more than the limit to its console, and was stopped: TIMEOUT."""
    RESET = "reset"
    """The machine went down without an announcement by the kernel, as in a triple fault: CRASH."""
    SHUTDOWN = "shutdown"
    """The guest powered off or restarted in order, but before the workload ended: FAIL."""
    QEMU = "qemu"
    """QEMU or virtme-ng ended by itself, or was killed, before the workload ended: ERROR."""
    WORKLOAD = "workload"
    """The guest ran without a crash, but the workload ended with its own error: ERROR."""


@dataclass(frozen=True)
class Splat:
    """A report of a guest kernel about its own problem, such as a WARNING or a stall.

    `text` is its first line; `title` is that line without the parts that differ between boots.  `place` is the file
    and the line number, from 1, and `count` the number of splats with this title.
    """

    kind: str
    title: str
    text: str
    place: str
    count: int = 1


@dataclass(frozen=True)
class BootReport:
    """How one boot ended.

    `lines` of the console or QEMU show it, `evidence` is their file and line number.  `why` is the known cause, for a
    sentence; "" if the first of `lines` shows it.  `seconds` is wall-clock time.  `splats` are those of the whole boot,
    however it ended.  `taint` is the guest kernel's taint before and after the workload, None if the guest did not
    report both.  `odd` has a sentence for each forbidden action of the guest, such as a link in place of a file.
    """

    end: BootEnd
    seconds: float
    lines: tuple[str, ...] = ()
    evidence: str = ""
    splats: tuple[Splat, ...] = ()
    taint: tuple[int, int] | None = None
    why: str = ""
    odd: tuple[str, ...] = ()
