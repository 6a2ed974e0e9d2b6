# SPDX-License-Identifier: GPL-2.0-only
"""The values of the doctor's room: what a host told, and what that means for a run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from orchestrator.inventory.model import Entry
from orchestrator.passthrough.model import Inventory


class State(StrEnum):
    """What a finding means, from good to bad."""

    OK = "ok"
    WARNING = "warning"
    """Some runs cannot be, or take longer."""
    MISSING = "missing"
    """No run can be."""


@dataclass(frozen=True)
class HostFinding:
    """One thing that a run needs: `detail` says what there is of it, or what is wrong and for what that matters.

    `mend` is the command that mends it, "" where none does; `packages` are those of Debian that it would install.
    """

    what: str
    state: State
    detail: str
    mend: str = ""
    packages: tuple[str, ...] = ()


@dataclass(frozen=True)
class Report:
    """All findings on one host; `system` says what it is, `install` is one command for all packages, "" for none."""

    host: str
    system: str
    findings: tuple[HostFinding, ...]
    install: str = ""

    @property
    def state(self) -> State:
        """The worst of the findings."""
        return max((finding.state for finding in self.findings), key=list(State).index, default=State.OK)

    def of(self, state: State) -> tuple[HostFinding, ...]:
        """The findings with `state`."""
        return tuple(finding for finding in self.findings if finding.state is state)


@dataclass(frozen=True)
class Where:
    """Where a run would work.

    `python` is orch's own interpreter on the machine that orch runs on, None for another host: there only guests are
    booted, unless it builds, too.  `places` are the directories that are written to, by what they are for.  `entry` is
    what the inventory says of another host.
    """

    python: Path | None
    places: Mapping[str, Path]
    entry: Entry | None = None

    @property
    def home(self) -> bool:
        """Whether it is the machine that orch runs on."""
        return self.python is not None


@dataclass(frozen=True)
class Program:
    """A program of a host: the first line that it says when asked for its version.

    `static` is None where its file does not tell.
    """

    path: str
    version: str
    runs: bool
    static: bool | None = None


@dataclass(frozen=True)
class Disk:
    """The disk of a directory, in bytes; `writable` by this user."""

    path: Path
    free: int
    total: int
    writable: bool
    foreign: bool = False
    """Whether the directory is there, and somebody else's."""


@dataclass(frozen=True)
class Kvm:
    """/dev/kvm: whether it is there and may be opened; `flag` of the CPU promises it: "vmx", "svm", or "".

    `pvm` is whether the module kvm_pvm stands behind it, which needs no such flag, and a guest kernel made for it.
    """

    there: bool
    usable: bool
    flag: str
    pvm: bool = False


@dataclass(frozen=True)
class User:
    """As whom commands run on the host; `sudo` is whether that program is there."""

    name: str
    root: bool
    sudo: bool


@dataclass(frozen=True)
class Facts:
    """What a host told (`agent.check`).

    `machine` is as uname(1) calls it, `cpu` the CPU's vendor.  `apt` is whether apt-get is there, `mirror` whether it
    knows a mirror of Debian.  `memory` and `available` are in bytes.  `open_files` are the soft and the hard limit.
    `vfio_pci` is whether that driver can be loaded.
    """

    host: str
    system: str
    kernel: str
    machine: str
    cpu: str
    python: str
    user: User
    apt: bool
    mirror: bool
    programs: Mapping[str, Program]
    files: frozenset[str]
    disks: Mapping[str, Disk]
    memory: int
    available: int
    cores: int
    kvm: Kvm
    open_files: tuple[int, int]
    vfio_pci: bool
    inventory: Inventory
