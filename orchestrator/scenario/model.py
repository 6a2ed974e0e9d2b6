# SPDX-License-Identifier: GPL-2.0-only
"""A scenario as frozen values: what the rooms downstream work with, free of YAML and of pydantic."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import NoReturn


class Placement(StrEnum):
    """Who chooses the virtual address of an mmap."""

    KERNEL = "kernel"
    """The kernel alone: mmap with a NULL hint."""
    QEMU = "qemu"
    """QEMU's vfio_region_mmap(): aligned to the length's lowest set bit, at most 1 GiB."""
    OFFSET = "offset"
    """Congruent to the region offset modulo the PUD or PMD size, as the length allows."""
    MISALIGNED = "misaligned"
    """The negative control: one page past a PMD boundary, so that no huge entry can be right."""


class Level(StrEnum):
    """The page-table level of an entry."""

    PTE = "PTE"
    PMD = "PMD"
    PUD = "PUD"


@dataclass(frozen=True)
class DebianSource:
    """A `linux-source-X.Y` package of a Debian suite; `version` pins it, None takes the suite's newest."""

    package: str
    suite: str
    version: str | None = None


Source = DebianSource
"""Where a kernel's source comes from.  Further kinds (git, tree, tarball, image) join this union."""


@dataclass(frozen=True)
class Expectation:
    """What one kernel is supposed to do with one placement; None is recorded and compared, but not judged.

    `alignment` is a minimum in bytes.  `level` is the level of every entry; `entries` their exact number.
    `faults` and `dma_faults` are exact up to the workload's own (see `result.judge`): faults to touch
    every page of the range, and faults that the type1 DMA map of a fresh mapping takes.
    `xfail`, where set, is the reason why the kernel is known not to do this yet.
    """

    alignment: int | None = None
    level: Level | None = None
    entries: int | None = None
    faults: int | None = None
    dma_faults: int | None = None
    xfail: str | None = None


@dataclass(frozen=True)
class Kernel:
    """The recipe of a kernel: source, then patch series in order, then config fragments and single options.

    `patches` are directories with a `series` file or single files, absolute.  `config` are fragment files, absolute,
    later ones win.  `options` are (name without CONFIG_, value) pairs that win over every fragment, with the value
    `n` for "not set".  `expect` has one entry per placement that is judged.  `where` is file:line of the recipe.
    """

    name: str
    source: Source
    patches: tuple[Path, ...] = ()
    config: tuple[Path, ...] = ()
    options: tuple[tuple[str, str], ...] = ()
    expect: tuple[tuple[Placement, Expectation], ...] = ()
    where: str = ""


@dataclass(frozen=True)
class EmulatedDevice:
    """A PCI function that QEMU emulates: `model` names the QEMU device, `bar_size` is in bytes."""

    name: str
    model: str
    bar_size: int
    where: str = ""


Device = EmulatedDevice
"""A PCI function given to the workload.  Devices passed through from the host join this union."""


@dataclass(frozen=True)
class AlignmentWorkload:
    """The `alignment` program on one device.

    `bars` are BAR numbers, empty for every mappable one; `length` is in bytes, None for the whole BAR, and never
    more than the BAR; `offset` is where in the BAR the range begins, in bytes.  `timeout` is in seconds and holds
    for the whole boot.
    """

    name: str
    device: str
    bars: tuple[int, ...] = ()
    offset: int = 0
    length: int | None = None
    placements: tuple[Placement, ...] = tuple(Placement)
    timeout: float = 300.0
    where: str = ""


Workload = AlignmentWorkload
"""What runs in the guest.  Suites and commands of others join this union."""


@dataclass(frozen=True)
class Machine:
    """The virtual machine that every kernel boots on: CPUs, memory in bytes, IOMMU model, accelerator.

    `accelerator` is "auto" (whatever really boots), "kvm" or "tcg".
    """

    cpus: int = 1
    memory: int = 2 << 30
    iommu: str = "intel"
    accelerator: str = "auto"


@dataclass(frozen=True)
class Scenario:
    """One question: kernels × devices × workloads, and what is expected of each.

    `base` names the kernel that the others are compared with; `kernels` has it first.
    """

    name: str
    path: Path
    description: str
    base: str
    kernels: tuple[Kernel, ...]
    devices: tuple[Device, ...]
    workloads: tuple[Workload, ...]
    machine: Machine = field(default_factory=Machine)

    def kernel(self, name: str) -> Kernel:
        """The kernel called `name`; KeyError where there is none."""
        return next((k for k in self.kernels if k.name == name), None) or _missing(name)

    def device(self, name: str) -> Device:
        """The device called `name`; KeyError where there is none."""
        return next((d for d in self.devices if d.name == name), None) or _missing(name)


def _missing(name: str) -> NoReturn:
    raise KeyError(name)
