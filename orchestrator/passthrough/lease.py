# SPDX-License-Identifier: GPL-2.0-only
"""Lease PCI functions of a host for a run, and restore them afterwards.

A program on the host (`agent.lease`) holds the leases for as long as orch holds its connection to it.  If orch closes
the connection or ends, or the connection is lost, the program restores everything.  If the program is killed, its
journals stay: orch restores the functions from them or, if orch has ended too, the next run does.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from typing import Any

from orchestrator.agent.open_files import TOKEN
from orchestrator.errors import CommandError
from orchestrator.host.base import Command, Host
from orchestrator.passthrough.check import taken_along
from orchestrator.passthrough.lease_client import LeaseClient, Notify
from orchestrator.passthrough.model import Function, Inventory, Lease
from orchestrator.passthrough.scan import scan

_LOADING = 120.0
"""Seconds that the kernel may take to load its driver."""


@dataclass(frozen=True)
class DeviceRequest:
    """A function that a run requests.

    `resize` has the wanted sizes of its BARs, in bytes, by number.
    """

    function: Function
    resize: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True)
class DeviceLease:
    """The functions that a run has leased.

    `environment` must be in the environment of the guests' processes; it identifies them.
    """

    addresses: tuple[str, ...]
    environment: tuple[tuple[str, str], ...]
    client: LeaseClient

    def refuse_if_lost(self) -> None:
        """Raise InfrastructureError if the leases are lost, and other runs may take the functions."""
        self.client.refuse_if_gone()


@contextmanager
def leased(
    host: Host,
    inventory: Inventory,
    requests: Sequence[DeviceRequest],
    holder: Lease,
    judge: Callable[[Inventory], None],
    notify: Notify,
    root: str = "/",
) -> Iterator[DeviceLease]:
    """Lease the functions of `requests` and their groups, and restore them after the context.

    The functions are from `inventory`.  Waits for the leases of other runs.  `judge` is called once no other run can
    take the functions any longer, with the state of the host at that time; it raises if a function can no longer be
    given.  Raises InfrastructureError also if a function cannot be taken or cannot be given back.
    """
    token = secrets.token_hex(8)
    client = LeaseClient(host, root, notify, _groups(inventory, requests), asdict(holder) | {"token": token})
    with client.holding():
        _load_driver(host)
        now = replace(scan(host, root, inventory.given), locked=inventory.locked)
        judge(now)
        client.take(tuple(_journals(now, requests, token)))
        yield DeviceLease(tuple(request.function.address for request in requests), ((TOKEN, token),), client)


def _load_driver(host: Host) -> None:
    with suppress(CommandError):  # modprobe may be missing, or both be built in; `take` reports a missing driver
        host.run(Command(("modprobe", "-a", "vfio-pci", "vfio_iommu_type1"), timeout=_LOADING))


def _groups(inventory: Inventory, requests: Sequence[DeviceRequest]) -> list[str]:
    """Return the addresses to lease: VFIO gives a group to one user only."""
    members = (item for request in requests for item in (request.function, *inventory.others(request.function)))
    return sorted({function.address for function in members})


def _journals(inventory: Inventory, requests: Sequence[DeviceRequest], token: str) -> Iterator[dict[str, Any]]:
    """Yield the journal of each function that must be bound; see `agent.lease`.

    It has the present state, and the requested BAR sizes.
    """
    sizes = {request.function.address: dict(request.resize) for request in requests}
    wanted = [inventory.function(request.function.address) or request.function for request in requests]
    for function in dict.fromkeys(item for each in wanted for item in taken_along(inventory, each)):
        resize = sizes.get(function.address, {})
        yield {
            "address": function.address,
            "group": function.group,
            "ids": function.ids,
            "driver": function.driver,
            "override": function.override,
            "sizes": {str(bar.number): bar.size for bar in function.bars if bar.number in resize},
            "resize": {str(bar): size for bar, size in resize.items()},
            "token": token,
        }
