# SPDX-License-Identifier: GPL-2.0-only
"""The keys of a workload.  It is one of three kinds, by the key that says what runs: run, selftests or command."""

from __future__ import annotations

from collections.abc import Collection
from typing import Annotated, Any

from pydantic import ConfigDict, Field

from orchestrator.scenario.model import Outcome, Placement, TestGroup
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
"""The keys of every workload."""

SUITE = ("environment", "setup", "xfail")
"""The keys of the workloads that others wrote."""

KINDS = {
    "run": (*COMMON, "bars", "offset", "length", "placements", "tests", "repeats", "ranges", "seed", "hole"),
    "selftests": (*COMMON, *SUITE, "only", "test-timeout"),
    "command": (*COMMON, *SUITE, "files", "outcome"),
}
"""The keys of each kind of workload, beside the one that makes it of that kind."""


def _exclusive(schema: dict[str, Any]) -> None:
    """Tell editors that a workload is of one kind, and has the keys of no other."""
    schema["oneOf"] = [_of_kind(kind, schema["properties"]) for kind in KINDS]


def _of_kind(kind: str, keys: Collection[str]) -> dict[str, Any]:
    strange = {key: {"type": "null"} for key in keys if key not in (kind, *KINDS[kind])}
    needed = [kind, "device"] if kind == "run" else [kind]
    return {"required": needed, "properties": strange | {key: {"not": {"type": "null"}} for key in needed}}


class WorkloadEntry(Entry):
    """What runs in the guest: one of run, selftests and command."""

    model_config = ConfigDict(json_schema_extra=_exclusive)

    run: Annotated[str, one_of("alignment"), choice("alignment")] | None = Field(
        None,
        description="A program of orch's own: alignment, which maps a BAR and counts faults and page-table entries.",
    )
    selftests: Distinct[Target] = Field(
        (), description="Targets of the kernel's own selftests, such as vfio, built from its source and run unmodified."
    )
    command: Text | None = Field(
        None, description="A line of shell to run in the guest, such as ./mytest --flag; `files` brings the program."
    )
    device: Text | None = Field(
        None,
        description="The device to run it on, one of `devices`; others' programs need none, and where there is one it "
        "is bound to vfio-pci while they run, with its PCI address in ORCH_DEVICE.",
    )
    bars: Distinct[BarNumber] = Field(
        (), description="Numbers of the BARs to map, 0 to 5; every BAR that can be mapped where left out."
    )
    offset: Offset = Field(0, description="Where in the BAR the mapping begins: a multiple of 4K; 0 where left out.")
    length: Length | None = Field(
        None, description="Length of the mapping, such as 2G: a multiple of 4K; up to the BAR's end where left out."
    )
    placements: Distinct[PlacementName] = Field(
        tuple(Placement),
        description="Who chooses the address: kernel (NULL hint), qemu (aligned to the length, at most 1G), offset "
        "(congruent to the region offset), pmd (the same modulo 2M, never modulo 1G), misaligned (negative control); "
        "all of them where left out.",
    )
    tests: Distinct[GroupName] = Field(
        (TestGroup.MAP,),
        description="Groups of tests: map (the default: each placement of the range), repeat (the kernel's placement "
        "many times, under ASLR), random (random parts of the BAR), ranges (before and after a hole), sub-page (BARs "
        "smaller than a page), content (RAM-backed BARs only), dma (type1, type1v2, iommufd), life (munmap of a part, "
        "mprotect, mremap, fork and more).",
    )
    repeats: Repeats = Field(200, description="Number of mmaps of the group repeat, in each layout; 200 by default.")
    ranges: Repeats = Field(2000, description="Number of random ranges of the group random; 2000 by default.")
    seed: Seed | None = Field(
        None, description="Seed of all that is random; another one in every run, and recorded, where left out."
    )
    hole: Offset | None = Field(
        None,
        description="Offset in the BAR of a page that the group ranges leaves out; the MSI-X table where left out.",
    )
    only: Distinct[Program] = Field(
        (), description="Single programs of the selftests, such as vfio_dma_mapping_test; all of them where left out."
    )
    test_timeout: Seconds | None = Field(
        None, description="Time for each program of the selftests, such as 2m; the suite's own where left out."
    )
    files: Many[Text] = Field(
        (),
        description="Files and directories, by path from the scenario's directory, that lie in the working directory "
        "of the command, with their modes.",
    )
    outcome: OutcomeName = Field(
        Outcome.EXIT_STATUS,
        description="How the command says what came out: exit-status (the default; 0 passed, 4 skipped), or ktap: "
        "KTAP or TAP on its output, each test a case.",
    )
    environment: dict[VariableName, Value] = Field(
        {}, description="Environment variables of the program, by name, beside ORCH_DEVICE and ORCH_RESULTS."
    )
    setup: Many[Text] = Field(
        (), description="Lines of shell that run in the guest before the program; each of them must succeed."
    )
    xfail: dict[CasePattern, Text] = Field(
        {},
        description="Cases that are known to fail, with the reason of each: names, or patterns such as "
        "'vfio:vfio_pci_driver_test/*'.",
    )
    timeout: Seconds = Field(300.0, description="Time for the whole boot, such as 300s, which is the default, or 5m.")
