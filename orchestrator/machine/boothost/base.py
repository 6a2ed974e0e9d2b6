# SPDX-License-Identifier: GPL-2.0-only
"""Where guests are booted: on this machine, or (`remote.py`) on a host that has to be sent everything first."""

from __future__ import annotations

import os
import shutil
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Protocol

from orchestrator.arch import ARCHES, arch_name
from orchestrator.errors import InfrastructureError
from orchestrator.host.base import Command, Host, check
from orchestrator.machine.boot import Booted, Progress, boot
from orchestrator.machine.model import Boot

KVM = Path("/dev/kvm")


class BootHost(Protocol):
    """A host as the place of boots; paths of a `Boot` are this machine's, wherever it is booted."""

    @property
    def host(self) -> Host:
        """The host itself."""

    @property
    def arch(self) -> str:
        """The architecture of its CPUs, one of `arch.ARCHES`."""

    @property
    def identity(self) -> str:
        """What the host is for whoever remembers something about it: another kernel makes it another one."""

    def kvm(self) -> str:
        """Why KVM cannot even be tried there, in a few words; "" where it can."""

    def qemu(self, arch: str) -> str:
        """The first line of ``qemu-system-… --version`` for `arch`.  Raises InfrastructureError where it is missing."""

    @property
    def system(self) -> str:
        """The host's kernel: its name and release."""

    @property
    def given(self) -> tuple[str, ...] | None:
        """The addresses of the PCI functions that guests may get; None for any."""

    def room(self) -> tuple[int, int] | None:
        """How many CPUs guests may fill there, and how much memory in bytes; None for what this machine has."""

    def open(self) -> AbstractContextManager[None]:
        """What there must be around all boots of a run.  Raises InfrastructureError."""

    def boot(self, plan: Boot, console: Path, progress: Progress) -> Booted:
        """As `machine.boot.boot`; also raises InfrastructureError where the host is lost."""


class LocalBootHost:
    """This machine; `home` is the home directory that virtme-ng gets."""

    def __init__(self, host: Host, home: Path) -> None:
        self._host = host
        self._home = home

    @property
    def host(self) -> Host:
        """This machine."""
        return self._host

    @property
    def arch(self) -> str:
        """See `BootHost.arch`."""
        return arch_name()

    @property
    def identity(self) -> str:
        """See `BootHost.identity`."""
        return repr((self._host.name, os.uname()))

    def kvm(self) -> str:
        """See `BootHost.kvm`."""
        if os.access(KVM, os.R_OK | os.W_OK):
            return ""
        return f"{KVM} cannot be opened" if KVM.exists() else f"there is no {KVM}"

    def qemu(self, arch: str) -> str:
        """See `BootHost.qemu`."""
        program, package = ARCHES[arch].qemu, ARCHES[arch].qemu_package
        if shutil.which(program) is None:
            raise InfrastructureError(f"{program} is not installed; install the package {package}")
        return version_of(self._host, program)

    @property
    def system(self) -> str:
        """See `BootHost.system`."""
        return f"{os.uname().sysname} {os.uname().release}"

    @property
    def given(self) -> tuple[str, ...] | None:
        """See `BootHost.given`."""
        return None

    def room(self) -> tuple[int, int] | None:
        """See `BootHost.room`."""
        return None

    def open(self) -> AbstractContextManager[None]:
        """Nothing."""
        return nullcontext()

    def boot(self, plan: Boot, console: Path, progress: Progress) -> Booted:
        """See `BootHost.boot`."""
        return boot(self._host, plan, console, self._home, progress)


def version_of(host: Host, qemu: str) -> str:
    """What a QEMU program says of itself.  Raises CommandError."""
    return check(host.run(Command((qemu, "--version"), timeout=60)), "asking QEMU for its version").output.splitlines()[
        0
    ]
