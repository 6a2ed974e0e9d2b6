# SPDX-License-Identifier: GPL-2.0-only
"""The values of the machine room: what is booted, with what, and under which accelerator."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from orchestrator.scenario.devices import Device
from orchestrator.scenario.model import Machine

GUEST_SHARE = "/mnt/orch"
"""Where the guest sees the boot's share, read-write: results leave the guest here."""
GUEST_MODULES = "/lib/modules"
"""Where the guest sees the kernel's modules, read-only."""
GUEST_PROGRAM = "/mnt/program"
"""Where the guest sees the workload's programs, read-only."""


@dataclass(frozen=True)
class Accelerator:
    """What executes the guest's code: `name` is "kvm" or "tcg"; `reason` says why not the other, in a sentence."""

    name: str
    reason: str


@dataclass(frozen=True)
class Boot:
    """All that one boot needs.

    `image` is the kernel, `root` the guest's root file system, `share` the directory that the guest writes to,
    `program` the directory with the workload, `command` a line of shell for the guest.  `timeout` is in seconds.
    `exports` are further directories that the guest sees, read-only: where it does, and where they are on the host.
    `arch` is the kernel's architecture.  `modules` is the directory on the host with ``lib/modules``, None for a kernel
    without; `arguments` go to the kernel's command line, `environment` to QEMU.  `links` are the symbolic links among
    these paths, each with its target (`machine.links`).  `answers` are the names of the files that the workload leaves
    in the share for orch to read.
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


class BootEnd(StrEnum):
    """How a boot ended; everything but OK."""

    OK = "ok"
    PANIC = "panic"
    """The guest kernel panicked: CRASH."""
    OOPS = "oops"
    """The guest kernel oopsed, warned of a bug, or tainted itself by dying in a task: CRASH."""
    HANG = "hang"
    """The deadline passed with the guest alive: TIMEOUT."""
    FLOOD = "flood"
    """The guest wrote to its console without end, and was stopped: TIMEOUT."""
    RESET = "reset"
    """The machine was reset or powered off, and the kernel had not announced it, as with a triple fault: CRASH."""
    SHUTDOWN = "shutdown"
    """The guest powered off or restarted in good order, but before the workload had ended: FAIL."""
    QEMU = "qemu"
    """QEMU or virtme-ng ended by itself, or was killed, before the workload ended: ERROR."""
    WORKLOAD = "workload"
    """The guest lived, but the workload ended with an error of its own: ERROR."""


@dataclass(frozen=True)
class Splat:
    """A complaint of a guest kernel about itself, such as a WARNING or a stall.

    `title` is what remains of its first line without all that differs from boot to boot; `text` is that line.  `place`
    is the file and the line, from 1, where it stands, and `count` how many splats of this title there are.
    """

    kind: str
    title: str
    text: str
    place: str
    count: int = 1


@dataclass(frozen=True)
class BootReport:
    """How one boot ended: `lines` show it (from the console or QEMU), `evidence` says where they stand.

    `why` is for a sentence on it: what is known of the cause, "" where the first of `lines` says it.  `seconds` is
    wall-clock time.  `splats` are those of the whole boot, however it ended.  `taint` is the guest
    kernel's before and after the workload, None where it did not tell both.  `odd` is what a guest must not leave or
    do, such as a link in the place of a file: a sentence for each.
    """

    end: BootEnd
    seconds: float
    lines: tuple[str, ...] = ()
    evidence: str = ""
    splats: tuple[Splat, ...] = ()
    taint: tuple[int, int] | None = None
    why: str = ""
    odd: tuple[str, ...] = ()
