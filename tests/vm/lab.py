# SPDX-License-Identifier: GPL-2.0-only
"""Hosts behind SSH.

They are network namespaces of this machine, each with a real sshd and keys of its own.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.unit.host.test_ssh import make_key

SSHD = """\
ListenAddress {address}
HostKey {directory}/host_key
AuthorizedKeysFile {directory}/user_key.pub
PidFile none
StrictModes no
UsePAM no
PasswordAuthentication no
SetEnv SHLVL=1 PATH={path}
"""
SILENCE = 60.0
"""Seconds after which either end takes a connection as lost (host/connections.py)."""


def ip(*words: str, there: str = "") -> None:
    subprocess.run([*inside(there), "ip", *words], check=True)


def inside(there: str) -> list[str]:
    """What a command begins with that runs in the network namespace `there`.

    ip's own -n mounts something, too, and cannot in a chroot whose root is no mount point.
    """
    return ["nsenter", f"--net=/run/netns/{there}"] if there else []


@dataclass(frozen=True)
class LabHost:
    """A network namespace with an sshd; `link` is this machine's end of the cable."""

    name: str
    place: Path
    link: str
    address: str

    @property
    def kept(self) -> Path:
        """The directory in which the host keeps what is sent to it."""
        return self.place / "kept"

    def entry(self) -> str:
        return f"""\
  {self.name}:
    address: {self.address}
    user: root
    key: {self.place}/user_key
    known-hosts: {self.place}/known_hosts
    directory: {self.kept}
"""

    def left(self) -> list[str]:
        """What a run has left of itself."""
        return [path.name for path in (self.kept / "runs").glob("*")]


def _path() -> str:
    """The PATH of this machine, without the directories of orch's own environment."""
    return os.pathsep.join(one for one in os.environ["PATH"].split(os.pathsep) if not one.startswith(sys.prefix))


def lab_host(place: Path, name: str, number: int) -> tuple[LabHost, subprocess.Popen[bytes]]:
    host = LabHost(name, place, f"orch{number}", f"10.213.{number}.2")
    there = f"orch{number}-{name}"
    ip("netns", "add", there)
    ip("link", "add", host.link, "type", "veth", "peer", "name", "lab", "netns", there)
    ip("address", "add", f"10.213.{number}.1/24", "dev", host.link)
    ip("link", "set", host.link, "up")
    ip("address", "add", f"{host.address}/24", "dev", "lab", there=there)
    ip("link", "set", "lab", "up", there=there)
    make_key(place / "host_key")
    make_key(place / "user_key")
    (place / "known_hosts").write_text(f"{host.address} {(place / 'host_key.pub').read_text()}")
    (place / "config").write_text(SSHD.format(address=host.address, directory=place, path=_path()))
    argv = [*inside(there), "/usr/sbin/sshd", "-D", "-E", str(place / "log"), "-f", str(place / "config")]
    return host, subprocess.Popen(argv)


@contextmanager
def laboratory(places: Mapping[str, Path], first: int) -> Iterator[dict[str, LabHost]]:
    """A host for each of `places`, by name, for the time of the context.

    Tests that run at once differ in `first`.
    """
    Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
    hosts, daemons = {}, []
    try:
        for number, (name, place) in enumerate(places.items(), first):
            hosts[name], daemon = lab_host(place, name, number)
            daemons.append(daemon)
        yield hosts
    finally:
        for daemon in daemons:
            daemon.kill()
            daemon.wait()
        for number, name in enumerate(places, first):
            subprocess.run(["ip", "netns", "delete", f"orch{number}-{name}"], check=False)


def inventory_of(hosts: Iterable[LabHost], place: Path) -> Path:
    """The inventory of `hosts`, in the directory `place`."""
    path = place / "hosts.yaml"
    path.write_text("hosts:\n" + "".join(host.entry() for host in hosts))
    return path
