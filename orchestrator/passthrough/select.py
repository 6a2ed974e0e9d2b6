# SPDX-License-Identifier: GPL-2.0-only
"""Which function of a host a scenario's selector means."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from orchestrator.errors import InfrastructureError
from orchestrator.passthrough.check import obstacles
from orchestrator.passthrough.model import Function, Inventory
from orchestrator.scenario.devices import PassthroughDevice, Selector
from orchestrator.yamlfile.units import format_size


@dataclass(frozen=True)
class Choice:
    """What became of a scenario's device: the function to pass through, or None and the sentence that says why not."""

    device: PassthroughDevice
    function: Function | None
    why_not: str = ""


def matches(selector: Selector, function: Function) -> bool:
    """Whether `selector` means `function`, whatever else is in the way."""
    if selector.address:
        return function.address == selector.address
    return (
        not function.is_bridge
        and selector.vendor in (None, function.vendor)
        and selector.device in (None, function.device)
        and f"{function.class_code:06x}".startswith(selector.class_prefix)
        and function.largest >= selector.min_bar
    )


def choose(
    device: PassthroughDevice, inventory: Inventory, taken: Collection[str] = (), forced: Collection[str] = ()
) -> Choice:
    """The function for `device`: of those that match and can be passed through a free one before a leased one, and
    the lowest address before others.

    `taken` are the addresses that other devices of the scenario have; see `obstacles` for `forced`.
    """
    if device.selector.host not in ("", inventory.host):
        return Choice(
            device, None, f"it is to be one of {device.selector.host}, and the guests boot on {inventory.host}"
        )
    fitting = [one for one in inventory.functions if matches(device.selector, one) and one.address not in taken]
    if not fitting:
        return Choice(device, None, f"{inventory.host} has no {device.selector.words}{_but(device, inventory)}")
    usable = [one for one in fitting if not obstacles(inventory, one, forced)]
    if usable:
        return Choice(device, min(usable, key=lambda one: (one.lease is not None, one.address)))
    reasons = (f"{one.address} cannot be passed through: {obstacles(inventory, one, forced)[0]}" for one in fitting)
    return Choice(device, None, "; ".join(reasons))


def _but(device: PassthroughDevice, inventory: Inventory) -> str:
    """What of the kind there is instead."""
    selector = device.selector
    if selector.address or not selector.min_bar:
        return ""
    smaller = [one for one in inventory.functions if matches(selector.of_any_size, one)]
    for one in smaller:
        for number in one.unassigned:
            return f"; the firmware gave BAR{number} of {one.address} no address; turn on Above 4G decoding"
    largest = max(smaller, key=lambda one: one.largest, default=None)
    return (
        "" if largest is None else f"; the largest BAR of such is {format_size(largest.largest)}, of {largest.address}"
    )


def choose_all(
    devices: Iterable[PassthroughDevice], inventory: Inventory, forced: Collection[str] = ()
) -> tuple[Choice, ...]:
    """A function of its own for each of `devices`, in their order.

    Raises InfrastructureError, which names them all, where one has none and no fallback either.
    """
    choices: list[Choice] = []
    for device in devices:
        taken = {choice.function.address for choice in choices if choice.function}
        choices.append(choose(device, inventory, taken, forced))
    missing = [choice for choice in choices if not choice.function and not choice.device.fallback]
    if missing:
        raise InfrastructureError(
            "\n".join(f"{choice.device.where}: device '{choice.device.name}': {choice.why_not}" for choice in missing)
        )
    return tuple(choices)
