# SPDX-License-Identifier: GPL-2.0-only
"""Report a host's PCI functions, their uses, and VFIO's requirements; change nothing."""

from __future__ import annotations

import json
import os
import resource
import sys
from typing import Any

from orchestrator.agent.leases import Store
from orchestrator.agent.open_files import openers
from orchestrator.agent.pci import functions
from orchestrator.agent.sysfs import Tree
from orchestrator.agent.usage import disks, displays, interfaces, other_uses
from orchestrator.agent.virtiofs import shares

_CAP_IPC_LOCK = 14
"""From include/uapi/linux/capability.h."""


def _capable(tree: Tree, capability: int) -> bool:
    """Return whether this process has a capability (proc(5), status)."""
    lines = [line.split() for line in tree.read("/proc/self/status").splitlines()]
    return any(fields[0] == "CapEff:" and int(fields[1], 16) >> capability & 1 for fields in lines if len(fields) == 2)


def host(tree: Tree) -> dict[str, Any]:
    """Return the facts about the host that VFIO needs for any device.

    `memlock` is in bytes, -1 for no limit.
    """
    node = tree.path("/dev/vfio/vfio")
    return {
        "iommus": tree.names("/sys/class/iommu"),
        "groups": len(tree.names("/sys/kernel/iommu_groups")),
        "vfio_pci": tree.path("/sys/bus/pci/drivers/vfio-pci").exists(),
        "node": node.exists(),
        "node_usable": os.access(str(node), os.R_OK | os.W_OK),
        "root": os.geteuid() == 0,
        # No limit applies with this capability (drivers/vfio/vfio_iommu_type1.c, vfio_lock_acct).
        "memlock": -1 if _capable(tree, _CAP_IPC_LOCK) else resource.getrlimit(resource.RLIMIT_MEMLOCK)[0],
        "options": [option for option in tree.read("/proc/cmdline").split() if "iommu" in option],
        "cpu": os.uname().machine,
    }


def scan(tree: Tree) -> dict[str, Any]:
    """Return the whole report."""
    return {
        "functions": functions(tree),
        "interfaces": interfaces(tree),
        "displays": displays(tree),
        "disks": disks(tree),
        "uses": [*other_uses(tree), *shares(tree)],
        "openers": openers(tree),
        "leases": Store(tree).holders(),
        "journals": Store(tree).journals(),
        "host": host(tree),
    }


if __name__ == "__main__":
    print(json.dumps(scan(Tree(json.load(sys.stdin)["root"]))))
