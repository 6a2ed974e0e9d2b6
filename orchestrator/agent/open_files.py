# SPDX-License-Identifier: GPL-2.0-only
"""The processes of a host that have a device open, by whatever name they opened it, or a BAR mapped."""

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
"""The environment variable by which a guest's processes are known as those of one lease."""
_GROUP = re.compile(r"/vfio/(?:noiommu-)?(\d+)$")
"""An IOMMU group: its node, and its device in sysfs."""
_DULL = ("/dev/pts/", "/dev/null")
"""What nearly every process has open."""
_BAR = re.compile(r"/devices/pci\S*/([0-9a-f]{4,}:[0-9a-f]{2}:[0-9a-f]{2}\.[0-7])/resource\d+(?:_wc)?$")
_NVIDIA = 195
"""NVIDIA's own driver registers its nodes nowhere in sysfs, but has a major number (admin-guide/devices.txt)."""
_NVIDIA_CONTROL = (254, 255)
"""The minor numbers of its nodes for all functions together, nvidia-modeset and nvidiactl."""
_NVIDIA_GPUS = "/proc/driver/nvidia/gpus"


def openers(tree: Tree) -> list[dict[str, Any]]:
    """Who has something open that belongs to PCI functions (`owners`), to an IOMMU group, or to NVIDIA's driver."""
    found = []
    gpus = _nvidia_gpus(tree)
    for pid in _processes(tree):
        for one in [*_nodes(tree, pid, gpus), *_bars(tree, pid)]:
            command = tree.read("/proc", pid, "comm")
            found.append({"pid": int(pid), "command": command, **one, "token": token_of(tree, pid)})
    return found


def token_of(tree: Tree, pid: str) -> str:
    """The lease that a process belongs to; "" for none."""
    variables = tree.read("/proc", pid, "environ").split("\0")
    return next((one.partition("=")[2] for one in variables if one.startswith(f"{TOKEN}=")), "")


def users_of_group(tree: Tree, group: str) -> list[int]:
    """The processes that have the IOMMU group open, or a VFIO device of it by its own node."""
    members = tree.names("/sys/kernel/iommu_groups", group, "devices")
    users = [(int(pid), one) for pid in _processes(tree) for one in _nodes(tree, pid, {}) if one["vfio"]]
    return sorted({pid for pid, one in users if one["group"] == group or one["owner"] in members})


def _processes(tree: Tree) -> list[str]:
    return [name for name in tree.names("/proc") if name.isdigit()]


def _opened(tree: Tree, pid: str) -> Iterator[tuple[str, Path]]:
    """What a process calls each file that it has open, and the link that leads to that file."""
    for entry in tree.names("/proc", pid, "fd"):
        path = tree.path("/proc", pid, "fd", entry)
        with suppress(OSError):  # closed meanwhile
            yield os.readlink(str(path)), path  # noqa: PTH115 -- Path has none in Python 3.8


def _nodes(tree: Tree, pid: str, gpus: dict[int, str]) -> list[dict[str, Any]]:
    """The device nodes that a process has open and that belong to something, each once."""
    found: dict[tuple[int, int], dict[str, Any]] = {}
    for name, path in _opened(tree, pid):
        # Only what can be a node: to ask a network file system that is gone for a file's status never ends.
        if "/dev/" in name and not name.startswith(_DULL):
            status = _status(path)
            if status and (stat.S_ISCHR(status.st_mode) or stat.S_ISBLK(status.st_mode)):
                key = stat.S_IFMT(status.st_mode), status.st_rdev
                found[key] = found.get(key) or _node(tree, name, status, gpus)
    numbered = any(0 <= one["nvidia"] < min(_NVIDIA_CONTROL) for one in found.values())
    return [one for one in found.values() if _counts(one, numbered=numbered)]


def _counts(one: dict[str, Any], *, numbered: bool) -> bool:
    """Whether a node tells of a use; that for all of NVIDIA's functions does unless one that is `numbered` does."""
    if one["nvidia"] in _NVIDIA_CONTROL:
        return not numbered
    return bool(one["owner"] or one["group"] or one["nvidia"] >= 0)


def _status(path: Path) -> os.stat_result | None:
    try:
        return path.stat()
    except OSError:
        return None


def _node(tree: Tree, name: str, status: os.stat_result, gpus: dict[int, str]) -> dict[str, Any]:
    """What a device node belongs to, whatever it is called: a container and a chroot have names of their own."""
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
    """The BARs that a process has open or mapped by the files of sysfs (Documentation/PCI/sysfs-pci.rst)."""
    mapped = [line.split(None, 5)[5:] for line in tree.read("/proc", pid, "maps").splitlines() if "/resource" in line]
    names = [name for name, _ in _opened(tree, pid)] + [words[0] for words in mapped if words]
    matches = (_BAR.search(name) for name in sorted(set(names)))
    return [_use(match.string, [match.group(1)]) for match in matches if match]


def _nvidia_gpus(tree: Tree) -> dict[int, str]:
    """The functions of NVIDIA's own driver by the minor numbers of their nodes; none where it does not tell."""
    found = {}
    for address in tree.names(_NVIDIA_GPUS):
        lines = (line.partition(":") for line in tree.read(_NVIDIA_GPUS, address, "information").splitlines())
        minor = next((value.strip() for name, _, value in lines if name == "Device Minor"), "")
        found[number(minor, -1)] = address
    return found
