# SPDX-License-Identifier: GPL-2.0-only
"""Ask a host for its PCI functions, and for what uses them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from orchestrator.errors import CommandError
from orchestrator.host.agent import program, sent
from orchestrator.host.base import Command, Host, check
from orchestrator.passthrough.model import Bar, Function, Inventory, Lease, Vfio

# include/linux/ioport.h
_IO, _MEMORY, _PREFETCH, _WIDE, _UNSET = 0x100, 0x200, 0x2000, 0x100000, 0x20000000
_UP = 0x1
"""include/uapi/linux/if.h, IFF_UP"""
_SECONDS = 60.0
_LOADED = "modprobe vfio-pci"


def scan(host: Host, root: str = "/", given: tuple[str, ...] | None = None) -> Inventory:
    """What `host` has, of which guests may get `given`, None for any; `root` is where its sys, proc, dev and run are.

    Changes nothing.  Raises CommandError.
    """
    done = check(
        host.run(Command(program("scan"), stdin=sent({"root": root}), timeout=_SECONDS)), "looking for PCI functions"
    )
    try:
        return replace(inventory(host.name, json.loads(done.output)), given=given)
    except (ValueError, LookupError, TypeError) as error:
        raise CommandError(f"{host.name}: what it says of its PCI functions cannot be read: {error}") from error


def inventory(name: str, told: Mapping[str, Any]) -> Inventory:
    """What a host told (see `agent.scan`) as values.  Raises LookupError or TypeError where it told less."""
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
        unassigned=tuple(_unassigned(one["resources"])),
        virtual=one["virtual"],
    )


def _lease(told: Mapping[str, Any] | None) -> Lease | None:
    known = Lease.__dataclass_fields__
    return None if told is None else Lease(**{name: value for name, value in told.items() if name in known})


def _bars(resources: list[list[int]], sizes: Mapping[str, int]) -> Iterator[Bar]:
    for number, (first, last, flags) in enumerate(resources):
        if flags & (_IO | _MEMORY) and not flags & _UNSET and last >= first:
            able = tuple(1 << (bit + 20) for bit in range(64) if sizes.get(str(number), 0) >> bit & 1)
            io, prefetchable, wide = bool(flags & _IO), bool(flags & _PREFETCH), bool(flags & _WIDE)
            yield Bar(number, last - first + 1, io, prefetchable, wide, able)


def _unassigned(resources: list[list[int]]) -> Iterator[int]:
    """The memory BARs without an address; I/O ports of PCI Express devices often have none, which harms nothing."""
    for number, (_, _, flags) in enumerate(resources):
        if flags & _MEMORY and flags & _UNSET:
            yield number


def _uses(one: Mapping[str, Any], told: Mapping[str, Any]) -> Iterator[str]:
    """What the host does with a function that it would miss; what is behind a bridge is no use of the bridge."""
    if one["header"]:
        return
    for disk in told["disks"]:
        if _behind(disk, one):
            yield from disk["uses"]
    for interface in told["interfaces"]:
        if _behind(interface, one) and interface["flags"] & _UP:
            yield f"its network interface {interface['name']} is up"
    for display in told["displays"]:
        if _behind(display, one):
            yield f"it shows a picture on {display['name']}"
    yield from (other["use"] for other in told.get("uses", ()) if _behind(other, one))
    for opener in told["openers"]:
        if _opens(opener, one):
            yield f"process {opener['pid']} ({opener['command']}) has {opener['node']} open"


def _behind(row: Mapping[str, Any], one: Mapping[str, Any]) -> bool:
    """Whether what a row tells of belongs to a function, or to one that is reached through it."""
    return one["address"] in row.get("owners", ()) or one["address"] == row.get("owner")


def _opens(opener: Mapping[str, Any], one: Mapping[str, Any]) -> bool:
    """Whether a process has `one` open; the guest of another run does not count: it leaves with its lease.

    Where NVIDIA's own driver does not tell which function a node is of, it counts for all of them.
    """
    if opener["token"]:
        return False
    if not opener["owner"] and (opener.get("nvidia", -1) >= 0 or opener["node"].startswith("/dev/nvidia")):
        return bool(one["driver"] == "nvidia")
    return _behind(opener, one) or bool(opener["group"] and opener["group"] == one["group"])
