# SPDX-License-Identifier: GPL-2.0-only
"""The host's uses of its functions, from a /sys and /proc made of files.

The device nodes exist on every machine.
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from orchestrator.agent import open_files, usage
from orchestrator.agent.leases import Store
from orchestrator.agent.sysfs import Tree

ONE, TWO, VMD, BEHIND = "0000:01:00.0", "0000:02:00.0", "0000:00:0e.0", "10000:e1:00.0"
ZERO = "1:5"
"""/dev/zero (admin-guide/devices.txt)"""


class Machine:
    """A host made of files below `root`."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.tree = Tree(str(root))

    def make(self, path: str, text: str | None = None) -> Path:
        """Make a file with `text`, or a directory."""
        place = self.root / path
        place.parent.mkdir(parents=True, exist_ok=True)
        if text is None:
            place.mkdir(parents=True, exist_ok=True)
        else:
            place.write_text(text + "\n")
        return place

    def link(self, path: str, to: str) -> None:
        place = self.root / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.symlink_to(to if to.startswith("/") else self.make(to))

    def function(self, address: str) -> str:
        """Return the directory of a function in sysfs."""
        place = f"sys/devices/pci0000:00/{address}"
        self.link(f"sys/bus/pci/devices/{address}", place)
        return place

    def opens(self, pid: int, number: int, target: str) -> None:
        self.make(f"proc/{pid}/comm", "program")
        self.link(f"proc/{pid}/fd/{number}", target)

    def openers(self) -> list[dict[str, Any]]:
        return open_files.openers(self.tree)


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def test_what_is_in_the_domain_of_a_vmd_is_its_use_too(machine: Machine) -> None:
    """drivers/pci/controller/vmd.c makes a domain of its own behind an ordinary function."""
    disk = f"sys/devices/pci0000:00/{VMD}/pci10000:e0/10000:e0:06.0/{BEHIND}/nvme/nvme0/nvme0n1"
    machine.link("sys/class/block/nvme0n1", disk)
    machine.make("proc/swaps", "Filename Type Size Used Priority\n/dev/nvme0n1 partition 1 0 -2")
    (found,) = usage.disks(machine.tree)
    assert found == {"name": "nvme0n1", "owners": [VMD, "10000:e0:06.0", BEHIND], "uses": ["nvme0n1 is swap space"]}
    assert machine.tree.owner("/sys/class/block/nvme0n1") == BEHIND
    machine.link("sys/class/net/eth0", f"sys/devices/pci0000:00/{VMD}/pci10000:e0/{BEHIND}/net/eth0")
    (interface,) = usage.interfaces(machine.tree)
    assert (interface["owner"], interface["owners"]) == (BEHIND, [VMD, BEHIND])


@pytest.mark.parametrize("below", ["net", "virtio0/net"])
def test_an_interface_in_another_network_namespace_is_a_use(machine: Machine, below: str) -> None:
    machine.make(f"{machine.function(ONE)}/{below}")
    machine.make(f"{machine.function(TWO)}/{below}/eth0")
    assert usage.other_uses(machine.tree) == [
        {"owners": [ONE], "use": "its network interface is in another network namespace"}
    ]


@pytest.mark.parametrize(
    ("name", "bound", "uses"),
    [("(S) VGA+", "1", 1), ("(S) dummy device", "1", 0), ("(M) frame buffer device", "0", 0)],
)
def test_the_boot_display_is_in_use_where_a_console_is_on_a_display(
    machine: Machine, name: str, bound: str, uses: int
) -> None:
    machine.make(f"{machine.function(ONE)}/boot_vga", "1")
    machine.make(f"{machine.function(TWO)}/boot_vga", "0")
    machine.make("sys/class/vtconsole/vtcon0/name", name)
    machine.make("sys/class/vtconsole/vtcon0/bind", bound)
    use = {"owners": [ONE], "use": "it is the boot display, which a text console is on"}
    assert usage.other_uses(machine.tree) == [use][:uses]


def test_the_parent_of_a_mediated_device_is_in_use(machine: Machine) -> None:
    machine.link("sys/bus/mdev/devices/83b8f4f2", f"{machine.function(ONE)}/83b8f4f2")
    assert usage.other_uses(machine.tree) == [{"owners": [ONE], "use": "it has the mediated device 83b8f4f2"}]


def test_a_node_counts_by_what_it_is_and_not_by_its_name(machine: Machine) -> None:
    """As in a chroot or in a container."""
    machine.link(f"sys/dev/char/{ZERO}", f"{machine.function(ONE)}/drm/card0")
    machine.link("jail/dev/card0", "/dev/zero")
    machine.opens(77, 3, str(machine.root / "jail/dev/card0"))
    (found,) = machine.openers()
    assert (found["pid"], found["command"], found["owners"]) == (77, "program", [ONE])
    assert found["node"].endswith("/jail/dev/card0")


def test_the_disk_of_an_nvme_subsystem_is_open_at_each_of_its_controllers(machine: Machine) -> None:
    """Multipath, which is on in most kernels: the disk is below no controller."""
    subsystem = "sys/devices/virtual/nvme-subsystem/nvme-subsys0"
    for number, address in enumerate((ONE, TWO)):
        machine.link(f"{subsystem}/nvme{number}", f"{machine.function(address)}/nvme/nvme{number}")
    machine.link(f"sys/dev/char/{ZERO}", f"{subsystem}/ng0n1")
    machine.opens(77, 3, "/dev/zero")
    (found,) = machine.openers()
    assert found["owners"] == [ONE, TWO]


def test_the_users_of_a_group_are_found_under_any_name(machine: Machine) -> None:
    machine.link(f"sys/dev/char/{ZERO}", "sys/devices/virtual/vfio/7")
    machine.opens(77, 3, "/dev/zero")
    assert open_files.users_of_group(machine.tree, "7") == [77]
    assert open_files.users_of_group(machine.tree, "17") == []


@pytest.mark.parametrize(
    ("statm", "environ", "found"),
    [
        ("1200 300 200 10 0 90 0", "ORCH_LEASE=t", [(77, "t")]),
        ("1200 300 200 10 0 90 0", "", [(77, "")]),
        ("1 0 0 0 0 0 0", "", [(77, "")]),
        ("0 0 0 0 0 0 0", "", []),  # a killed guest, without its environment, and with its files still open
    ],
)
def test_a_process_that_is_ending_has_no_use_of_its_own(
    machine: Machine, statm: str, environ: str, found: list[tuple[int, str]]
) -> None:
    machine.link(f"sys/dev/char/{ZERO}", "sys/devices/virtual/vfio/7")
    machine.opens(77, 3, "/dev/zero")
    machine.make("proc/77/statm", statm)
    (machine.root / "proc/77/environ").write_text(environ)
    assert [(one["pid"], one["token"]) for one in machine.openers()] == found
    assert open_files.users_of_group(machine.tree, "7") == [77]


def test_the_kernel_says_that_a_process_is_ending() -> None:
    """A zombie is as a process that ends: it has no memory."""
    child = subprocess.Popen(("sleep", "1000"))
    try:
        assert not open_files.ending(Tree("/"), str(child.pid))
        child.kill()
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
        assert open_files.ending(Tree("/"), str(child.pid))
    finally:
        child.kill()
        child.wait()
    assert not open_files.ending(Tree("/"), str(os.getpid()))


def test_a_group_is_used_by_who_has_the_node_of_a_member(machine: Machine) -> None:
    machine.make(f"sys/kernel/iommu_groups/7/devices/{ONE}")
    machine.link(f"sys/dev/char/{ZERO}", f"{machine.function(ONE)}/vfio-dev/vfio0")
    machine.opens(77, 3, "/dev/zero")
    assert open_files.users_of_group(machine.tree, "7") == [77]


def test_a_bar_that_is_open_or_mapped_counts(machine: Machine) -> None:
    machine.opens(77, 3, f"{machine.function(ONE)}/resource0")
    machine.make("proc/78/comm", "dpdk")
    bar = f"/sys/devices/pci0000:00/0000:00:01.0/{TWO}/resource2_wc"
    maps = f"7f00-7f10 rw-s 00000000 00:16 4242                      {bar}\n7f20-7f30 r--p 0 08:01 7   /lib/resource1"
    machine.make("proc/78/maps", maps)
    found = [(one["pid"], one["owners"], one["node"]) for one in machine.openers()]
    assert found == [
        (77, [ONE], str(machine.root / f"sys/devices/pci0000:00/{ONE}/resource0")),
        (78, [TWO], bar),
    ]


def test_nvidias_nodes_belong_to_the_function_of_their_minor_number(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """/dev/zero replaces /dev/nvidia5, and /dev/full the node for all functions."""
    monkeypatch.setattr(open_files, "_NVIDIA", 1)
    monkeypatch.setattr(open_files, "_NVIDIA_CONTROL", (7,))
    machine.opens(77, 3, "/dev/zero")
    machine.opens(77, 4, "/dev/full")
    machine.opens(78, 3, "/dev/full")

    def found() -> list[tuple[int, str, str, int]]:
        return [(one["pid"], one["node"], one["owner"], one["nvidia"]) for one in machine.openers()]

    assert found() == [(77, "/dev/zero", "", 5), (78, "/dev/full", "", 7)]
    machine.make(f"proc/driver/nvidia/gpus/{ONE}/information", "Model: \t\t H100\nDevice Minor: \t 5")
    assert found() == [(77, "/dev/zero", ONE, 5), (78, "/dev/full", "", 7)]


def test_looking_whether_a_disk_is_held_waits_for_no_medium(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, int]] = []

    def refuse(path: str, flags: int) -> int:
        asked.append((Path(path).name, flags))
        raise OSError(16, "Device or resource busy")

    for name in ("sr0", "sda"):
        machine.link(f"sys/class/block/{name}", f"{machine.function(ONE) if name == 'sda' else TWO}/{ONE}/block/{name}")
    monkeypatch.setattr(os, "open", refuse)
    uses = {disk["name"]: disk["uses"] for disk in usage.disks(machine.tree)}
    assert uses == {"sda": ["something holds sda"], "sr0": []}
    assert asked == [("sda", os.O_RDONLY | os.O_EXCL | os.O_NONBLOCK)]


def test_a_lock_on_another_disks_inode_of_the_same_number_is_no_lease(machine: Machine) -> None:
    store = Store(machine.tree)
    store.make()
    status = machine.make(f"run/orch/leases/{ONE}", "{}").stat()
    device = f"{os.major(status.st_dev):02x}:{os.minor(status.st_dev):02x}"
    row = "1: FLOCK  ADVISORY  WRITE 77 {}:{} 0 EOF"
    machine.make("proc/locks", row.format("ff:fe", status.st_ino))
    assert store.holders() == {}
    machine.make("proc/locks", row.format(device, status.st_ino))
    assert store.holders() == {ONE: {}}
