# SPDX-License-Identifier: GPL-2.0-only
"""Boot guests on a remote host through SSH.

The files that a boot needs are sent to the host, and the guest's results are fetched.  The host needs python3, QEMU and
sshd.  Each boot has its own directory there, which the host removes when the boot is over or the connection is lost
(`host.scratch`): a lost connection affects the running boots only.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from orchestrator.arch import ARCHES, arch_name
from orchestrator.errors import CommandError, InfrastructureError
from orchestrator.host.base import Command, Host, check
from orchestrator.host.disk import report_full_disk_on
from orchestrator.host.push import RemoteStore, own_directory
from orchestrator.host.scratch import scratch
from orchestrator.inventory.model import Entry
from orchestrator.kernel.cache.sealed import COMES_AND_GOES
from orchestrator.machine.boot import Booted, Progress, answers_of, conclude, launch, with_limits, write_script
from orchestrator.machine.boothost.base import CPUINFO, KVM, MODULES, version_of
from orchestrator.machine.boothost.kvm_module import kvm_module
from orchestrator.machine.boothost.ssh_share import watched_remotely
from orchestrator.machine.model import Boot
from orchestrator.machine.monitor import MONITOR
from orchestrator.machine.share import shared_with_guest

_SECONDS = 60.0
_KVM_STATE = f"""\
test -e {KVM} || {{ echo 'there is no {KVM}'; exit; }}
test -r {KVM} -a -w {KVM} || echo '{KVM} cannot be opened'"""
_FLAGS = "flags:"
_KVM_MODULE = f"ls {MODULES}; echo {_FLAGS}; grep -m1 ^flags {CPUINFO} || true"
_SETTINGS = 'mkdir -p -- "$1/.config/virtme-ng" && echo "{}" > "$1/.config/virtme-ng/virtme-ng.conf"'
"""Creates an empty configuration, which virtme-ng uses instead of one in /etc."""


class SshBootHost:
    """A remote host with the settings of its inventory `entry`; `toolbox` has virtme-ng (see `host.bundle`)."""

    def __init__(self, host: Host, entry: Entry, toolbox: Path) -> None:
        """Query the host.  Raises CommandError if it cannot be reached."""
        self._host = host
        self._entry = entry
        self._directory = entry.directory
        self._toolbox = toolbox
        self._store = RemoteStore(host, entry.directory)
        self._owned = False
        uname = self._ask("uname", "-srm")
        self._system, self._machine = uname, uname.split()[-1]
        self._path = self._ask("sh", "-c", "echo $PATH")
        self._machine_id = self._ask("sh", "-c", "cat /etc/machine-id 2>/dev/null || hostname")  # machine-id(5)

    @property
    def host(self) -> Host:
        """See `BootHost.host`."""
        return self._host

    @property
    def arch(self) -> str:
        """See `BootHost.arch`."""
        return arch_name(self._machine)

    @property
    def identity(self) -> str:
        """See `BootHost.identity`."""
        return repr((self._host.name, self._system, self._machine_id))

    @property
    def system(self) -> str:
        """See `BootHost.system`."""
        return self._system.rpartition(" ")[0]

    @property
    def given(self) -> tuple[str, ...] | None:
        """See `BootHost.given`."""
        return self._entry.devices

    def room(self) -> tuple[int, int] | None:
        """See `BootHost.room`: the inventory's limits, or less if the host has less available now."""
        cores = int(self._ask("nproc"))
        memory = int(self._ask("awk", "/^MemAvailable:/ { print $2 }", "/proc/meminfo") or 0) << 10
        entry = self._entry
        return min(cores, entry.cores or cores), min(memory, entry.memory or memory)

    def kvm(self) -> str:
        """See `BootHost.kvm`."""
        return self._ask("sh", "-c", _KVM_STATE)

    def kvm_module(self) -> str:
        """See `BootHost.kvm_module`."""
        modules, _, flags = self._ask("sh", "-c", _KVM_MODULE).partition(_FLAGS)
        return kvm_module(modules.split(), flags.split())

    def qemu(self, arch: str) -> str:
        """See `BootHost.qemu`."""
        known = ARCHES[arch]
        try:
            return version_of(self._host, known.qemu)
        except CommandError as error:
            what = f"{self._host.name}: {known.qemu} cannot be run; install the package {known.qemu_package} there"
            raise InfrastructureError(what) from error

    @contextmanager
    def open(self) -> Iterator[None]:
        """Make orch's directory on the host, for this user only.

        Raises InfrastructureError if it belongs to another user.
        """
        own_directory(self._host, self._directory)
        self._owned = True
        yield

    def boot(self, boot: Boot, console: Path, progress: Progress) -> Booted:
        """See `BootHost.boot`: all files are sent first, and the guest's results are fetched at the end."""
        if not self._owned:
            raise InfrastructureError(f"{self._host.name}: nothing can be booted before its directory is open")
        write_script(boot)
        answers = answers_of(boot)
        with (
            shared_with_guest(boot.share, answers) as limits,
            scratch(self._host, self._directory / "runs") as there,
        ):
            remote, environment = self._prepared(boot, there)
            with watched_remotely(self._host, remote.share, answers, limits):
                done = launch(self._host, remote, console, environment, progress, limits)
            for name in (MONITOR, boot.share.name):
                self._host.get(there / name, boot.share.with_name(name))
        return with_limits(conclude(done, console, boot.share, flooded=limits.flooded), limits)

    def _prepared(self, boot: Boot, there: Path) -> tuple[Boot, dict[str, str]]:
        """Send what `boot` needs to the host.

        Return the boot with the paths there, and its environment.
        """
        with report_full_disk_on(self._host, self._directory, "a boot"):
            remote, home = self._sent(boot, there), there / "home"
            for name in (MONITOR, boot.share.name):
                self._host.put(boot.share.with_name(name), there / name)
            check(self._host.run(Command(("sh", "-c", _SETTINGS, "sh", str(home)), timeout=_SECONDS)), f"making {home}")
            tools = self._store.push(self._toolbox) / "bin"
        return remote, {"PATH": f"{tools}:{self._path}", "HOME": str(home)}

    def _sent(self, boot: Boot, there: Path) -> Boot:
        """Send the files of the boot that are not on the host yet.

        Return the boot with the paths there.
        """
        if boot.exports:
            raise InfrastructureError(f"{self._host.name}: suites, commands and VMMs run on this machine only")
        push = self._store.push
        return replace(
            boot,
            image=push(boot.image),
            root=push(boot.root, without=COMES_AND_GOES),
            program=push(boot.program),
            modules=boot.modules and push(boot.modules / "lib").parent,
            share=there / boot.share.name,
        )

    def _ask(self, *argv: str) -> str:
        return check(self._host.run(Command(argv, timeout=_SECONDS)), f"asking {self._host.name}").output.strip()
