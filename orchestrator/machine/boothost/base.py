# SPDX-License-Identifier: GPL-2.0-only
"""Hosts that boot guests.

A boot host is the local machine, or (`ssh.py`) a remote host to which all files are sent first.
"""

from __future__ import annotations

import os
import shutil
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Protocol

from orchestrator.arch import ARCHES, arch_name
from orchestrator.errors import InfrastructureError
from orchestrator.host.base import Command, Host, check
from orchestrator.machine.boot import Booted, Progress, run_vng
from orchestrator.machine.boothost.kvm_module import kvm_module
from orchestrator.machine.model import Boot

KVM = Path("/dev/kvm")
MODULES, CPUINFO = Path("/sys/module"), Path("/proc/cpuinfo")


class BootHost(Protocol):
    """A host that boots guests.

    The paths of a `Boot` are on the local machine, even for a remote host.
    """

    @property
    def host(self) -> Host:
        """The host itself."""

    @property
    def arch(self) -> str:
        """The architecture of its CPUs, one of `arch.ARCHES`."""

    @property
    def identity(self) -> str:
        """The host's identity, for cached facts about the host; it changes with the host's kernel."""

    def kvm(self) -> str:
        """Return a short reason why KVM cannot be tried on the host.

        Returns "" if it can be.
        """

    def kvm_module(self) -> str:
        """Return the kernel module that provides /dev/kvm; see `kvm_module.kvm_module`."""

    def qemu(self, arch: str) -> str:
        """Return the first line of ``qemu-system-… --version`` for `arch`.

        Raises InfrastructureError if the program is missing.
        """

    @property
    def system(self) -> str:
        """The host's kernel: its name and release."""

    @property
    def given(self) -> tuple[str, ...] | None:
        """The addresses of the PCI functions that may be passed through to guests.

        None means any.
        """

    def room(self) -> tuple[int, int] | None:
        """Return how many CPUs and how many bytes of memory guests may use.

        None means all of the local machine.
        """

    def open(self) -> AbstractContextManager[None]:
        """Return a context manager that must enclose all boots of a run.  Raises InfrastructureError."""

    def boot(self, boot: Boot, console: Path, progress: Progress) -> Booted:
        """See `machine.boot.run_vng`; also raises InfrastructureError if the connection to the host is lost."""


class LocalBootHost:
    """The local machine; `home` is the home directory for virtme-ng."""

    def __init__(self, host: Host, home: Path) -> None:
        self._host = host
        self._home = home

    @property
    def host(self) -> Host:
        """The local machine."""
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

    def kvm_module(self) -> str:
        """See `BootHost.kvm_module`."""
        return kvm_module({path.name for path in MODULES.iterdir()}, CPUINFO.read_text().split())

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
        """See `BootHost.open`; does nothing."""
        return nullcontext()

    def boot(self, boot: Boot, console: Path, progress: Progress) -> Booted:
        """See `BootHost.boot`."""
        return run_vng(self._host, boot, console, self._home, progress)


def version_of(host: Host, qemu: str) -> str:
    """Return the version line that a QEMU program prints.  Raises CommandError."""
    return check(host.run(Command((qemu, "--version"), timeout=60)), "asking QEMU for its version").output.splitlines()[
        0
    ]
