# SPDX-License-Identifier: GPL-2.0-only
"""The PCI functions that a run gives to its guests.

They are chosen before the run starts, and leased from its first boot on.
"""

from __future__ import annotations

import getpass
import os
import platform
from collections.abc import Collection, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from threading import Lock
from typing import Protocol

from orchestrator.errors import InfrastructureError
from orchestrator.host.base import Host
from orchestrator.passthrough.check import obstacles
from orchestrator.passthrough.lease import DeviceLease, DeviceRequest, leased
from orchestrator.passthrough.lease_client import Notify
from orchestrator.passthrough.messages import left_words
from orchestrator.passthrough.model import Function, Inventory, Lease
from orchestrator.passthrough.restore import give_back
from orchestrator.passthrough.scan import scan
from orchestrator.passthrough.select import Choice, choose_all
from orchestrator.scenario.devices import Device, PassthroughDevice
from orchestrator.scenario.model import Scenario
from orchestrator.yamlfile.units import format_size

Environment = tuple[tuple[str, str], ...]
"""Environment variables for the processes of a guest."""


class Pool(Protocol):
    """The PCI functions that the guests of one run get."""

    def leased(self, results: Path, notify: Notify, /) -> AbstractContextManager[Environment]:
        """Have the functions for one boot; yields variables for the processes of the guest.

        `results` is the run's directory, which other runs that wait for the functions see.  Raises InfrastructureError
        if the functions cannot be obtained, and Interrupted.
        """

    def close(self) -> None:
        """Give everything back.  Raises InfrastructureError if that fails."""


class NullPool:
    """The pool of a run whose devices are all emulated."""

    def leased(self, _results: Path, _notify: Notify) -> AbstractContextManager[Environment]:
        """Give nothing (see `Pool.leased`)."""
        return nullcontext(())

    def close(self) -> None:
        """Give nothing back (see `Pool.close`)."""


class DevicePool:
    """Gives the functions of `requests` to the guests of one run, in turn.

    The first boot leases them; they are kept until `close`.
    """

    def __init__(
        self, host: Host, inventory: Inventory, requests: tuple[DeviceRequest, ...], forced: Collection[str]
    ) -> None:
        self._host = host
        self._inventory = inventory
        self._requests = requests
        self._forced = forced
        self._lock = Lock()
        self._stack = ExitStack()
        self._lease: DeviceLease | None = None

    @contextmanager
    def leased(self, results: Path, notify: Notify) -> Iterator[Environment]:
        """See `Pool.leased`."""
        with self._lock:
            if self._lease is None:
                holder = _holder(results)
                lease = leased(self._host, self._inventory, self._requests, holder, self._judge, notify)
                self._lease = self._stack.enter_context(lease)
            self._lease.refuse_if_lost()
            yield self._lease.environment

    def close(self) -> None:
        """See `Pool.close`."""
        self._stack.close()

    def _judge(self, now: Inventory) -> None:
        """Raise InfrastructureError if a function can no longer be passed through: it was chosen some time ago."""
        for request in self._requests:
            address = request.function.address
            function = now.function(address)
            why = obstacles(now, function, self._forced) if function else ("it was removed",)
            if why:
                raise InfrastructureError(f"{now.host}: {address} cannot be passed through: {why[0]}")


def _holder(results: Path) -> Lease:
    since = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return Lease(os.getpid(), _user(), platform.node(), str(results), since)


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # the user has no entry in /etc/passwd
        return str(os.getuid())


def resolve_devices(
    host: Host, scenario: Scenario, forced: Collection[str], notify: Notify, given: tuple[str, ...] | None = None
) -> tuple[Scenario, Pool]:
    """Return `scenario` with each device as it will be, passed through or emulated, and the pool that leases them.

    Nothing is leased or bound yet, but devices that a killed run left behind are given back first.  `forced` are
    addresses of functions that are passed through although the host uses them; only functions in `given` are taken,
    None for any.  Raises InfrastructureError, with a sentence for each device that cannot be provided.
    """
    wanted = [device for device in scenario.devices if isinstance(device, PassthroughDevice)]
    if not wanted:
        return scenario, NullPool()
    inventory = replace(_scan_restored(host, notify, given), locked=scenario.machine.memory)
    choices = {choice.device.name: choice for choice in choose_all(wanted, inventory, forced)}
    requests = tuple(_request(choice.device, choice.function) for choice in choices.values() if choice.function)
    devices = tuple(_resolved(device, choices.get(device.name), notify) for device in scenario.devices)
    pool: Pool = DevicePool(host, inventory, requests, tuple(forced)) if requests else NullPool()
    return replace(scenario, devices=devices), pool


def _scan_restored(host: Host, notify: Notify, given: tuple[str, ...] | None) -> Inventory:
    """Return the functions of `host`, after those that killed runs left behind are given back."""
    inventory = scan(host, given=given)
    if not any(function.left_behind and not function.lease for function in inventory.functions):
        return inventory
    for entry in give_back(host):
        notify(left_words(entry))
    return scan(host, given=given)


def _resolved(device: Device, choice: Choice | None, notify: Notify) -> Device:
    """Return `device` as the guests get it; `choice` is None for an emulated one."""
    if not isinstance(device, PassthroughDevice) or choice is None:
        return device
    if choice.function:
        return replace(device, address=choice.function.address, found=_description(choice.function))
    assert device.fallback  # see `choose_all`
    notify(f"device '{device.name}' is emulated instead: {choice.why_not}")
    return replace(device.fallback, instead=choice.why_not)


def _description(function: Function) -> str:
    bars = (f"BAR{bar.number} {format_size(bar.size)}" for bar in function.bars if not bar.io)
    return f"{function.ids}, {', '.join(bars)}"


def _request(device: PassthroughDevice, function: Function) -> DeviceRequest:
    """Return what is requested for `device`.

    Raises InfrastructureError if a BAR cannot have the size that the scenario wants.
    """
    able = {bar.number: bar.sizes for bar in function.bars}
    for bar, size in device.resize:
        if size not in able.get(bar, ()):
            sizes = ", ".join(format_size(value) for value in able.get(bar, ())) or "none: it is not resizable"
            what = f"BAR{bar} of {function.address} cannot be {format_size(size)}; its sizes are {sizes}"
            raise InfrastructureError(f"{device.where}: device '{device.name}': {what}")
    return DeviceRequest(function, device.resize)
