# SPDX-License-Identifier: GPL-2.0-only
"""A host's PCI functions as values."""

from __future__ import annotations

from dataclasses import dataclass, field

BRIDGE_CLASS = 0x06
"""The base class of bridges (PCI Code and ID Assignment Specification)."""


@dataclass(frozen=True)
class Bar:
    """A base address register.

    `size` is in bytes; `sizes` are the sizes that it can get, empty if it is not resizable.
    """

    number: int
    size: int
    io: bool = False
    prefetchable: bool = False
    wide: bool = False
    """Whether it is a 64-bit BAR."""
    sizes: tuple[int, ...] = ()


@dataclass(frozen=True)
class Lease:
    """The holder of a lease.

    It is a process of `user` on the machine `machine`, for the run in `results`.
    """

    pid: int = 0
    user: str = ""
    machine: str = ""
    results: str = ""
    since: str = ""


@dataclass(frozen=True)
class Function:
    """One PCI function of a host.

    `class_code` has base class, subclass and interface in three bytes.  `driver` and `group` are "" if there is none;
    `numa` is -1 if the host has no nodes.  `bars` are the BARs with an address; `unassigned` are the numbers of memory
    BARs without an address from the firmware.  `virtual` is the number of its virtual functions.  `uses` are the host's
    uses of it, each as short text.
    """

    address: str
    vendor: int
    device: int
    class_code: int
    header: int
    driver: str
    override: str
    group: str
    numa: int
    bars: tuple[Bar, ...]
    uses: tuple[str, ...] = ()
    lease: Lease | None = None
    left_behind: bool = False
    """Whether a run took it and has not given it back.  If no process holds the lease, that run has ended."""
    unassigned: tuple[int, ...] = ()
    virtual: int = 0

    @property
    def is_bridge(self) -> bool:
        """Whether it only connects other functions."""
        return self.header != 0

    @property
    def largest(self) -> int:
        """The size of its largest memory BAR in bytes, 0 if it has none."""
        return max((bar.size for bar in self.bars if not bar.io), default=0)

    @property
    def ids(self) -> str:
        """Vendor and device as lspci(8) writes them."""
        return f"{self.vendor:04x}:{self.device:04x}"


@dataclass(frozen=True)
class Vfio:
    """The state of VFIO on a host, for any device.

    `memlock` is in bytes, None for no limit.
    """

    iommus: tuple[str, ...]
    groups: int
    driver: bool
    """Whether the driver vfio-pci is there."""
    usable: bool
    """Whether this user may open /dev/vfio/vfio, or it does not exist yet."""
    root: bool
    memlock: int | None
    cpu: str = "x86_64"


@dataclass(frozen=True)
class Inventory:
    """A host's functions, by address, and its VFIO.

    `given` are the functions that guests may get, None for any.  `locked` is the memory of their guest in bytes, all of
    which VFIO locks; 0 if there is no guest.
    """

    host: str
    functions: tuple[Function, ...]
    vfio: Vfio = field(compare=False)
    given: tuple[str, ...] | None = None
    locked: int = 0

    def function(self, address: str) -> Function | None:
        """Return the function at `address`, or None."""
        return next((function for function in self.functions if function.address == address), None)

    def group_of(self, function: Function) -> tuple[Function, ...]:
        """Return all functions of its IOMMU group, itself included.

        Returns only itself if it is in no group.
        """
        members = (other for other in self.functions if function.group and other.group == function.group)
        return tuple(members) or (function,)

    def others(self, function: Function) -> tuple[Function, ...]:
        """Return the other functions of its IOMMU group that VFIO needs, too.

        Bridges stay with the kernel.
        """
        return tuple(other for other in self.group_of(function) if other != function and not other.is_bridge)
