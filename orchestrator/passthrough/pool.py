# SPDX-License-Identifier: GPL-2.0-only
"""The PCI functions that a run gives to its guests: chosen before it starts, lent from its first boot on."""

from __future__ import annotations

import getpass
import os
import platform
from collections.abc import Collection, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from threading import Lock

from orchestrator.errors import InfrastructureError
from orchestrator.host.base import Host
from orchestrator.host.local import LocalHost
from orchestrator.passthrough.check import obstacles
from orchestrator.passthrough.lease import DeviceLease, DeviceRequest, lent
from orchestrator.passthrough.lease_client import Tell
from orchestrator.passthrough.messages import left_words
from orchestrator.passthrough.model import Function, Inventory, Lease
from orchestrator.passthrough.restore import give_back
from orchestrator.passthrough.scan import scan
from orchestrator.passthrough.select import choose_all
from orchestrator.scenario.devices import Device, PassthroughDevice
from orchestrator.scenario.model import Scenario
from orchestrator.yamlfile.units import format_size

Environment = tuple[tuple[str, str], ...]
"""Variables for the processes of a guest."""


class DevicePool:
    """Gives the guests of one run the functions of `wishes`, one guest at a time."""

    def __init__(
        self, host: Host, inventory: Inventory | None, wishes: tuple[DeviceRequest, ...], forced: Collection[str]
    ) -> None:
        self._host = host
        self._inventory = inventory
        self._wishes = wishes
        self._forced = forced
        self._one = Lock()
        self._stack = ExitStack()
        self._loan: DeviceLease | None = None

    @contextmanager
    def lending(self, results: Path, tell: Tell) -> Iterator[Environment]:
        """Have the functions for one boot: leased and bound by the first, and kept until `close`.

        `results` is told to whoever waits for them.  Raises InfrastructureError where they cannot be had, Interrupted.
        """
        if not self._wishes or self._inventory is None:
            yield ()
            return
        with self._one:
            if self._loan is None:
                holder = _holder(results)
                loan = lent(self._host, self._inventory, self._wishes, holder, self._judge, tell)
                self._loan = self._stack.enter_context(loan)
            self._loan.refuse_if_lost()
            yield self._loan.environment

    def close(self) -> None:
        """Give everything back.  Raises InfrastructureError where that fails."""
        self._stack.close()

    def _judge(self, now: Inventory) -> None:
        """Raise InfrastructureError where a function can no longer be given: time has passed since it was chosen."""
        for wish in self._wishes:
            address = wish.function.address
            function = now.function(address)
            why = obstacles(now, function, self._forced) if function else ("it is gone",)
            if why:
                raise InfrastructureError(f"{now.host}: {address} cannot be passed through: {why[0]}")


NOTHING_LENT = DevicePool(LocalHost(), None, (), ())
"""For runs whose devices are all emulated."""


def _holder(results: Path) -> Lease:
    since = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return Lease(os.getpid(), _user(), platform.node(), str(results), since)


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # who has no name in /etc/passwd
        return str(os.getuid())


def resolve_devices(
    host: Host, scenario: Scenario, forced: Collection[str], tell: Tell, given: tuple[str, ...] | None = None
) -> tuple[Scenario, DevicePool]:
    """`scenario` with each device as it will be, passed through or emulated, and who lends them; changes nothing.

    `forced` are addresses of functions that are given although the host uses them; of others than `given`, None for
    any, none is taken.  What a dead run left is given back first.  Raises InfrastructureError, with a sentence for
    each, where a device is not to be had.
    """
    wanted = [device for device in scenario.devices if isinstance(device, PassthroughDevice)]
    if not wanted:
        return scenario, NOTHING_LENT
    memory = scenario.machine.memory
    inventory = replace(scan(host, given=given), locked=memory)
    if any(function.left_behind and not function.lease for function in inventory.functions):
        for word in give_back(host):
            tell(left_words(word))
        inventory = replace(scan(host, given=given), locked=memory)
    choices = {choice.device.name: choice for choice in choose_all(wanted, inventory, forced)}
    settled: list[Device] = []
    wishes = []
    for device in scenario.devices:
        choice = choices.get(device.name)
        if not isinstance(device, PassthroughDevice) or choice is None:
            settled.append(device)
        elif choice.function:
            settled.append(replace(device, address=choice.function.address, found=_words(choice.function)))
            wishes.append(_wish(device, choice.function))
        elif device.fallback:
            tell(f"device '{device.name}' is emulated instead: {choice.why_not}")
            settled.append(replace(device.fallback, instead=choice.why_not))
    return replace(scenario, devices=tuple(settled)), DevicePool(host, inventory, tuple(wishes), tuple(forced))


def _words(function: Function) -> str:
    bars = (f"BAR{bar.number} {format_size(bar.size)}" for bar in function.bars if not bar.io)
    return f"{function.ids}, {', '.join(bars)}"


def _wish(device: PassthroughDevice, function: Function) -> DeviceRequest:
    """Raises InfrastructureError where a BAR cannot be given the size that the scenario wants."""
    able = {bar.number: bar.sizes for bar in function.bars}
    for bar, size in device.resize:
        if size not in able.get(bar, ()):
            sizes = ", ".join(format_size(one) for one in able.get(bar, ())) or "none: it is not resizable"
            what = f"BAR{bar} of {function.address} cannot be {format_size(size)}; its sizes are {sizes}"
            raise InfrastructureError(f"{device.where}: device '{device.name}': {what}")
    return DeviceRequest(function, device.resize)
