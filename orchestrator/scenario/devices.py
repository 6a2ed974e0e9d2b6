# SPDX-License-Identifier: GPL-2.0-only
"""The PCI functions of a scenario as values."""

from __future__ import annotations

from dataclasses import dataclass, replace

from orchestrator.yamlfile.units import format_size


@dataclass(frozen=True)
class EmulatedDevice:
    """A PCI function that QEMU emulates: `model` names the QEMU device.

    `bar_size` is the size of the BAR in bytes for the models in `SIZED_BAR`, and None for all others.  `properties`
    are QEMU's properties of the device, by name.  `instead` is set if the device is the fallback of a passed-through
    one: the reason why that one is not passed through.
    """

    name: str
    model: str
    bar_size: int | None
    where: str = ""
    properties: tuple[tuple[str, str], ...] = ()
    instead: str = ""


MOST_DEVICES = 15
"""Maximum number of devices on the guest's root bus, see `machine.devices`."""

OWN_PROPERTIES = ("addr", "bus", "id", "membar", "memdev")
"""Properties of QEMU devices that only orch sets; a scenario must not set them."""

SIZED_BAR = {"pci-testdev": 2, "ivshmem-plain": 2}
"""The models with a BAR whose size a scenario sets, and the number of that BAR.

The BAR of pci-testdev reads as all ones (QEMU hw/misc/pci-testdev.c), that of ivshmem-plain is RAM
(hw/misc/ivshmem-pci.c).
"""


@dataclass(frozen=True)
class Selector:
    """Selector of a PCI function of a host: by `address`, or by all of the other fields.

    `class_prefix` is the start of the six-digit hexadecimal class code.  `min_bar` is the minimum size, in bytes, of
    the largest memory BAR.  `host` is the name of the inventory host that must have the function, "" for any host.
    """

    address: str = ""
    vendor: int | None = None
    device: int | None = None
    class_prefix: str = ""
    min_bar: int = 0
    host: str = ""

    @property
    def of_any_size(self) -> Selector:
        """The same selector without a minimum BAR size."""
        return replace(self, min_bar=0)

    @property
    def words(self) -> str:
        """A short description of the wanted function, for messages."""
        if self.address:
            return f"PCI function {self.address}"
        vendor = "*" if self.vendor is None else f"{self.vendor:04x}"
        device = "*" if self.device is None else f"{self.device:04x}"
        ids = "" if vendor == device == "*" else f" {vendor}:{device}"
        of_class = f" of class {self.class_prefix}" if self.class_prefix else ""
        size = f" with a BAR of at least {format_size(self.min_bar)}" if self.min_bar else ""
        return f"PCI function{ids}{of_class}{size}"


@dataclass(frozen=True)
class PassthroughDevice:
    """A PCI function of the host that is passed through to the guest.

    `resize` has (BAR number, size in bytes) pairs for resizable BARs.  `fallback` is emulated if the host has no such
    function.  Once a function is chosen, `address` is its address on the host and `found` describes it.
    """

    name: str
    selector: Selector
    fallback: EmulatedDevice | None = None
    resize: tuple[tuple[int, int], ...] = ()
    where: str = ""
    address: str = ""
    found: str = ""


Device = EmulatedDevice | PassthroughDevice
"""A PCI function that the workload uses."""
