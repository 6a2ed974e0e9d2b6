# SPDX-License-Identifier: GPL-2.0-only
"""Checks of a scenario's devices that a schema cannot express."""

from __future__ import annotations

from collections.abc import Iterator

from orchestrator.scenario.devices import MOST_DEVICES, OWN_PROPERTIES, SIZED_BAR
from orchestrator.scenario.schema.device import KINDS, DeviceEntry, EmulatedEntry
from orchestrator.scenario.schema.parts import Parts
from orchestrator.yamlfile.messages import listed, near, quoted
from orchestrator.yamlfile.nodes import Loc

Complaint = tuple[Loc, str]


def device_complaints(parts: Parts) -> Iterator[Complaint]:
    """Yield every complaint about the devices of `parts`."""
    for name in parts.document.names("devices"):
        loc: Loc = ("devices", name)
        given = parts.document.get(loc)
        if isinstance(given, dict):
            yield from _kind(loc, given)
            yield from _selector(loc, given)
    for name, device in parts.devices.items():
        yield from _emulated(parts, ("devices", name), device, f"device {quoted(name)}")
        if device.fallback:
            what = f"the fallback of device {quoted(name)}"
            yield from _emulated(parts, ("devices", name, "fallback"), device.fallback, what)
    yield from _twice(parts)
    yield from _too_many(parts)


def _kind(loc: Loc, given: dict[str, object]) -> Iterator[Complaint]:
    """Check that a device is of one kind, and has no keys of the other kind."""
    kinds = [kind for kind in KINDS if given.get(kind) is not None]
    if not kinds:
        yield loc, f"device {quoted(loc[1])} is neither 'emulated' nor 'passthrough'; give it one of them"
    for other in kinds[1:]:
        yield (*loc, other), f"device {quoted(loc[1])} is 'emulated' already; 'fallback' has what to emulate instead"
    for kind, keys in KINDS.items():
        for key in keys:
            if kinds and kind not in kinds and given.get(key) is not None:
                yield (*loc, key), f"{quoted(key)} is for devices that are {quoted(kind)}; remove it"


def _emulated(parts: Parts, loc: Loc, entry: DeviceEntry | EmulatedEntry, what: str) -> Iterator[Complaint]:
    """Check the BAR size and the properties of an emulated device.

    Exactly the models with a sized BAR must have a size.  No property may be one that orch sets.
    """
    given = parts.document.get((*loc, "bar")) is not None
    if entry.emulated in SIZED_BAR and not given:
        yield loc, f"{what} has no 'bar', the size of its BAR; add one, such as 4G"
    elif entry.emulated and entry.emulated not in SIZED_BAR and given:
        sized = listed(SIZED_BAR)
        fix = near(entry.emulated, SIZED_BAR) or "; remove it, or see 'properties'"
        yield (*loc, "bar"), f"'bar' is for {sized}, not for {quoted(entry.emulated)}{fix}"
    for key in entry.properties:
        if key in OWN_PROPERTIES:
            hint = ", and see bar" if key == "membar" else ""
            yield (*loc, "properties", key), f"property {quoted(key)} of {what} is set by orch; remove it{hint}"


def _selector(loc: Loc, given: dict[str, object]) -> Iterator[Complaint]:
    selector = given.get("passthrough")
    if not isinstance(selector, dict):
        return
    keys = [key for key, value in selector.items() if value is not None]
    if not keys:
        yield (*loc, "passthrough"), "'passthrough' selects no function; give it an address, or a 'device'"
    elif "address" in keys and set(keys) - {"address", "host"}:
        others = listed(quoted(key) for key in keys if key not in ("address", "host"))
        yield (*loc, "passthrough"), f"'address' alone selects a function; remove it, or {others}"


def _twice(parts: Parts) -> Iterator[Complaint]:
    """Check that no two devices are the same function."""
    seen: dict[str, str] = {}
    for name, device in parts.devices.items():
        address = device.passthrough.address if device.passthrough else None
        if address and address in seen:
            what = f"device {quoted(name)} is the function {address} that device {quoted(seen[address])} is"
            yield ("devices", name, "passthrough"), f"{what}; give it another one, or remove it"
        elif address:
            seen[address] = name


def _too_many(parts: Parts) -> Iterator[Complaint]:
    names = parts.document.names("devices")
    if len(names) > MOST_DEVICES:
        yield ("devices",), f"{len(names)} devices are more than the {MOST_DEVICES} that fit; remove some"
