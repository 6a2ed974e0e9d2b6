# SPDX-License-Identifier: GPL-2.0-only
"""Find the processes of a host that have a device open or a BAR mapped.

The name by which they opened the device does not matter.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from orchestrator.agent.sysfs import Tree, number
from orchestrator.agent.usage import owners

TOKEN = "ORCH_LEASE"
"""The environment variable that identifies a guest's processes as those of one lease."""
_GROUP = re.compile(r"/vfio/(?:noiommu-)?(\d+)$")
"""An IOMMU group: its device node, or its device in sysfs."""
_DULL = ("/dev/pts/", "/dev/null")
"""Files that nearly every process has open."""
_BAR = re.compile(r"/devices/pci\S*/([0-9a-f]{4,}:[0-9a-f]{2}:[0-9a-f]{2}\.[0-7])/resource\d+(?:_wc)?$")
_NVIDIA = 195
"""NVIDIA's own driver does not register its nodes in sysfs, but has a major number (admin-guide/devices.txt)."""
_NVIDIA_CONTROL = (254, 255)
"""The minor numbers of its nodes for all functions: nvidia-modeset and nvidiactl."""
_NVIDIA_GPUS = "/proc/driver/nvidia/gpus"


def openers(tree: Tree) -> list[dict[str, Any]]:
    """Return the processes that have something of a PCI function open, without those that are ending.

    These are nodes of functions (`owners`), of IOMMU groups and of NVIDIA's driver, and BARs.
    """
    found: list[dict[str, Any]] = []
    gpus = _nvidia_gpus(tree)
    for pid in _processes(tree):
        uses = [*_nodes(tree, pid, gpus), *_bars(tree, pid)]
        token, command = token_of(tree, pid), tree.read("/proc", pid, "comm")
        if uses and not ending(tree, pid):  # asked last: a process that is not ending now had its token before
            found.extend({"pid": int(pid), "command": command, **use, "token": token} for use in uses)
    return found


def ending(tree: Tree, pid: str) -> bool:
    """Return whether a process is about to close all its files.

    The kernel frees its memory first (kernel/exit.c, do_exit), and with it the environment that has the token: the
    guest of a killed run would look like a process of the host.
    """
    sizes = tree.read("/proc", pid, "statm").split()
    return bool(sizes) and not any(map(int, sizes))


def token_of(tree: Tree, pid: str) -> str:
    """Return the token of the lease that a process belongs to; "" for none."""
    variables = tree.read("/proc", pid, "environ").split("\0")
    return next((text.partition("=")[2] for text in variables if text.startswith(f"{TOKEN}=")), "")


def users_of_group(tree: Tree, group: str) -> list[int]:
    """Return the processes that have the IOMMU group, or a VFIO device in it, open."""
    members = tree.names("/sys/kernel/iommu_groups", group, "devices")
    users = [(int(pid), node) for pid in _processes(tree) for node in _nodes(tree, pid, {}) if node["vfio"]]
    return sorted({pid for pid, node in users if node["group"] == group or node["owner"] in members})


def _processes(tree: Tree) -> list[str]:
    return [name for name in tree.names("/proc") if name.isdigit()]


def _opened(tree: Tree, pid: str) -> Iterator[tuple[str, Path]]:
    """Yield the name and the /proc link of each file that a process has open."""
    for entry in tree.names("/proc", pid, "fd"):
        path = tree.path("/proc", pid, "fd", entry)
        with suppress(OSError):  # the file was closed meanwhile
            yield os.readlink(str(path)), path  # noqa: PTH115 -- Path has none in Python 3.8


def _nodes(tree: Tree, pid: str, gpus: dict[int, str]) -> list[dict[str, Any]]:
    """Return the relevant device nodes that a process has open, each once.

    Relevant is a node that belongs to a function, a group or NVIDIA's driver.
    """
    found: dict[tuple[int, int], dict[str, Any]] = {}
    for name, path in _opened(tree, pid):
        # Only possible nodes: stat() hangs forever on a network file system whose server has failed.
        if "/dev/" in name and not name.startswith(_DULL):
            status = _status(path)
            if status and (stat.S_ISCHR(status.st_mode) or stat.S_ISBLK(status.st_mode)):
                key = stat.S_IFMT(status.st_mode), status.st_rdev
                found[key] = found.get(key) or _node(tree, name, status, gpus)
    numbered = any(0 <= node["nvidia"] < min(_NVIDIA_CONTROL) for node in found.values())
    return [node for node in found.values() if _counts(node, numbered=numbered)]


def _counts(node: dict[str, Any], *, numbered: bool) -> bool:
    """Return whether an open node shows a use of a device.

    A node for all of NVIDIA's functions counts only if the process has no node of a single function (`numbered`).
    """
    if node["nvidia"] in _NVIDIA_CONTROL:
        return not numbered
    return bool(node["owner"] or node["group"] or node["nvidia"] >= 0)


def _status(path: Path) -> os.stat_result | None:
    try:
        return path.stat()
    except OSError:
        return None


def _node(tree: Tree, name: str, status: os.stat_result, gpus: dict[int, str]) -> dict[str, Any]:
    """Return the owner of a device node.

    Its name is ignored: a container and a chroot have names of their own.
    """
    major, minor = os.major(status.st_rdev), os.minor(status.st_rdev)
    kind = "char" if stat.S_ISCHR(status.st_mode) else "block"
    device = str(tree.real("/sys/dev", kind, f"{major}:{minor}"))
    group = _GROUP.search(device) or _GROUP.search(name)
    nvidia = minor if kind == "char" and major == _NVIDIA else -1
    return {
        **_use(name, [gpus[nvidia]] if nvidia in gpus else owners(tree, "/sys/dev", kind, f"{major}:{minor}")),
        "group": group.group(1) if group else "",
        "vfio": bool(group) or "/vfio-dev/" in device,
        "nvidia": nvidia,
    }


def _use(name: str, functions: list[str]) -> dict[str, Any]:
    owner = functions[-1] if functions else ""
    return {"node": name, "owner": owner, "owners": functions, "group": "", "vfio": False, "nvidia": -1}


def _bars(tree: Tree, pid: str) -> list[dict[str, Any]]:
    """Return the BARs that a process has open or mapped through sysfs.

    See Documentation/PCI/sysfs-pci.rst.
    """
    mapped = [line.split(None, 5)[5:] for line in tree.read("/proc", pid, "maps").splitlines() if "/resource" in line]
    names = [name for name, _ in _opened(tree, pid)] + [fields[0] for fields in mapped if fields]
    matches = (_BAR.search(name) for name in sorted(set(names)))
    return [_use(match.string, [match.group(1)]) for match in matches if match]


def _nvidia_gpus(tree: Tree) -> dict[int, str]:
    """Return the functions of NVIDIA's own driver, by the minor numbers of their nodes.

    Empty if the driver does not report them.
    """
    found = {}
    for address in tree.names(_NVIDIA_GPUS):
        lines = (line.partition(":") for line in tree.read(_NVIDIA_GPUS, address, "information").splitlines())
        minor = next((value.strip() for name, _, value in lines if name == "Device Minor"), "")
        found[number(minor, -1)] = address
    return found
