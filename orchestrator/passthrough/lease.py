# SPDX-License-Identifier: GPL-2.0-only
"""Lend PCI functions of a host to a run: leased, bound to vfio-pci, and given back whatever happens.

A keeper on the host holds the leases for as long as orch holds its connection to it.  When orch lets go of it, or dies,
or the connection is lost, the keeper gives everything back.  Where the keeper dies, its journals stay: orch gives back
what they tell of, and where that died, too, whoever comes next.
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
from orchestrator.passthrough.lease_client import LeaseClient, Tell
from orchestrator.passthrough.model import Function, Inventory, Lease
from orchestrator.passthrough.scan import scan

_LOADING = 120.0
"""Seconds that the kernel may take to load its driver."""


@dataclass(frozen=True)
class DeviceRequest:
    """A function that a run wants, and what sizes in bytes its BARs are to have, by number."""

    function: Function
    resize: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True)
class DeviceLease:
    """What a run has got; `environment` must be that of the guests' processes, by which they are found again."""

    addresses: tuple[str, ...]
    environment: tuple[tuple[str, str], ...]
    keeper: LeaseClient

    def refuse_if_lost(self) -> None:
        """Raise InfrastructureError where the keeper has gone, and anybody may take the functions."""
        self.keeper.refuse_if_gone()


@contextmanager
def lent(
    host: Host,
    inventory: Inventory,
    wishes: Sequence[DeviceRequest],
    holder: Lease,
    judge: Callable[[Inventory], None],
    tell: Tell,
    root: str = "/",
) -> Iterator[DeviceLease]:
    """Have `wishes`, which are functions of `inventory`, and all of their groups, for the time of the context.

    Waits for other runs' leases.  `judge` is called once nobody else can take them any more, with what the host has
    then: it raises where a function can no longer be given.  Raises InfrastructureError also where a function cannot
    be taken, and where it cannot be given back.
    """
    token = secrets.token_hex(8)
    keeper = LeaseClient(host, root, tell, _groups(inventory, wishes), asdict(holder) | {"token": token})
    with keeper.holding():
        _load_driver(host)
        now = replace(scan(host, root, inventory.given), locked=inventory.locked)
        judge(now)
        keeper.take(tuple(_journals(now, wishes, token)))
        yield DeviceLease(tuple(wish.function.address for wish in wishes), ((TOKEN, token),), keeper)


def _load_driver(host: Host) -> None:
    with suppress(CommandError):  # where there is no modprobe, or both are built in: taking will tell
        host.run(Command(("modprobe", "-a", "vfio-pci", "vfio_iommu_type1"), timeout=_LOADING))


def _groups(inventory: Inventory, wishes: Sequence[DeviceRequest]) -> list[str]:
    """The addresses of all that must be leased: VFIO gives a group to one user only."""
    all_of = (one for wish in wishes for one in (wish.function, *inventory.others(wish.function)))
    return sorted({one.address for one in all_of})


def _journals(inventory: Inventory, wishes: Sequence[DeviceRequest], token: str) -> Iterator[dict[str, Any]]:
    """How each function that must be bound is now, with what its own wish is; see `agent.lease`."""
    sizes = {wish.function.address: dict(wish.resize) for wish in wishes}
    wanted = [inventory.function(wish.function.address) or wish.function for wish in wishes]
    for function in dict.fromkeys(one for each in wanted for one in taken_along(inventory, each)):
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
