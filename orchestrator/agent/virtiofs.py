# SPDX-License-Identifier: GPL-2.0-only
"""Directories of a hypervisor that a virtual machine has mounted through virtio functions."""

from __future__ import annotations

from typing import Any

from orchestrator.agent.sysfs import Tree

_VIRTIO = "/sys/bus/virtio/devices"
_DRIVERS = {"9p": "9pnet_virtio", "virtiofs": "virtiofs"}
"""The drivers of the devices that provide file systems of a type (net/9p/trans_virtio.c, fs/fuse/virtio_fs.c)."""


def shares(tree: Tree) -> list[dict[str, Any]]:
    """Return these mounts as text, with the functions that provide them."""
    found = []
    for source, place, kind in _mounted(tree):
        for name in tree.names(_VIRTIO):
            owners = tree.owners(_VIRTIO, name)
            if owners and _serves(tree, name, kind, source):
                found.append({"owners": owners, "use": "it serves the file system on " + place})
    return found


def _mounted(tree: Tree) -> list[tuple[str, str, str]]:
    """Return source, mount point and type of each mount of these types.

    Source: proc(5), mountinfo.
    """
    found = []
    for line in tree.read("/proc/self/mountinfo").splitlines():
        before, _, after = line.partition(" - ")
        kind, source = [*after.split(), "", ""][:2]
        if kind in _DRIVERS:
            found.append((source, before.split()[4], kind))
    return found


def _serves(tree: Tree, name: str, kind: str, source: str) -> bool:
    """Return whether a virtio device provides a mount.

    Its tag is the mount's source.  A device whose tag is not visible may be the one.
    """
    if tree.target(_VIRTIO, name, "driver") != _DRIVERS[kind]:
        return False
    tag = tree.read(_VIRTIO, name, "mount_tag").rstrip("\0")  # the kernel includes the zero at its end
    return tag in ("", source)
