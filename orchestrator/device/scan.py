# SPDX-License-Identifier: GPL-2.0-only
"""Ask a host for its PCI functions, and for what uses them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from orchestrator.device.model import Bar, Function, Inventory, Lease, Vfio
from orchestrator.errors import CommandError
from orchestrator.host.base import Host, check
from orchestrator.host.program import program, sent

# include/linux/ioport.h
_IO, _MEMORY, _PREFETCH, _WIDE = 0x100, 0x200, 0x2000, 0x100000
_UP = 0x1
"""include/uapi/linux/if.h, IFF_UP"""
_SECONDS = 60.0
_LOADED = "modprobe vfio-pci"


def scan(host: Host, root: str = "/", given: tuple[str, ...] | None = None) -> Inventory:
    """What `host` has, of which guests may get `given`, None for any; `root` is where its sys, proc, dev and run are.

    Changes nothing.  Raises CommandError.
    """
    done = check(host.run(program("scan"), stdin=sent({"root": root}), timeout=_SECONDS), "looking for PCI functions")
    try:
        return replace(inventory(host.name, json.loads(done.output)), given=given)
    except (ValueError, LookupError, TypeError) as error:
        raise CommandError(f"{host.name}: what it says of its PCI functions cannot be read: {error}") from error


def inventory(name: str, told: Mapping[str, Any]) -> Inventory:
    """What a host told (see `onhost.scan`) as values.  Raises LookupError or TypeError where it told less."""
    return Inventory(name, tuple(_function(one, told) for one in told["functions"]), _vfio(told["host"]))


def _vfio(told: Mapping[str, Any]) -> Vfio:
    memlock = None if told["memlock"] < 0 else told["memlock"]
    usable = told["node_usable"] or not told["node"]
    return Vfio(tuple(told["iommus"]), told["groups"], told["vfio_pci"], usable, told["root"], memlock, told["cpu"])


def _function(one: Mapping[str, Any], told: Mapping[str, Any]) -> Function:
    address = one["address"]
    return Function(
        address=address,
        vendor=one["vendor"],
        device=one["device"],
        class_code=one["class"],
        header=one["header"],
        driver=one["driver"],
        override=one["override"],
        group=one["group"],
        numa=one["numa"],
        bars=tuple(_bars(one["resources"], one["sizes"])),
        uses=tuple(dict.fromkeys(_uses(one, told))),
        lease=_lease(told["leases"].get(address)),
        left_behind=address in told["journals"],
    )


def _lease(told: Mapping[str, Any] | None) -> Lease | None:
    known = Lease.__dataclass_fields__
    return None if told is None else Lease(**{name: value for name, value in told.items() if name in known})


def _bars(resources: list[list[int]], sizes: Mapping[str, int]) -> Iterator[Bar]:
    for number, (first, last, flags) in enumerate(resources):
        if flags & (_IO | _MEMORY) and last >= first:
            able = tuple(1 << (bit + 20) for bit in range(64) if sizes.get(str(number), 0) >> bit & 1)
            io, prefetchable, wide = bool(flags & _IO), bool(flags & _PREFETCH), bool(flags & _WIDE)
            yield Bar(number, last - first + 1, io, prefetchable, wide, able)


def _uses(one: Mapping[str, Any], told: Mapping[str, Any]) -> Iterator[str]:
    """What the host does with a function that it would miss."""
    address = one["address"]
    for disk in told["disks"]:
        if address in disk["owners"]:
            yield from disk["uses"]
    for interface in told["interfaces"]:
        if interface["owner"] == address and interface["flags"] & _UP:
            yield f"its network interface {interface['name']} is up"
    for display in told["displays"]:
        if display["owner"] == address:
            yield f"it shows a picture on {display['name']}"
    if one["virtual"]:
        yield f"it has {one['virtual']} virtual functions"
    for opener in told["openers"]:
        if _opens(opener, one):
            yield f"process {opener['pid']} ({opener['command']}) has {opener['node']} open"


def _opens(opener: Mapping[str, Any], one: Mapping[str, Any]) -> bool:
    """Whether a process has `one` open; the guest of another run does not count: it leaves with its lease."""
    if opener["token"]:
        return False
    if opener["node"].startswith("/dev/nvidia"):
        return bool(one["driver"] == "nvidia")
    return bool(opener["owner"] == one["address"] or (opener["group"] and opener["group"] == one["group"]))
