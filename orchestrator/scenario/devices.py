# SPDX-License-Identifier: GPL-2.0-only
"""The PCI functions of a scenario as values."""

from __future__ import annotations

from dataclasses import dataclass, replace

from orchestrator.yamlfile.units import format_size


@dataclass(frozen=True)
class EmulatedDevice:
    """A PCI function that QEMU emulates: `model` names the QEMU device.

    `bar_size`, in bytes, is that of BAR 2 of the models in `SIZED_BAR`, and None for all others.  `properties` are
    QEMU's own for the device, by name.  `instead` says why it is not passed through, where it is the fallback of one.
    """

    name: str
    model: str
    bar_size: int | None
    where: str = ""
    properties: tuple[tuple[str, str], ...] = ()
    instead: str = ""


MOST_DEVICES = 15
"""So many devices fit on the guest's root bus, see `machine.devices`."""

OWN_PROPERTIES = ("addr", "bus", "id", "membar", "memdev")
"""Properties of QEMU's devices that orch sets, and no scenario."""

SIZED_BAR = {"pci-testdev": 2, "ivshmem-plain": 2}
"""The models of which a scenario gives the size of a BAR, and its number.

pci-testdev's reads as all ones (QEMU hw/misc/pci-testdev.c); ivshmem-plain's is RAM (hw/misc/ivshmem-pci.c).
"""


@dataclass(frozen=True)
class Selector:
    """Which of a host's PCI functions is meant: the one at `address`, or any that has all of the rest.

    `class_prefix` is the beginning of the class code in six hexadecimal digits; `min_bar` the least size in bytes of
    its largest memory BAR.  `host` is the host of the inventory that must have it, "" for any.
    """

    address: str = ""
    vendor: int | None = None
    device: int | None = None
    class_prefix: str = ""
    min_bar: int = 0
    host: str = ""

    @property
    def of_any_size(self) -> Selector:
        """The same, however small its BARs are."""
        return replace(self, min_bar=0)

    @property
    def words(self) -> str:
        """What is looked for, in a few words."""
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
    """A PCI function of the host that the guest gets.

    `resize` are sizes in bytes to be given to resizable BARs, by number.  `fallback` is emulated where the host has no
    such function to give.  `address` is where it is on the host, and `found` what it is, once it is chosen.
    """

    name: str
    selector: Selector
    fallback: EmulatedDevice | None = None
    resize: tuple[tuple[int, int], ...] = ()
    where: str = ""
    address: str = ""
    found: str = ""


Device = EmulatedDevice | PassthroughDevice
"""A PCI function given to the workload."""
