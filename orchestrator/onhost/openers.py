# SPDX-License-Identifier: GPL-2.0-only
"""The processes of a host that have a device open."""

from __future__ import annotations

import os
import re
import stat
from typing import Any

from orchestrator.onhost.tree import Tree

_GROUP = re.compile(r"/dev/vfio/(?:noiommu-)?(\d+)")
TOKEN = "ORCH_LEASE"
"""The environment variable by which a guest's processes are known as those of one lease."""
_NVIDIA = re.compile(r"/dev/nvidia\d+")
"""NVIDIA's own driver registers its nodes nowhere in sysfs."""


def openers(tree: Tree) -> list[dict[str, Any]]:
    """Who has something open that belongs to a PCI function (`owner`), to an IOMMU group, or to NVIDIA's driver."""
    found = []
    for pid in (name for name in tree.names("/proc") if name.isdigit()):
        for node in sorted(_nodes(tree, pid)):
            owner, group = _belongs(tree, node)
            if owner or group or _NVIDIA.fullmatch(node):
                command = tree.read("/proc", pid, "comm")
                one = {"pid": int(pid), "command": command, "node": node, "owner": owner, "group": group}
                found.append({**one, "token": token_of(tree, pid)})
    return found


def token_of(tree: Tree, pid: str) -> str:
    """The lease that a process belongs to; "" for none."""
    variables = tree.read("/proc", pid, "environ").split("\0")
    return next((one.partition("=")[2] for one in variables if one.startswith(f"{TOKEN}=")), "")


def users_of_group(tree: Tree, group: str) -> list[int]:
    """The processes that have the IOMMU group open, or a VFIO device of it by its own node."""
    members = tree.names("/sys/kernel/iommu_groups", group, "devices")
    users = [opener for opener in openers(tree) if opener["node"].startswith("/dev/vfio/")]
    return sorted({one["pid"] for one in users if one["group"] == group or one["owner"] in members})


def _nodes(tree: Tree, pid: str) -> set[str]:
    """The device nodes that a process has open."""
    targets = set()
    for entry in tree.names("/proc", pid, "fd"):
        try:
            targets.add(os.readlink(str(tree.path("/proc", pid, "fd", entry))))  # noqa: PTH115 -- Path has none in Python 3.8
        except OSError:
            continue
    return {path for path in targets if path.startswith("/dev/") and not path.startswith(("/dev/pts/", "/dev/null"))}


def _belongs(tree: Tree, node: str) -> tuple[str, str]:
    """The PCI function and the IOMMU group that a device node belongs to."""
    group = _GROUP.fullmatch(node)
    if group:
        return "", group.group(1)
    try:
        status = tree.path(node).stat()
    except OSError:
        return "", ""
    if not (stat.S_ISCHR(status.st_mode) or stat.S_ISBLK(status.st_mode)):
        return "", ""
    kind = "char" if stat.S_ISCHR(status.st_mode) else "block"
    return tree.owner("/sys/dev", kind, f"{os.major(status.st_rdev)}:{os.minor(status.st_rdev)}"), ""
