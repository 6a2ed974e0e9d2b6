# SPDX-License-Identifier: GPL-2.0-only
"""Choose the function of a host that matches a scenario's selector."""

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
    """The choice for a scenario's device.

    `function` is the function to pass through, or None; `why_not` is then the reason, as a sentence.
    """

    device: PassthroughDevice
    function: Function | None
    why_not: str = ""


def matches(selector: Selector, function: Function) -> bool:
    """Return whether `selector` selects `function`, regardless of obstacles."""
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
    """Return the function for `device`, among those that match and can be passed through.

    A free function is preferred to a leased one, then the lowest address.  `taken` are the addresses of the scenario's
    other devices; see `obstacles` for `forced`.
    """
    if device.selector.host not in ("", inventory.host):
        return Choice(
            device, None, f"it must be one of {device.selector.host}, and the guests boot on {inventory.host}"
        )
    fitting = [
        function
        for function in inventory.functions
        if matches(device.selector, function) and function.address not in taken
    ]
    if not fitting:
        return Choice(device, None, f"{inventory.host} has no {device.selector.words}{_but(device, inventory)}")
    usable = [function for function in fitting if not obstacles(inventory, function, forced)]
    if usable:
        return Choice(device, min(usable, key=lambda function: (function.lease is not None, function.address)))
    blocked = ((function.address, obstacles(inventory, function, forced)[0]) for function in fitting)
    return Choice(device, None, "; ".join(f"{address} cannot be passed through: {why}" for address, why in blocked))


def _but(device: PassthroughDevice, inventory: Inventory) -> str:
    """Return the closest alternative on the host, for the end of a message."""
    selector = device.selector
    if selector.address or not selector.min_bar:
        return ""
    smaller = [function for function in inventory.functions if matches(selector.of_any_size, function)]
    for function in smaller:
        for number in function.unassigned:
            return f"; the firmware gave BAR{number} of {function.address} no address; turn on Above 4G decoding"
    largest = max(smaller, key=lambda function: function.largest, default=None)
    return (
        "" if largest is None else f"; the largest BAR of such is {format_size(largest.largest)}, of {largest.address}"
    )


def choose_all(
    devices: Iterable[PassthroughDevice], inventory: Inventory, forced: Collection[str] = ()
) -> tuple[Choice, ...]:
    """Return a different function for each of `devices`, in their order.

    Raises InfrastructureError, which names all of them, if a device has no function and no fallback.
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
