# SPDX-License-Identifier: GPL-2.0-only
"""A host's PCI functions as values."""

from __future__ import annotations

from dataclasses import dataclass, field

BRIDGE_CLASS = 0x06
"""The base class of bridges (PCI Code and ID Assignment Specification)."""


@dataclass(frozen=True)
class Bar:
    """A base address register: `size` in bytes, and the sizes that it can be given; none where it is not resizable."""

    number: int
    size: int
    io: bool = False
    prefetchable: bool = False
    wide: bool = False
    """Whether it has 64 bits."""
    sizes: tuple[int, ...] = ()


@dataclass(frozen=True)
class Lease:
    """Who has leased a function: a process of `user` on the machine `machine`, for the run in `results`."""

    pid: int = 0
    user: str = ""
    machine: str = ""
    results: str = ""
    since: str = ""


@dataclass(frozen=True)
class Function:
    """One PCI function of a host.

    `class_code` has base class, subclass and interface in three bytes.  `driver` and `group` are "" where there is
    none; `numa` is -1 where the host has no nodes.  `bars` are those that have an address; `unassigned` are the numbers
    of memory BARs that the firmware gave none.  `virtual` is how many virtual functions it has made.  `uses` say what
    the host does with it, each in a few words.
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
    """Whether a run took it and has not given it back; it died, where nobody has the lease."""
    unassigned: tuple[int, ...] = ()
    virtual: int = 0

    @property
    def is_bridge(self) -> bool:
        """Whether it only leads to other functions."""
        return self.header != 0

    @property
    def largest(self) -> int:
        """The size of its largest memory BAR in bytes, 0 where it has none."""
        return max((bar.size for bar in self.bars if not bar.io), default=0)

    @property
    def ids(self) -> str:
        """Vendor and device as lspci(8) writes them."""
        return f"{self.vendor:04x}:{self.device:04x}"


@dataclass(frozen=True)
class Vfio:
    """What VFIO has on a host, whatever the device; `memlock` is in bytes, None for no limit."""

    iommus: tuple[str, ...]
    groups: int
    driver: bool
    """Whether the driver vfio-pci is there."""
    usable: bool
    """Whether this user may open /dev/vfio/vfio, or there is none yet."""
    root: bool
    memlock: int | None
    cpu: str = "x86_64"


@dataclass(frozen=True)
class Inventory:
    """A host's functions, by address, and its VFIO.

    `given` are those that guests may get, None for any; `locked` is how much memory, in bytes, their guest has, all of
    which VFIO locks: 0 where no guest is meant.
    """

    host: str
    functions: tuple[Function, ...]
    vfio: Vfio = field(compare=False)
    given: tuple[str, ...] | None = None
    locked: int = 0

    def function(self, address: str) -> Function | None:
        """The function at `address`."""
        return next((one for one in self.functions if one.address == address), None)

    def group_of(self, function: Function) -> tuple[Function, ...]:
        """All functions of its IOMMU group, itself included; itself alone where it is in none."""
        return tuple(one for one in self.functions if function.group and one.group == function.group) or (function,)

    def others(self, function: Function) -> tuple[Function, ...]:
        """The other functions of its IOMMU group that VFIO must have, too: bridges stay with the kernel."""
        return tuple(one for one in self.group_of(function) if one != function and not one.is_bridge)
