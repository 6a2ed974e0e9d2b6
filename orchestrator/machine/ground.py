# SPDX-License-Identifier: GPL-2.0-only
"""Where guests are booted: on this machine, or (`remote.py`) on a host that has to be sent everything first."""

from __future__ import annotations

import os
import shutil
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Protocol

from orchestrator.errors import InfrastructureError
from orchestrator.host.base import Host, check
from orchestrator.kernel.toolchain import native_arch
from orchestrator.machine.boot import Booted, Progress, boot
from orchestrator.machine.model import Boot
from orchestrator.machine.platforms import PLATFORMS

KVM = Path("/dev/kvm")


class Ground(Protocol):
    """A host as the place of boots; paths of a `Boot` are this machine's, wherever it is booted."""

    @property
    def host(self) -> Host:
        """The host itself."""

    @property
    def arch(self) -> str:
        """The architecture of its CPUs, one of `scenario.model.ARCHES`."""

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


class LocalGround:
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
        """See `Ground.arch`."""
        return native_arch()

    @property
    def identity(self) -> str:
        """See `Ground.identity`."""
        return repr((self._host.name, os.uname()))

    def kvm(self) -> str:
        """See `Ground.kvm`."""
        if os.access(KVM, os.R_OK | os.W_OK):
            return ""
        return f"{KVM} cannot be opened" if KVM.exists() else f"there is no {KVM}"

    def qemu(self, arch: str) -> str:
        """See `Ground.qemu`."""
        program, package = PLATFORMS[arch].qemu, PLATFORMS[arch].package
        if shutil.which(program) is None:
            raise InfrastructureError(f"{program} is not installed; install the package {package}")
        return version_of(self._host, program)

    @property
    def system(self) -> str:
        """See `Ground.system`."""
        return f"{os.uname().sysname} {os.uname().release}"

    @property
    def given(self) -> tuple[str, ...] | None:
        """See `Ground.given`."""
        return None

    def room(self) -> tuple[int, int] | None:
        """See `Ground.room`."""
        return None

    def open(self) -> AbstractContextManager[None]:
        """Nothing."""
        return nullcontext()

    def boot(self, plan: Boot, console: Path, progress: Progress) -> Booted:
        """See `Ground.boot`."""
        return boot(self._host, plan, console, self._home, progress)


def version_of(host: Host, qemu: str) -> str:
    """What a QEMU program says of itself.  Raises CommandError."""
    return check(host.run((qemu, "--version"), timeout=60), "asking QEMU for its version").output.splitlines()[0]
