# SPDX-License-Identifier: GPL-2.0-only
"""The values of the doctor: facts of a host, and findings for a run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from orchestrator.inventory.model import Entry
from orchestrator.passthrough.model import Inventory


class State(StrEnum):
    """The meaning of a finding, from good to bad."""

    OK = "ok"
    WARNING = "warning"
    """Some runs are impossible or slower."""
    MISSING = "missing"
    """All runs are impossible."""


@dataclass(frozen=True)
class HostFinding:
    """One need of a run.

    `detail` describes its state, or the problem and its effect.  `fix` is the command that fixes it, "" if there is
    none; `packages` are the Debian packages that the command installs.
    """

    what: str
    state: State
    detail: str
    fix: str = ""
    packages: tuple[str, ...] = ()


@dataclass(frozen=True)
class Report:
    """All findings on one host.

    `system` describes the host; `install` is one command for all packages, "" for none.
    """

    host: str
    system: str
    findings: tuple[HostFinding, ...]
    install: str = ""

    @property
    def state(self) -> State:
        """The worst state of the findings."""
        return max((finding.state for finding in self.findings), key=list(State).index, default=State.OK)

    def of(self, state: State) -> tuple[HostFinding, ...]:
        """Return the findings with `state`."""
        return tuple(finding for finding in self.findings if finding.state is state)


@dataclass(frozen=True)
class Where:
    """The place of a run.

    `python` is orch's own interpreter on the machine that orch runs on, None for another host, which only boots guests
    unless it also builds.  `places` are the directories that a run writes to, by use.  `entry` is the inventory's entry
    for another host.
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
    """A program of a host.

    `version` is the first line of its version output.  `static` is None if its file does not show it.
    """

    path: str
    version: str
    runs: bool
    static: bool | None = None


@dataclass(frozen=True)
class Disk:
    """The disk of a directory, in bytes.

    `writable` is whether this user may write to the directory.
    """

    path: Path
    free: int
    total: int
    writable: bool
    foreign: bool = False
    """Whether the directory exists and belongs to another user."""


@dataclass(frozen=True)
class Kvm:
    """The state of /dev/kvm: whether it exists and may be opened.

    `flag` is the CPU flag for virtualization: "vmx", "svm", or "".  `modules` are the names in /sys/module that begin
    with kvm.
    """

    there: bool
    usable: bool
    flag: str
    modules: tuple[str, ...] = ()


@dataclass(frozen=True)
class User:
    """The user that runs commands on the host.

    `sudo` is whether that program exists.
    """

    name: str
    root: bool
    sudo: bool


@dataclass(frozen=True)
class Facts:
    """The facts that a host reported (`agent.check`).

    `machine` is the machine name of uname(1), `cpu` the CPU's vendor.  `apt` is whether apt-get exists, `mirror`
    whether it has a mirror of Debian.  `memory` and `available` are in bytes.  `open_files` are the soft and the hard
    limit.  `vfio_pci` is whether that driver can be loaded.
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
