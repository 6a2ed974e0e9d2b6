# SPDX-License-Identifier: GPL-2.0-only
"""Compare the inventory's entry for a host with the host.

Pure.
"""

from __future__ import annotations

from collections.abc import Iterator

from orchestrator.doctor.hardware import gib
from orchestrator.doctor.model import Facts, HostFinding, State
from orchestrator.inventory.model import Entry
from orchestrator.passthrough.check import obstacles


def promised(facts: Facts, entry: Entry) -> Iterator[HostFinding]:
    """Yield a finding for each item of the inventory's `entry`.

    It is a warning if the host does not have the item.
    """
    if entry.cores is not None:
        yield _amount("cores for guests", entry, str(entry.cores), str(facts.cores), fits=entry.cores <= facts.cores)
    if entry.memory is not None:
        fits = entry.memory <= facts.memory
        yield _amount("memory for guests", entry, gib(entry.memory), gib(facts.memory), fits=fits)
    for address in entry.devices or ():
        yield _device(facts, entry, address)


def _amount(what: str, entry: Entry, amount: str, there: str, *, fits: bool) -> HostFinding:
    if fits:
        return HostFinding(what, State.OK, f"{amount} of {there}")
    return HostFinding(what, State.WARNING, f"{entry.where} gives {amount}, and the host has {there}; give less there")


def _device(facts: Facts, entry: Entry, address: str) -> HostFinding:
    what, function = f"device {address}", facts.inventory.function(address)
    if function is None:
        return HostFinding(what, State.WARNING, f"the host has no such function; take it out of {entry.where}")
    why_not = obstacles(facts.inventory, function)
    if why_not:
        return HostFinding(what, State.WARNING, f"cannot be passed through now: {why_not[0]}")
    return HostFinding(what, State.OK, f"{function.ids}, can be passed through now")
