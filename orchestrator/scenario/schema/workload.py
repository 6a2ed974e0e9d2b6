# SPDX-License-Identifier: GPL-2.0-only
"""The keys of a workload.

A workload is of one of four kinds, named by a key: run, selftests, command or vmm.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Annotated, Any, Self

from pydantic import ConfigDict, Field, field_validator, model_validator

from orchestrator.scenario.model import DEFAULT_PLACEMENTS, Outcome, TestGroup
from orchestrator.scenario.schema.fields import (
    BarNumber,
    CasePattern,
    Distinct,
    GroupName,
    Length,
    Many,
    Offset,
    OutcomeName,
    PlacementName,
    Program,
    Repeats,
    Seconds,
    Seed,
    Suite,
    Target,
    Text,
    Value,
    VariableName,
    VmmPackage,
)
from orchestrator.scenario.vmm import QEMU, command_problem
from orchestrator.yamlfile.entry import Entry
from orchestrator.yamlfile.fields import choice, one_of

COMMON = ("device", "timeout")
"""The keys that every workload can have."""

SUITE = ("environment", "setup", "xfail")
"""The keys of workloads whose programs are not orch's own."""

KINDS = {
    "run": (*COMMON, "bars", "offset", "length", "placements", "tests", "repeats", "ranges", "seed", "hole"),
    "selftests": (*COMMON, *SUITE, "only", "test-timeout"),
    "command": (*COMMON, *SUITE, "files", "outcome"),
    "vmm": (*COMMON, "bars"),
}
"""The further keys of each kind of workload, in addition to the key that names the kind."""


NEED_DEVICE = ("run", "vmm")
"""The kinds of workload that need a device."""


def _exclusive(schema: dict[str, Any]) -> None:
    """Restrict the JSON Schema to workloads of one kind, without the keys of the other kinds."""
    schema["oneOf"] = [_of_kind(kind, schema["properties"]) for kind in KINDS]


def _of_kind(kind: str, keys: Collection[str]) -> dict[str, Any]:
    foreign = {key: {"type": "null"} for key in keys if key not in (kind, *KINDS[kind])}
    needed = [kind, "device"] if kind in NEED_DEVICE else [kind]
    return {"required": needed, "properties": foreign | {key: {"not": {"type": "null"}} for key in needed}}


def _needs_command(schema: dict[str, Any]) -> None:
    """Restrict the JSON Schema to a VMM whose command line is known."""
    known = {"properties": {"debian": {"const": QEMU}}, "required": ["debian", "suite"]}
    other = {"required": ["debian", "suite", "command"]}
    own = {"required": ["path", "command"], "properties": {"suite": {"type": "null"}}}
    schema["anyOf"] = [*({**each, "not": {"required": ["path"]}} for each in (known, other)), own]


class VmmEntry(Entry):
    """A virtual machine monitor: a Debian package, or a static program."""

    model_config = ConfigDict(json_schema_extra=_needs_command)

    debian: VmmPackage | None = Field(
        None, description="Debian package of the VMM, such as qemu-system-x86. It is unpacked, and not installed."
    )
    suite: Suite | None = Field(None, description="Debian suite of the package, such as bookworm.")
    path: Text | None = Field(
        None, description="A static program, relative to the scenario's directory, that is the VMM."
    )
    command: Text | None = Field(
        None,
        description="The command line of the VMM, split as a shell does. {program} stands for the program of `path`, "
        "{device} for the PCI address of the device, {kernel} and {initrd} for files, {cmdline} for parameters of the "
        "kernel. Its guest's first serial port must be its standard input and output. Default: that of QEMU.",
    )

    @model_validator(mode="after")
    def _one_of_them(self) -> Self:
        if (self.debian is None) == (self.path is None):
            raise ValueError("must have either 'debian' or 'path'")
        if (self.suite is None) != (self.debian is None):
            raise ValueError("must have 'suite' beside 'debian', and only there")
        if self.command is None and self.debian != QEMU:
            raise ValueError(f"has no 'command'; only that of {QEMU} is known")
        if (self.path is not None) != ("{program}" in (self.command or "")):
            raise ValueError("must have {program} in 'command' beside 'path', and only there")
        return self

    @field_validator("command")
    @classmethod
    def _can_start(cls, command: str | None) -> str | None:
        problem = command_problem(command) if command else ""
        if problem:
            raise ValueError(problem)
        return command


class WorkloadEntry(Entry):
    """A program, or a set of programs, to run in the guest: one of run, selftests, command and vmm."""

    model_config = ConfigDict(json_schema_extra=_exclusive)

    run: Annotated[str, one_of("alignment"), choice("alignment")] | None = Field(
        None,
        description="A program of orch: alignment, which maps a BAR and counts faults and page-table entries.",
    )
    selftests: Distinct[Target] = Field(
        (),
        description="Targets of the kernel's own selftests, such as vfio. They are built from the kernel's source and "
        "run unmodified.",
    )
    command: Text | None = Field(
        None, description="A shell line to run in the guest, such as ./mytest --flag; `files` copies the program there."
    )
    vmm: VmmEntry | None = Field(
        None,
        description="A VMM to run in the guest, with the device passed through to a guest of its own, which boots the "
        "same kernel and reads every page of the BAR. The machine needs `virtualization`, and the kernels need the "
        "configurations kvm-host, userland and vmm.",
    )
    device: Text | None = Field(
        None,
        description="Name of the device to run on, one of `devices`. It is required for `run` and `vmm`, and optional "
        "for `selftests` and `command`: these find the device bound to vfio-pci, and its PCI address in ORCH_DEVICE.",
    )
    bars: Distinct[BarNumber] = Field(
        (), description="Numbers of the BARs to map, 0 to 5. Default: every BAR that can be mapped."
    )
    offset: Offset = Field(
        0, description="Offset in the BAR at which the mapping starts: a multiple of 4K. Default: 0."
    )
    length: Length | None = Field(
        None, description="Length of the mapping, such as 2G: a multiple of 4K. Default: up to the end of the BAR."
    )
    placements: Distinct[PlacementName] = Field(
        DEFAULT_PLACEMENTS,
        description="How the address is chosen: kernel (NULL hint), qemu (aligned to the length, at most 1G), "
        "qemu-v4 (the BAR aligned to its size, at most 1G, and its parts at their offsets), cloud-hypervisor (aligned "
        "to the next power of two of the length, at most 1G), offset (congruent to the region offset), pmd (congruent "
        "modulo 2M, but not modulo 1G), misaligned (negative control). Default: kernel, qemu, offset, pmd, "
        "misaligned.",
    )
    tests: Distinct[GroupName] = Field(
        (TestGroup.MAP,),
        description="Groups of tests: map (each placement of the range), repeat (the kernel's placement many times, "
        "under ASLR), random (random parts of the BAR), ranges (before and after a hole), sub-page (BARs smaller than "
        "a page), content (RAM-backed BARs only), dma (type1, type1v2, iommufd), life (munmap of a part, mprotect, "
        "mremap, fork and more), split (a page inside a PUD entry gets a mapping of its own, or none). Default: map.",
    )
    repeats: Repeats = Field(200, description="Number of mmaps of the group repeat in each layout. Default: 200.")
    ranges: Repeats = Field(2000, description="Number of random ranges of the group random. Default: 2000.")
    seed: Seed | None = Field(
        None, description="Seed of the random numbers. Default: a new seed in every run, which is recorded."
    )
    hole: Offset | None = Field(
        None,
        description="Offset in the BAR of a page that the group ranges leaves out. Default: the MSI-X table.",
    )
    only: Distinct[Program] = Field(
        (), description="Programs of the selftests to run, such as vfio_dma_mapping_test. Default: all of them."
    )
    test_timeout: Seconds | None = Field(
        None, description="Time limit for each program of the selftests, such as 2m. Default: the suite's own limit."
    )
    files: Many[Text] = Field(
        (),
        description="Files and directories to copy, with their modes, to the working directory of the command in the "
        "guest. The paths are relative to the scenario's directory.",
    )
    outcome: OutcomeName = Field(
        Outcome.EXIT_STATUS,
        description="How the command reports its outcome: exit-status (0 is passed, 4 is skipped), or ktap (KTAP or "
        "TAP in its output; each test is a case). Default: exit-status.",
    )
    environment: dict[VariableName, Value] = Field(
        {}, description="Environment variables of the program, by name, in addition to ORCH_DEVICE and ORCH_RESULTS."
    )
    setup: Many[Text] = Field(
        (), description="Shell lines that run in the guest before the program. Each of them must succeed."
    )
    xfail: dict[CasePattern, Text] = Field(
        {},
        description="Cases that are known to fail, each with a reason: names, or patterns such as "
        "'vfio:vfio_pci_driver_test/*'.",
    )
    timeout: Seconds = Field(300.0, description="Time limit for the whole boot, such as 5m. Default: 300s.")
