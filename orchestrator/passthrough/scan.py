# SPDX-License-Identifier: GPL-2.0-only
"""Get a host's PCI functions and their uses."""

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
"""From include/uapi/linux/if.h, IFF_UP."""
_SECONDS = 60.0
_LOADED = "modprobe vfio-pci"


def scan(host: Host, root: str = "/", given: tuple[str, ...] | None = None) -> Inventory:
    """Return the PCI functions and the VFIO of `host`; change nothing.

    Guests may get only the functions in `given`, None for any.  `root` is the directory that has its sys, proc, dev and
    run.  Raises CommandError.
    """
    done = check(
        host.run(Command(program("scan"), stdin=sent({"root": root}), timeout=_SECONDS)), "looking for PCI functions"
    )
    try:
        return replace(inventory(host.name, json.loads(done.output)), given=given)
    except (ValueError, LookupError, TypeError) as error:
        raise CommandError(f"{host.name}: its report on its PCI functions cannot be read: {error}") from error


def inventory(name: str, report: Mapping[str, Any]) -> Inventory:
    """Return a host's report (see `agent.scan`) as values.

    Raises LookupError or TypeError if the report is incomplete.
    """
    return Inventory(
        name, tuple(_function(function, report) for function in report["functions"]), _vfio(report["host"])
    )


def _vfio(report: Mapping[str, Any]) -> Vfio:
    memlock = None if report["memlock"] < 0 else report["memlock"]
    usable = report["node_usable"] or not report["node"]
    return Vfio(
        tuple(report["iommus"]), report["groups"], report["vfio_pci"], usable, report["root"], memlock, report["cpu"]
    )


def _function(function: Mapping[str, Any], report: Mapping[str, Any]) -> Function:
    address = function["address"]
    return Function(
        address=address,
        vendor=function["vendor"],
        device=function["device"],
        class_code=function["class"],
        header=function["header"],
        driver=function["driver"],
        override=function["override"],
        group=function["group"],
        numa=function["numa"],
        bars=tuple(_bars(function["resources"], function["sizes"])),
        uses=tuple(dict.fromkeys(_uses(function, report))),
        lease=_lease(report["leases"].get(address)),
        left_behind=address in report["journals"],
        unassigned=tuple(_unassigned(function["resources"])),
        virtual=function["virtual"],
    )


def _lease(fields: Mapping[str, Any] | None) -> Lease | None:
    known = Lease.__dataclass_fields__
    return None if fields is None else Lease(**{name: value for name, value in fields.items() if name in known})


def _bars(resources: list[list[int]], sizes: Mapping[str, int]) -> Iterator[Bar]:
    for number, (first, last, flags) in enumerate(resources):
        if flags & (_IO | _MEMORY) and not flags & _UNSET and last >= first:
            able = tuple(1 << (bit + 20) for bit in range(64) if sizes.get(str(number), 0) >> bit & 1)
            io, prefetchable, wide = bool(flags & _IO), bool(flags & _PREFETCH), bool(flags & _WIDE)
            yield Bar(number, last - first + 1, io, prefetchable, wide, able)


def _unassigned(resources: list[list[int]]) -> Iterator[int]:
    """Yield the memory BARs without an address.

    I/O ports of PCI Express devices often have none, which is harmless.
    """
    for number, (_, _, flags) in enumerate(resources):
        if flags & _MEMORY and flags & _UNSET:
            yield number


def _uses(function: Mapping[str, Any], report: Mapping[str, Any]) -> Iterator[str]:
    """Yield the host's uses of a function.

    A bridge has no use of its own; the devices behind it are not counted.
    """
    if function["header"]:
        return
    for disk in report["disks"]:
        if _behind(disk, function):
            yield from disk["uses"]
    for interface in report["interfaces"]:
        if _behind(interface, function) and interface["flags"] & _UP:
            yield f"its network interface {interface['name']} is up"
    for display in report["displays"]:
        if _behind(display, function):
            yield f"it shows a picture on {display['name']}"
    yield from (other["use"] for other in report.get("uses", ()) if _behind(other, function))
    for opener in report["openers"]:
        if _opens(opener, function):
            yield f"process {opener['pid']} ({opener['command']}) has {opener['node']} open"


def _behind(row: Mapping[str, Any], function: Mapping[str, Any]) -> bool:
    """Return whether a row of the report belongs to `function` or a device behind it."""
    return function["address"] in row.get("owners", ()) or function["address"] == row.get("owner")


def _opens(opener: Mapping[str, Any], function: Mapping[str, Any]) -> bool:
    """Return whether a process has `function` open.

    The guest of another run does not count: it ends with its lease.  If NVIDIA's own driver does not report the
    function of a node, the node counts for all of its functions.
    """
    if opener["token"]:
        return False
    if not opener["owner"] and (opener.get("nvidia", -1) >= 0 or opener["node"].startswith("/dev/nvidia")):
        return bool(function["driver"] == "nvidia")
    return _behind(opener, function) or bool(opener["group"] and opener["group"] == function["group"])
