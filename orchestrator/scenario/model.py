# SPDX-License-Identifier: GPL-2.0-only
"""A scenario as frozen values: what the rooms downstream work with, free of YAML and of pydantic."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import NoReturn

from orchestrator.scenario.devices import Device
from orchestrator.scenario.sources import PatchSource, PrebuiltSource, Source


class Placement(StrEnum):
    """Who chooses the virtual address of an mmap."""

    KERNEL = "kernel"
    """The kernel alone: mmap with a NULL hint."""
    QEMU = "qemu"
    """QEMU's vfio_region_mmap(): aligned to the length's lowest set bit, at most 1 GiB."""
    OFFSET = "offset"
    """Congruent to the region offset modulo the PUD or PMD size, as the length allows."""
    PMD = "pmd"
    """Congruent to the region offset modulo the PMD size and never modulo the PUD size: no entry can be larger."""
    MISALIGNED = "misaligned"
    """The negative control: one page past a PMD boundary, so that no huge entry can be right."""


class TestGroup(StrEnum):
    """A group of tests of the alignment workload, which a scenario chooses by this name."""

    __test__ = False  # no class of tests, whatever pytest thinks of its name

    MAP = "map"
    """Each placement of the range: alignment, entries, faults, page tables, DMA map."""
    REPEAT = "repeat"
    """The kernel's placement many times over, under ASLR, in the top-down and in the legacy bottom-up layout."""
    RANDOM = "random"
    """The kernel's placement of seeded random parts of the BAR: congruent to the offset wherever it can profit?"""
    RANGES = "ranges"
    """The parts before and after a hole, such as an MSI-X table."""
    SUB_PAGE = "sub-page"
    """BARs smaller than a page."""
    CONTENT = "content"
    """A RAM-backed BAR shows through every placement's mapping what its region's file descriptor shows."""
    DMA = "dma"
    """DMA maps of the BAR, through type1, type1v2 and iommufd."""
    LIFE = "life"
    """What a huge mapping goes through: munmap of a part, mprotect, mremap, fork, memory disabled, close."""
    SPLIT = "split"
    """A page in the midst of a PUD entry gets a mapping of its own, or none: kernels from 6.12 to 7.3 oops over it."""


class Level(StrEnum):
    """The page-table level of an entry."""

    PTE = "PTE"
    PMD = "PMD"
    PUD = "PUD"


class FaultMaps(StrEnum):
    """What one page fault in the mapping of a BAR brings in."""

    ENTRY = "entry"
    """The one entry of the touched page, be it a PTE, a PMD or a PUD entry."""
    MAPPING = "mapping"
    """Every entry of the whole mapping, which then are PTEs."""


@dataclass(frozen=True)
class Capability:
    """What a kernel can do with the mapping of a BAR: `levels` are those of its entries beyond PTE."""

    levels: tuple[Level, ...] = (Level.PMD, Level.PUD)
    fault_maps: FaultMaps = FaultMaps.ENTRY


@dataclass(frozen=True)
class CapabilityOverride:
    """What a scenario says of a kernel's `Capability`; None is what follows from its version and configuration."""

    levels: tuple[Level, ...] | None = None
    faults: FaultMaps | None = None


@dataclass(frozen=True)
class Expectation:
    """What one kernel is supposed to do with one placement; None is recorded and compared, but not judged.

    `alignment` is a minimum in bytes.  `level` is the largest level in use, wherever the range and its offset in the
    BAR have room for it, with the smaller ones for the rest; `entries` is the exact number of entries of any level.
    `faults` and `dma_faults` are exact up to the workload's own (see `result.judge.alignment`): faults to touch
    every page of the range, and faults that the type1 DMA map of a fresh mapping takes.
    `xfail`, where set, is the reason why the kernel is known not to do this yet.
    """

    alignment: int | None = None
    level: Level | None = None
    entries: int | None = None
    faults: int | None = None
    dma_faults: int | None = None
    xfail: str | None = None


COMPILERS = ("gcc", "clang")
"""What can build them; clang builds with all of LLVM's tools."""


@dataclass(frozen=True)
class Kernel:
    """The recipe of a kernel: source, then patches in order, then config fragments and single options.

    `config` are fragment files, absolute, later ones win.  `options` are (name without CONFIG_, value) pairs that win
    over every fragment, with the value `n` for "not set".  `expect` has one entry per placement that is judged.  `can`
    is for kernels whose patches change what follows from version and configuration.  `xfail` has patterns of the names
    of the alignment workload's tests that are known to fail, and why.  `where` is file:line of the recipe.  `arch` is
    one of `arch.ARCHES`, `compiler` one of `COMPILERS` or clang-N; with `modules`, its modules are there in the guest.
    """

    name: str
    source: Source
    patches: tuple[PatchSource, ...] = ()
    config: tuple[Path, ...] = ()
    options: tuple[tuple[str, str], ...] = ()
    expect: tuple[tuple[Placement, Expectation], ...] = ()
    where: str = ""
    can: CapabilityOverride = field(default_factory=CapabilityOverride)
    xfail: tuple[tuple[str, str], ...] = ()
    arch: str = "x86_64"
    compiler: str = "gcc"
    modules: bool = False

    @property
    def prebuilt(self) -> bool:
        """Whether it is booted as somebody else built it."""
        return isinstance(self.source, PrebuiltSource)


@dataclass(frozen=True)
class AlignmentWorkload:
    """The `alignment` program on one device.

    `bars` are BAR numbers, empty for every mappable one; `length` is in bytes, None for the whole BAR, and never
    more than the BAR; `offset` is where in the BAR the range begins, in bytes.  `timeout` is in seconds and holds
    for the whole boot.  `tests` are the groups that run.  `repeats` is the number of mmaps of the group `repeat` in
    each layout, `ranges` that of the group `random`, whose `seed` is None for another one in every run.  `hole` is
    the offset, in bytes, of a page that the group `ranges` leaves out; None for the BAR's MSI-X table.
    """

    name: str
    device: str
    bars: tuple[int, ...] = ()
    offset: int = 0
    length: int | None = None
    placements: tuple[Placement, ...] = tuple(Placement)
    timeout: float = 300.0
    where: str = ""
    tests: tuple[TestGroup, ...] = (TestGroup.MAP,)
    repeats: int = 200
    ranges: int = 2000
    seed: int | None = None
    hole: int | None = None


@dataclass(frozen=True)
class SelftestsWorkload:
    """Suites of the kernel's own selftests, built from the source of the kernel that boots.

    `targets` are directories of tools/testing/selftests.  `only` are names of programs, empty for all of them.
    `device` is bound to vfio-pci while they run; empty for none.  `setup` are lines of shell that run before.
    `test_timeout` is in whole seconds and holds for each program, None for the suite's own; `timeout` is in seconds
    and holds for the whole boot.  `xfail` has patterns of the names of cases that are known to fail, and why.
    """

    name: str
    targets: tuple[str, ...]
    device: str = ""
    only: tuple[str, ...] = ()
    test_timeout: int | None = None
    environment: tuple[tuple[str, str], ...] = ()
    setup: tuple[str, ...] = ()
    xfail: tuple[tuple[str, str], ...] = ()
    timeout: float = 300.0
    where: str = ""


class Outcome(StrEnum):
    """Where the outcome of a command is read from."""

    EXIT_STATUS = "exit-status"
    """One case: 0 passed, 4 skipped, all else failed."""
    KTAP = "ktap"
    """KTAP or TAP in its output: a case for each test."""


@dataclass(frozen=True)
class CommandWorkload:
    """A program of the user's own: `command` is a line of shell.

    `files` (absolute; files or directories) lie in its working directory in the guest.  The rest is as in
    `SelftestsWorkload`.
    """

    name: str
    command: str
    files: tuple[Path, ...] = ()
    outcome: Outcome = Outcome.EXIT_STATUS
    device: str = ""
    environment: tuple[tuple[str, str], ...] = ()
    setup: tuple[str, ...] = ()
    xfail: tuple[tuple[str, str], ...] = ()
    timeout: float = 300.0
    where: str = ""


SuiteWorkload = SelftestsWorkload | CommandWorkload
"""What others wrote: its cases are known only once it has run."""

Workload = AlignmentWorkload | SelftestsWorkload | CommandWorkload
"""What runs in the guest."""


@dataclass(frozen=True)
class Machine:
    """The virtual machine that every kernel boots on: CPUs, memory in bytes, IOMMU model, accelerator.

    `iommu` is "auto" (the one of the kernel's architecture), "intel", "smmuv3" or "none".
    `accelerator` is "auto" (whatever really boots), "kvm" or "tcg".
    """

    cpus: int = 1
    memory: int = 2 << 30
    iommu: str = "auto"
    accelerator: str = "auto"

    @property
    def noiommu(self) -> bool:
        """Whether the guest's VFIO is in no-IOMMU mode: it gives devices to programs, and no DMA is mapped."""
        return self.iommu == "none"


@dataclass(frozen=True)
class HostSelector:
    """The host of the inventory called `name`, or one with `tag`; this machine for neither."""

    name: str = ""
    tag: str = ""


@dataclass(frozen=True)
class Scenario:
    """One question: kernels × devices × workloads, and what is expected of each.

    `base` names the kernel that the others are compared with; `kernels` has it first.  `overrides` are the options by
    which these kernels took the place of those of the file, for a shell; empty where they are the file's own.
    """

    name: str
    path: Path
    description: str
    base: str
    kernels: tuple[Kernel, ...]
    devices: tuple[Device, ...]
    workloads: tuple[Workload, ...]
    machine: Machine = field(default_factory=Machine)
    overrides: str = ""
    host: HostSelector = field(default_factory=HostSelector)
    """Where the guests boot."""
    build_host: HostSelector = field(default_factory=HostSelector)
    """Where the kernels are built."""

    def kernel(self, name: str) -> Kernel:
        """The kernel called `name`; KeyError where there is none."""
        return next((k for k in self.kernels if k.name == name), None) or _missing(name)

    def device(self, name: str) -> Device:
        """The device called `name`; KeyError where there is none."""
        return next((d for d in self.devices if d.name == name), None) or _missing(name)


def _missing(name: str) -> NoReturn:
    raise KeyError(name)
