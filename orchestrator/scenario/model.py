# SPDX-License-Identifier: GPL-2.0-only
"""A scenario as frozen values, independent of YAML and pydantic; all later stages use these."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import NoReturn

from orchestrator.scenario.devices import Device
from orchestrator.scenario.sources import PatchSource, PrebuiltSource, Source

MOST_ROUNDS = 100
"""Boots of one kernel for one workload at most: more hardly narrow an interval, and take hours."""


class Placement(StrEnum):
    """How the virtual address of an mmap is chosen."""

    KERNEL = "kernel"
    """By the kernel: mmap with a NULL hint."""
    QEMU = "qemu"
    """As in QEMU's vfio_region_mmap(): aligned to the lowest set bit of the length, at most 1 GiB."""
    QEMU_V4 = "qemu-v4"
    """As in a proposal for QEMU: the address of the BAR is aligned to the next power of two of its size, at most 1 GiB,
    and a part of it is at its own offset from there.  Version 4 of "hw/vfio: Enable hugepfnmap for non-power-of-2
    device memory regions", 17 February 2026."""
    CLOUD_HYPERVISOR = "cloud-hypervisor"
    """As in cloud-hypervisor since 5 July 2026: aligned to the next power of two of the length, at most 1 GiB, whatever
    the offset (pci/src/mmap.rs, find_alignment())."""
    OFFSET = "offset"
    """Congruent to the region offset modulo the PUD size, or the PMD size for a shorter length."""
    PMD = "pmd"
    """Congruent to the region offset modulo the PMD size, but not the PUD size.  No entry can be larger than a PMD."""
    MISALIGNED = "misaligned"
    """The negative control: one page after a PMD boundary, so that no huge entry is possible."""


DEFAULT_PLACEMENTS = (Placement.KERNEL, Placement.QEMU, Placement.OFFSET, Placement.PMD, Placement.MISALIGNED)
"""The placements of a workload that names none.  The others are the rules of further VMMs.  Their entries differ from
those of `offset` and `qemu` only for a part of a BAR, and they would lengthen every run."""


class TestGroup(StrEnum):
    """A group of tests of the alignment workload; a scenario selects it by this name."""

    __test__ = False  # not a class of tests; pytest would collect it because of its name

    MAP = "map"
    """Each placement of the range: alignment, entries, faults, page tables, DMA map."""
    REPEAT = "repeat"
    """The kernel's placement, repeated under ASLR, in the top-down and in the legacy bottom-up layout."""
    RANDOM = "random"
    """The kernel's placement of random parts of the BAR, from a seed: congruent to the offset if huge entries fit?"""
    RANGES = "ranges"
    """The parts before and after a hole, such as an MSI-X table."""
    SUB_PAGE = "sub-page"
    """BARs smaller than a page."""
    CONTENT = "content"
    """A RAM-backed BAR has the same content through each placement's mapping and the region's file descriptor."""
    DMA = "dma"
    """DMA maps of the BAR, through type1, type1v2 and iommufd."""
    LIFE = "life"
    """Operations on a huge mapping: munmap of a part, mprotect, mremap, fork, memory disabled, close."""
    SPLIT = "split"
    """A page inside a PUD entry gets a mapping of its own, or none.  Kernels from 6.12 to 7.3 oops on this."""
    STAGE2 = "stage2"
    """KVM maps the BAR into a virtual machine that reads all of it: entries of stage 2, and faults of the vCPU."""


class Level(StrEnum):
    """The page-table level of an entry."""

    PTE = "PTE"
    PMD = "PMD"
    PUD = "PUD"


class FaultMaps(StrEnum):
    """What one page fault in the mapping of a BAR maps."""

    ENTRY = "entry"
    """The entry of the touched page: a PTE, PMD or PUD entry."""
    MAPPING = "mapping"
    """All entries of the whole mapping; these are then PTEs."""


@dataclass(frozen=True)
class Capability:
    """What a kernel can do when it maps a BAR.

    `levels` are the levels of its entries above PTE.  `recovers_stage2` is whether KVM creates large entries again as
    soon as the logging of dirty pages ends, and not at the next fault.
    """

    levels: tuple[Level, ...] = (Level.PMD, Level.PUD)
    fault_maps: FaultMaps = FaultMaps.ENTRY
    recovers_stage2: bool = True


@dataclass(frozen=True)
class CapabilityOverride:
    """A scenario's change to a kernel's `Capability`; None means what its version and configuration imply."""

    levels: tuple[Level, ...] | None = None
    faults: FaultMaps | None = None


@dataclass(frozen=True)
class Expectation:
    """What one kernel is expected to do with one placement.

    A field that is None is recorded and compared, but not judged.  `alignment` is a minimum in bytes.  `level` is the
    largest level in use wherever the range and its offset in the BAR allow it; the rest uses smaller levels.
    `stage2` is the same for the entries with which KVM maps the range into a virtual machine (the tests `stage2`).
    `entries` is the exact number of entries of all levels.  `faults` (to touch every page of the range) and
    `dma_faults` (of the type1 DMA map of a new mapping) are exact except for the workload's own faults (see
    `result.judge.alignment`).  `xfail`, if set, is the reason why the kernel is known not to do this yet.
    """

    alignment: int | None = None
    level: Level | None = None
    entries: int | None = None
    faults: int | None = None
    dma_faults: int | None = None
    stage2: Level | None = None
    xfail: str | None = None


COMPILERS = ("gcc", "clang")
"""The compilers that can build kernels; clang builds with all of LLVM's tools."""


@dataclass(frozen=True)
class Kernel:
    """The recipe of a kernel: source, then patches in order, then config fragments and single options.

    `config` has the absolute paths of fragment files; later ones override earlier ones.  `options` has (name without
    CONFIG_, value) pairs that override every fragment; the value `n` means "not set".  `expect` has one entry for each
    placement that is judged, and `expect_vmm` one for each workload with a VMM, by the workload's name.  `can` is for
    kernels whose patches change what version and configuration imply.
    `xfail` has name patterns of tests of the alignment workload that are known to fail, with the reasons.  `where` is
    file:line of the recipe.  `arch` is one of `arch.ARCHES`, `compiler` one of `COMPILERS` or clang-N.  If `modules`
    is set, the kernel's modules are available in the guest.
    """

    name: str
    source: Source
    patches: tuple[PatchSource, ...] = ()
    config: tuple[Path, ...] = ()
    options: tuple[tuple[str, str], ...] = ()
    expect: tuple[tuple[Placement, Expectation], ...] = ()
    expect_vmm: tuple[tuple[str, Expectation], ...] = ()
    where: str = ""
    can: CapabilityOverride = field(default_factory=CapabilityOverride)
    xfail: tuple[tuple[str, str], ...] = ()
    arch: str = "x86_64"
    compiler: str = "gcc"
    modules: bool = False

    @property
    def prebuilt(self) -> bool:
        """Whether the kernel is booted as it is, without a build."""
        return isinstance(self.source, PrebuiltSource)


@dataclass(frozen=True)
class AlignmentWorkload:
    """The `alignment` program on one device.

    `bars` has BAR numbers; empty means every BAR that can be mapped.  The range starts at `offset` bytes in the BAR
    and has `length` bytes; None means the whole BAR, and a length is never more than the BAR.  `timeout` is in seconds
    and applies to the whole boot.  `tests` are the groups to run.  `repeats` is the number of mmaps of the group
    `repeat` in each layout, `ranges` the number of random ranges of the group `random`.  `seed` is that of the random
    numbers; None means a new one in every run.  `hole` is the offset, in bytes, of a page that the group `ranges`
    leaves out; None means the BAR's MSI-X table.
    """

    name: str
    device: str
    bars: tuple[int, ...] = ()
    offset: int = 0
    length: int | None = None
    placements: tuple[Placement, ...] = DEFAULT_PLACEMENTS
    timeout: float = 300.0
    where: str = ""
    tests: tuple[TestGroup, ...] = (TestGroup.MAP,)
    repeats: int = 200
    ranges: int = 2000
    seed: int | None = None
    hole: int | None = None


@dataclass(frozen=True)
class DebianVmm:
    """A VMM in the Debian package `package` of `suite`, and the packages that it depends on."""

    package: str
    suite: str


@dataclass(frozen=True)
class ProgramVmm:
    """A VMM that is one static program of the user; `path` is absolute."""

    path: Path


@dataclass(frozen=True)
class VmmWorkload:
    """A VMM in the guest, which passes `device` through to a guest of its own.

    That guest, with the same kernel, reads every page of a BAR.  The VMM is started for each of `bars`; empty means
    every BAR that can be mapped.  `command_line` starts it, split as a shell does, with placeholders (see
    `workload.vmm.command`).  `timeout` is in seconds and applies to the whole boot.
    """

    name: str
    device: str
    vmm: DebianVmm | ProgramVmm
    command_line: str
    bars: tuple[int, ...] = ()
    timeout: float = 300.0
    where: str = ""


@dataclass(frozen=True)
class SelftestsWorkload:
    """Suites of the kernel's own selftests, built from the source of the kernel that boots.

    `targets` are directories of tools/testing/selftests.  `only` has names of programs; empty means all of them.
    `device` is bound to vfio-pci while they run; empty means no device.  `setup` has shell lines that run first.
    `test_timeout` is in whole seconds and applies to each program; None means the suite's own timeout.  `timeout` is
    in seconds and applies to the whole boot.  `xfail` has name patterns of cases that are known to fail, with the
    reasons.
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
    """What the outcome of a command is read from."""

    EXIT_STATUS = "exit-status"
    """One case: 0 is passed, 4 is skipped, any other status is failed."""
    KTAP = "ktap"
    """KTAP or TAP in its output: one case for each test."""


@dataclass(frozen=True)
class CommandWorkload:
    """The user's own program: `command` is a shell line.

    `files` are absolute paths of files or directories that are copied to the command's working directory in the guest.
    The other fields are as in `SelftestsWorkload`.
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
"""A workload with a program that is not orch's own.  Its cases are known only after the run."""

MeasuringWorkload = AlignmentWorkload | VmmWorkload
"""A workload of the `alignment` program.  Its cases are known before the run."""

Workload = MeasuringWorkload | SelftestsWorkload | CommandWorkload
"""A program, or a set of programs, that runs in the guest."""


@dataclass(frozen=True)
class Machine:
    """The virtual machine that every kernel boots on: CPUs, memory in bytes, IOMMU model, accelerator.

    `iommu` is "auto" (the model of the kernel's architecture), "intel", "smmuv3" or "none".
    `accelerator` is "auto" (kvm if a guest boots with it, otherwise tcg), "kvm" or "tcg".
    `virtualization` is whether its CPUs can run virtual machines themselves.
    """

    cpus: int = 1
    memory: int = 2 << 30
    iommu: str = "auto"
    accelerator: str = "auto"
    virtualization: bool = False

    @property
    def noiommu(self) -> bool:
        """Whether the guest's VFIO is in no-IOMMU mode: programs can use devices, but no DMA is mapped."""
        return self.iommu == "none"


@dataclass(frozen=True)
class HostSelector:
    """The inventory host with this `name`, or one with this `tag`.

    If both are empty, it is the local machine.
    """

    name: str = ""
    tag: str = ""


@dataclass(frozen=True)
class Scenario:
    """One question: kernels × devices × workloads, and what is expected of each.

    `base` is the name of the kernel that the others are compared with; it is the first of `kernels`.  `overrides` has
    the command-line options that replaced the file's kernels by these, quoted for a shell; it is empty if the kernels
    are those of the file.  `repeat` is how many times each kernel is booted for each workload.
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
    """The host that boots the guests."""
    build_host: HostSelector = field(default_factory=HostSelector)
    """The host that builds the kernels."""
    repeat: int = 1

    def kernel(self, name: str) -> Kernel:
        """Return the kernel called `name`.  Raises KeyError if there is none."""
        return next((k for k in self.kernels if k.name == name), None) or _missing(name)

    def device(self, name: str) -> Device:
        """Return the device called `name`.  Raises KeyError if there is none."""
        return next((d for d in self.devices if d.name == name), None) or _missing(name)


def _missing(name: str) -> NoReturn:
    raise KeyError(name)
