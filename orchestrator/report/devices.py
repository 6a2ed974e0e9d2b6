# SPDX-License-Identifier: GPL-2.0-only
"""A host's PCI functions, as a list for users and as JSON for programs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict

from orchestrator.passthrough.check import holder_words, host_obstacles, obstacles, own_obstacles, taken_along
from orchestrator.passthrough.model import Bar, Function, Inventory
from orchestrator.report.text import paint, wrap
from orchestrator.yamlfile.units import format_size

_CLASSES = {
    0x01: "storage",
    0x02: "network",
    0x03: "display",
    0x04: "multimedia",
    0x05: "memory",
    0x06: "bridge",
    0x07: "communication",
    0x08: "system",
    0x0C: "serial bus",
    0x0D: "wireless",
    0x10: "encryption",
    0x12: "accelerator",
}
"""Base classes (PCI Code and ID Assignment Specification, 1)."""
_INDENT = "  "


def class_name(function: Function) -> str:
    """Return the class of a function, and the code of class and subclass."""
    return f"{_CLASSES.get(function.class_code >> 16, 'class')} {function.class_code >> 8:04x}"


def lines(inventory: Inventory, width: int, color: bool) -> Iterator[str]:
    """Yield the lines of `orch devices`: a block per function."""
    for function in inventory.functions:
        yield _head(function, color)
        for bar in function.bars:
            yield f"{_INDENT}{bar_text(bar)}"
        for line in _state(inventory, function):
            yield from wrap(line, width, _INDENT, _INDENT * 2)
    for reason in host_obstacles(inventory.vfio):
        yield from wrap(f"no function can be passed through: {reason}", width)
    able = sum(not obstacles(inventory, function) for function in inventory.functions)
    yield f"{len(inventory.functions)} PCI functions on {inventory.host}; {able} can be passed through now"


def _head(function: Function, color: bool) -> str:
    group = f"group {function.group}" if function.group else "no group"
    node = f", NUMA node {function.numa}" if function.numa >= 0 else ""
    driver = function.driver or "no driver"
    return f"{paint(function.address, 'bold', color)}  {function.ids}  {class_name(function)}  {driver}, {group}{node}"


def bar_text(bar: Bar) -> str:
    """Return one BAR as a line."""
    if bar.io:
        return f"BAR{bar.number}  {format_size(bar.size)} of I/O ports"
    kind = f"{64 if bar.wide else 32}-bit{', prefetchable' if bar.prefetchable else ''}"
    sizes = f", resizable from {format_size(bar.sizes[0])} to {format_size(bar.sizes[-1])}" if bar.sizes else ""
    return f"BAR{bar.number}  {format_size(bar.size)}, {kind}{sizes}"


def _state(inventory: Inventory, function: Function) -> Iterator[str]:
    """Yield whether a function can be passed through, and all obstacles."""
    if function.lease:
        yield f"leased by {holder_words(function.lease)}"
    reasons = own_obstacles(inventory, function)
    if not obstacles(inventory, function):
        along = ", ".join(member.address for member in taken_along(inventory, function)[1:])
        yield "can be passed through" + (f"; {along} of its group must leave its driver, too" if along else "")
    yield from (f"no: {reason}" for reason in reasons[:1])
    yield from (f"    {reason}" for reason in reasons[1:])


def to_json(inventory: Inventory) -> dict[str, object]:
    """Return the same for programs: sizes in bytes, ids as numbers."""
    return {
        "host": inventory.host,
        "vfio": asdict(inventory.vfio),
        "functions": [
            asdict(function)
            | {
                "group_members": [member.address for member in inventory.group_of(function)],
                "obstacles": list(obstacles(inventory, function)),
            }
            for function in inventory.functions
        ],
    }
