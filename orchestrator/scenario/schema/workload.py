# SPDX-License-Identifier: GPL-2.0-only
"""The keys of a workload.

A workload is of one of three kinds, named by a key: run, selftests or command.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Annotated, Any

from pydantic import ConfigDict, Field

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
    Target,
    Text,
    Value,
    VariableName,
)
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
}
"""The further keys of each kind of workload, in addition to the key that names the kind."""


def _exclusive(schema: dict[str, Any]) -> None:
    """Restrict the JSON Schema to workloads of one kind, without the keys of the other kinds."""
    schema["oneOf"] = [_of_kind(kind, schema["properties"]) for kind in KINDS]


def _of_kind(kind: str, keys: Collection[str]) -> dict[str, Any]:
    foreign = {key: {"type": "null"} for key in keys if key not in (kind, *KINDS[kind])}
    needed = [kind, "device"] if kind == "run" else [kind]
    return {"required": needed, "properties": foreign | {key: {"not": {"type": "null"}} for key in needed}}


class WorkloadEntry(Entry):
    """A program, or a set of programs, to run in the guest: one of run, selftests and command."""

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
    device: Text | None = Field(
        None,
        description="Name of the device to run on, one of `devices`. It is required for `run`, and optional for "
        "`selftests` and `command`: these find the device bound to vfio-pci, and its PCI address in ORCH_DEVICE.",
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
