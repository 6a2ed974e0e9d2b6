# SPDX-License-Identifier: GPL-2.0-only
"""File systems of the hypervisor in a virtual machine, and the functions that provide them."""

from __future__ import annotations

from pathlib import Path

from orchestrator.agent.sysfs import Tree
from orchestrator.agent.virtiofs import shares

MOUNTS = """\
21 1 0:20 / / rw,relatime - 9p /dev/root rw,access=client,trans=virtio
22 21 0:21 / /mnt/orch rw,relatime - 9p virtme.initmount0 rw,access=client,trans=virtio
23 21 0:22 / /srv ro - virtiofs home ro
24 21 0:23 / /proc rw - proc proc rw
"""


def device(root: Path, address: str, name: str, driver: str, tag: str | None = None) -> None:
    """Make a virtio device as sysfs shows it."""
    place = root / f"sys/devices/pci0000:00/{address}/{name}"
    place.mkdir(parents=True)
    if tag is not None:
        (place / "mount_tag").write_text(tag + "\0")
    (root / "sys/bus/virtio/devices").mkdir(parents=True, exist_ok=True)
    (root / "sys/bus/virtio/devices" / name).symlink_to(place)
    (place / "driver").symlink_to(root / "sys/bus/virtio/drivers" / driver)


def test_a_mounted_share_is_a_use_of_its_function(tmp_path: Path) -> None:
    (tmp_path / "proc/self").mkdir(parents=True)
    (tmp_path / "proc/self/mountinfo").write_text(MOUNTS)
    device(tmp_path, "0000:00:01.0", "virtio0", "9pnet_virtio", "/dev/root")
    device(tmp_path, "0000:00:02.0", "virtio1", "9pnet_virtio", "virtme.initmount0")
    device(tmp_path, "0000:00:03.0", "virtio2", "9pnet_virtio", "not mounted")
    device(tmp_path, "0000:00:04.0", "virtio3", "virtiofs")
    device(tmp_path, "0000:00:05.0", "virtio4", "virtio_net")
    assert shares(Tree(str(tmp_path))) == [
        {"owners": ["0000:00:01.0"], "use": "it serves the file system on /"},
        {"owners": ["0000:00:02.0"], "use": "it serves the file system on /mnt/orch"},
        {"owners": ["0000:00:04.0"], "use": "it serves the file system on /srv"},
    ]
