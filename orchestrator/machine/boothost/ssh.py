# SPDX-License-Identifier: GPL-2.0-only
"""A host behind SSH as the place of boots: it is sent what a boot needs, and what the guest leaves is brought back.

The host needs python3, QEMU and sshd.  Each boot has a directory of its own there, which the host removes when the boot
is over or orch is out of reach (`host.scratch`): a connection that is lost costs the boots that ran, and no other.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from orchestrator.arch import ARCHES, arch_name
from orchestrator.errors import CommandError, InfrastructureError
from orchestrator.host.base import Command, Host, check
from orchestrator.host.full import needs_room_on
from orchestrator.host.push import RemoteStore, own_directory
from orchestrator.host.scratch import scratch
from orchestrator.inventory.model import Entry
from orchestrator.kernel.cache.sealed import COMES_AND_GOES
from orchestrator.machine.boot import Booted, Progress, answers_of, conclude, launch, with_limits, write_script
from orchestrator.machine.boothost.base import KVM, version_of
from orchestrator.machine.boothost.ssh_share import watched_there
from orchestrator.machine.model import Boot
from orchestrator.machine.monitor import MONITOR
from orchestrator.machine.share import lent_to_guest

_SECONDS = 60.0
_KVM_STATE = f"""\
test -e {KVM} || {{ echo 'there is no {KVM}'; exit; }}
test -r {KVM} -a -w {KVM} || echo '{KVM} cannot be opened'"""
_SETTINGS = 'mkdir -p -- "$1/.config/virtme-ng" && echo "{}" > "$1/.config/virtme-ng/virtme-ng.conf"'
"""An empty configuration, which virtme-ng finds before it looks into /etc."""


class SshBootHost:
    """`host`, as the inventory's `entry` says; `toolbox` is virtme-ng (see `host.bundle`)."""

    def __init__(self, host: Host, entry: Entry, toolbox: Path) -> None:
        """Raises CommandError where the host cannot be reached."""
        self._host = host
        self._entry = entry
        self._directory = entry.directory
        self._toolbox = toolbox
        self._store = RemoteStore(host, entry.directory)
        self._owned = False
        told = self._ask("uname", "-srm")
        self._system, self._machine = told, told.split()[-1]
        self._path = self._ask("sh", "-c", "echo $PATH")
        self._machine_id = self._ask("sh", "-c", "cat /etc/machine-id 2>/dev/null || hostname")  # machine-id(5)

    @property
    def host(self) -> Host:
        """See `Ground.host`."""
        return self._host

    @property
    def arch(self) -> str:
        """See `Ground.arch`."""
        return arch_name(self._machine)

    @property
    def identity(self) -> str:
        """See `Ground.identity`."""
        return repr((self._host.name, self._system, self._machine_id))

    @property
    def system(self) -> str:
        """See `Ground.system`."""
        return self._system.rpartition(" ")[0]

    @property
    def given(self) -> tuple[str, ...] | None:
        """See `Ground.given`."""
        return self._entry.devices

    def room(self) -> tuple[int, int] | None:
        """See `Ground.room`: what the inventory allows, as far as the host has it now."""
        cores = int(self._ask("nproc"))
        memory = int(self._ask("awk", "/^MemAvailable:/ { print $2 }", "/proc/meminfo") or 0) << 10
        entry = self._entry
        return min(cores, entry.cores or cores), min(memory, entry.memory or memory)

    def kvm(self) -> str:
        """See `Ground.kvm`."""
        return self._ask("sh", "-c", _KVM_STATE)

    def qemu(self, arch: str) -> str:
        """See `Ground.qemu`."""
        known = ARCHES[arch]
        try:
            return version_of(self._host, known.qemu)
        except CommandError as error:
            what = f"{self._host.name}: {known.qemu} cannot be run; install the package {known.qemu_package} there"
            raise InfrastructureError(what) from error

    @contextmanager
    def open(self) -> Iterator[None]:
        """Have the host's directory for this user alone.  Raises InfrastructureError where it is somebody else's."""
        own_directory(self._host, self._directory)
        self._owned = True
        yield

    def boot(self, plan: Boot, console: Path, progress: Progress) -> Booted:
        """See `Ground.boot`: everything is sent first, and what the guest leaves is brought back."""
        if not self._owned:
            raise InfrastructureError(f"{self._host.name}: nothing can be booted before its directory is open")
        write_script(plan)
        answers = answers_of(plan)
        with (
            lent_to_guest(plan.share, answers) as limits,
            scratch(self._host, self._directory / "runs") as there,
        ):
            away, environment = self._prepared(plan, there)
            with watched_there(self._host, away.share, answers, limits):
                done = launch(self._host, away, console, environment, progress, limits)
            for name in (MONITOR, plan.share.name):
                self._host.get(there / name, plan.share.with_name(name))
        return with_limits(conclude(done, console, plan.share, flooded=limits.flooded), limits)

    def _prepared(self, plan: Boot, there: Path) -> tuple[Boot, dict[str, str]]:
        """The same boot with the host's paths, where all is that it needs, and its environment."""
        with needs_room_on(self._host, self._directory, "a boot"):
            away, home = self._sent(plan, there), there / "home"
            for name in (MONITOR, plan.share.name):
                self._host.put(plan.share.with_name(name), there / name)
            check(self._host.run(Command(("sh", "-c", _SETTINGS, "sh", str(home)), timeout=_SECONDS)), f"making {home}")
            tools = self._store.push(self._toolbox) / "bin"
        return away, {"PATH": f"{tools}:{self._path}", "HOME": str(home)}

    def _sent(self, plan: Boot, there: Path) -> Boot:
        """The same boot with the host's paths, to which all is sent that is not there yet."""
        if plan.exports:
            raise InfrastructureError(f"{self._host.name}: suites and commands run on this machine only")
        place = self._store.push
        return replace(
            plan,
            image=place(plan.image),
            root=place(plan.root, without=COMES_AND_GOES),
            program=place(plan.program),
            modules=plan.modules and place(plan.modules / "lib").parent,
            share=there / plan.share.name,
        )

    def _ask(self, *argv: str) -> str:
        return check(self._host.run(Command(argv, timeout=_SECONDS)), f"asking {self._host.name}").output.strip()
