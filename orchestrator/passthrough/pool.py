# SPDX-License-Identifier: GPL-2.0-only
"""The PCI functions that a run gives to its guests.

They are chosen before the run starts, and leased from its first boot on.
"""

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
from orchestrator.passthrough.lease import DeviceLease, DeviceRequest, leased
from orchestrator.passthrough.lease_client import Notify
from orchestrator.passthrough.messages import left_words
from orchestrator.passthrough.model import Function, Inventory, Lease
from orchestrator.passthrough.restore import give_back
from orchestrator.passthrough.scan import scan
from orchestrator.passthrough.select import choose_all
from orchestrator.scenario.devices import Device, PassthroughDevice
from orchestrator.scenario.model import Scenario
from orchestrator.yamlfile.units import format_size

Environment = tuple[tuple[str, str], ...]
"""Environment variables for the processes of a guest."""


class DevicePool:
    """Gives the functions of `requests` to the guests of one run, in turn."""

    def __init__(
        self, host: Host, inventory: Inventory | None, requests: tuple[DeviceRequest, ...], forced: Collection[str]
    ) -> None:
        self._host = host
        self._inventory = inventory
        self._requests = requests
        self._forced = forced
        self._lock = Lock()
        self._stack = ExitStack()
        self._lease: DeviceLease | None = None

    @contextmanager
    def lending(self, results: Path, notify: Notify) -> Iterator[Environment]:
        """Have the functions for one boot.

        The first boot leases and binds them; they are kept until `close`.  `results` is shown to runs that wait for
        them.  Raises InfrastructureError if they cannot be obtained, Interrupted.
        """
        if not self._requests or self._inventory is None:
            yield ()
            return
        with self._lock:
            if self._lease is None:
                holder = _holder(results)
                lease = leased(self._host, self._inventory, self._requests, holder, self._judge, notify)
                self._lease = self._stack.enter_context(lease)
            self._lease.refuse_if_lost()
            yield self._lease.environment

    def close(self) -> None:
        """Give everything back.

        Raises InfrastructureError if that fails.
        """
        self._stack.close()

    def _judge(self, now: Inventory) -> None:
        """Raise InfrastructureError if a function can no longer be given.

        The state of the host may have changed since the function was chosen.
        """
        for request in self._requests:
            address = request.function.address
            function = now.function(address)
            why = obstacles(now, function, self._forced) if function else ("it was removed",)
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
    except (KeyError, OSError):  # a user without a name in /etc/passwd
        return str(os.getuid())


def resolve_devices(
    host: Host, scenario: Scenario, forced: Collection[str], notify: Notify, given: tuple[str, ...] | None = None
) -> tuple[Scenario, DevicePool]:
    """Choose a function or an emulated device for each device of `scenario`.

    Returns the scenario with the chosen devices, and the pool that leases the functions; changes no driver.  `forced`
    are addresses of functions that may be taken although the host uses them.  Only functions in `given` are taken, None
    for any.  Functions that an ended run left are given back first.  Raises InfrastructureError, with a sentence for
    each device, if a device cannot be provided.
    """
    wanted = [device for device in scenario.devices if isinstance(device, PassthroughDevice)]
    if not wanted:
        return scenario, NOTHING_LENT
    memory = scenario.machine.memory
    inventory = replace(scan(host, given=given), locked=memory)
    if any(function.left_behind and not function.lease for function in inventory.functions):
        for message in give_back(host):
            notify(left_words(message))
        inventory = replace(scan(host, given=given), locked=memory)
    choices = {choice.device.name: choice for choice in choose_all(wanted, inventory, forced)}
    settled: list[Device] = []
    requests = []
    for device in scenario.devices:
        choice = choices.get(device.name)
        if not isinstance(device, PassthroughDevice) or choice is None:
            settled.append(device)
        elif choice.function:
            settled.append(replace(device, address=choice.function.address, found=_description(choice.function)))
            requests.append(_request(device, choice.function))
        elif device.fallback:
            notify(f"device '{device.name}' is emulated instead: {choice.why_not}")
            settled.append(replace(device.fallback, instead=choice.why_not))
    return replace(scenario, devices=tuple(settled)), DevicePool(host, inventory, tuple(requests), tuple(forced))


def _description(function: Function) -> str:
    bars = (f"BAR{bar.number} {format_size(bar.size)}" for bar in function.bars if not bar.io)
    return f"{function.ids}, {', '.join(bars)}"


def _request(device: PassthroughDevice, function: Function) -> DeviceRequest:
    """Return the request for `function`.

    Raises InfrastructureError if a BAR cannot get the size in the scenario.
    """
    able = {bar.number: bar.sizes for bar in function.bars}
    for bar, size in device.resize:
        if size not in able.get(bar, ()):
            sizes = ", ".join(format_size(value) for value in able.get(bar, ())) or "none: it is not resizable"
            what = f"BAR{bar} of {function.address} cannot be {format_size(size)}; its sizes are {sizes}"
            raise InfrastructureError(f"{device.where}: device '{device.name}': {what}")
    return DeviceRequest(function, device.resize)
