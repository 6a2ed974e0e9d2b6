# SPDX-License-Identifier: GPL-2.0-only
"""The keys of a scenario file.

These models stand at the YAML boundary only: `load` turns them into the values of `model`.  Every key has a
description, which is what editors show and `orch schema` prints.
"""

from __future__ import annotations

from typing import Annotated, Any, Self

from pydantic import AfterValidator, ConfigDict, Field, model_validator

from orchestrator.scenario.schema.device import DeviceEntry
from orchestrator.scenario.schema.fields import (
    Arch,
    CasePattern,
    Compiler,
    Count,
    Cpus,
    Distinct,
    FaultMapsName,
    Flag,
    LevelName,
    Many,
    Memory,
    Name,
    OptionName,
    OptionValue,
    PlacementName,
    PowerOfTwo,
    ScenarioName,
    Text,
    ValueName,
)
from orchestrator.scenario.schema.source import PatchEntry, SourceEntry
from orchestrator.scenario.schema.workload import WorkloadEntry
from orchestrator.yamlfile.entry import Entry, spelt
from orchestrator.yamlfile.fields import OneOrMany, OrEmpty, OrText, choice, one_of

IOMMUS = ("auto", "intel", "smmuv3", "none")

ACCELERATORS = ("auto", "kvm", "tcg")

CHECKS = ("alignment", "level", "entries", "faults", "dma_faults")
"""The fields of an expectation that judge something."""


class MachineEntry(Entry):
    """The virtual machine that every kernel boots on."""

    cpus: Cpus = Field(1, description="Number of CPUs; 1 where left out.")
    memory: Memory = Field(2 << 30, description="Memory, such as 2G, which is the default.")
    iommu: Annotated[str, one_of(*IOMMUS), choice(*IOMMUS)] = Field(
        "auto",
        description="Model of the IOMMU behind which VFIO has the devices: intel (x86_64), smmuv3 (arm64), or auto, "
        "which is the default: the one of the kernel's architecture. With none VFIO is in no-IOMMU mode: the kernels "
        "need CONFIG_VFIO_NOIOMMU, and no DMA is tested.",
    )
    accelerator: Annotated[str, one_of(*ACCELERATORS), choice(*ACCELERATORS)] = Field(
        "auto",
        description="kvm, tcg (emulation, slow but everywhere), or auto: kvm where it really boots a guest, else tcg.",
    )


class HostEntry(Entry):
    """A host of the inventory: its name alone, or a tag that it has."""

    model_config = ConfigDict(json_schema_extra={"minProperties": 1, "maxProperties": 1})

    name: Name | None = Field(None, description="Its name.")
    tag: Name | None = Field(None, description="A tag: the first of the hosts with it that will do.")

    @model_validator(mode="before")
    @classmethod
    def _text_is_a_name(cls, value: object) -> object:
        return {"name": value} if isinstance(value, str) else value

    @model_validator(mode="after")
    def _one_of_them(self) -> Self:
        if (self.name is None) == (self.tag is None):
            raise ValueError("must be the name of a host, or have a 'tag'")
        return self


class ExpectEntry(Entry):
    """What a kernel is supposed to do with one placement; what is left out is recorded, but not judged."""

    model_config = ConfigDict(json_schema_extra={"anyOf": [{"required": [spelt(check)]} for check in CHECKS]})

    alignment: PowerOfTwo | None = Field(None, description="Least alignment of the address of the mapping: 4K, 2M, 1G.")
    level: LevelName | None = Field(
        None,
        description="Largest page-table level in use, wherever the range has room for it: PTE (nothing larger), PMD or "
        "PUD.",
    )
    entries: Count | None = Field(None, description="Exact number of page-table entries, once every page was touched.")
    faults: Count | None = Field(None, description="Number of page faults to touch every page of the mapping once.")
    dma_faults: Count | None = Field(
        None, description="Number of page faults that mapping it for DMA takes, with VFIO's type1 IOMMU driver."
    )
    xfail: Text | None = Field(
        None, description="Why the kernel is known not to do this yet; the failed case is then XFAIL, not FAIL."
    )

    @model_validator(mode="after")
    def _checks_something(self) -> Self:
        if all(getattr(self, check) is None for check in CHECKS):
            names = [spelt(check) for check in CHECKS]
            raise ValueError(f"checks nothing; give it {', '.join(names[:-1])} or {names[-1]}, or remove it")
        return self


class CanEntry(Entry):
    """What a kernel can do when it maps a BAR, where its patches change what version and configuration say of it."""

    levels: Distinct[LevelName] | None = Field(
        None,
        description="Page-table levels that its vfio-pci can map a BAR with: PMD, PUD, and always PTE; what its "
        "configuration has where left out.",
    )
    faults: FaultMapsName | None = Field(
        None,
        description="What one page fault maps: entry (the touched one), or mapping (all of it, as before Linux 6.12); "
        "what its version does where left out.",
    )


def _bare(options: dict[str, str]) -> dict[str, str]:
    """The options without CONFIG_."""
    bare = {name.removeprefix("CONFIG_"): value for name, value in options.items()}
    twice = [name for name in bare if name in options and f"CONFIG_{name}" in options]
    if twice:
        raise ValueError(f"has {twice[0]!r} with and without CONFIG_; remove one of them")
    return bare


class RecipeEntry(Entry):
    """A recipe, or a part of one: source, then patches in order, then config fragments and single options."""

    source: SourceEntry | None = Field(None, description="Where it comes from; that of `extends` by default.")
    config: Many[Text] = Field(
        (),
        description="Config fragments, added to those of `extends`; later ones win. A name is a fragment of orch's own "
        "kernels/configs; what has a '/' or ends in .config is a path from the scenario's directory.",
    )
    patches: Annotated[tuple[Annotated[PatchEntry, OrText()], ...], OneOrMany(mappings=True)] = Field(
        (),
        description="Patches in order, added to those of `extends`. A name is a series of orch's own kernels/patches; "
        "what has a '/' or ends in .patch or .mbox is a path from the scenario's directory; and see range, revert and "
        "message.",
    )
    options: Annotated[dict[OptionName, OptionValue], AfterValidator(_bare)] = Field(
        {},
        description="Single kernel options, which win over every fragment and over those of `extends`: the name, with "
        "or without CONFIG_, and y, n (not set), m, a number or a text.",
    )
    arch: Arch | None = Field(
        None, description="What it is built for and runs on: x86_64, which is the default, or arm64, which is emulated."
    )
    compiler: Compiler | None = Field(
        None, description="What builds it: gcc, which is the default, or clang (with all of LLVM's tools) or clang-16."
    )
    modules: Flag | None = Field(
        None, description="Whether to build its modules, and to have them in the guest; no where left out."
    )
    can: CanEntry | None = Field(
        None,
        description="What it can do, where patches change what follows from its version and configuration; each key "
        "replaces that of `extends`.",
    )
    expect: dict[PlacementName, ExpectEntry] = Field(
        {},
        description="What is expected of each placement: kernel, qemu, offset, pmd, misaligned. An entry here replaces "
        "the whole entry of `extends` for that placement.",
    )
    xfail: dict[CasePattern, Text] | None = Field(
        None,
        description="Tests of `run: alignment` that are known to fail on this kernel, with the reason of each: names, "
        "or patterns such as 'life.mremap*'. Replaces all of that of `extends`.",
    )


class KernelEntry(RecipeEntry):
    """The recipe of a kernel: source, then patches in order, then config fragments and single options."""

    extends: Text | None = Field(
        None, description="Another kernel of this file, of which this one is a variant: it has all of that recipe."
    )


Combination = Annotated[dict[Name, Distinct[ValueName]], Field(min_length=1)]
"""Values by axis: the combinations that have one of them on each axis that is named."""


class IncludeEntry(RecipeEntry):
    """What is added to single combinations of a matrix."""

    combination: Combination = Field(
        description="Which ones: a value, or several, by axis. Where it names every axis, a combination that 'exclude' "
        "left out is there again."
    )
    name: Name | None = Field(None, description="Name of the kernel, where it is for one combination only.")


Axis = Annotated[dict[Name, Annotated[RecipeEntry, OrEmpty()]], Field(min_length=1)]
"""The values of an axis, by name."""


class MatrixEntry(Entry):
    """Kernels made as a product: each combination of a value of every axis is one."""

    axes: Annotated[dict[Name, Axis], Field(min_length=1)] = Field(
        description="Axes, such as version, patch and config, each with its values by name. A value is a part of a "
        "recipe, with the keys of a kernel; in a combination each part adds to those of the axes before, as with "
        "'extends'. The kernel's name has those of its values, but for values with an empty recipe."
    )
    exclude: Annotated[tuple[Combination, ...], OneOrMany(mappings=True)] = Field(
        (), description="Combinations that are left out: a value, or several, by axis; axes not named are all of them."
    )
    include: Annotated[tuple[IncludeEntry, ...], OneOrMany(mappings=True)] = Field(
        (), description="What single combinations have beside their values' recipes, such as what is expected of them."
    )


def _kernels_or_matrix(schema: dict[str, Any]) -> None:
    """Tell editors that a matrix can stand for kernels: to the loader its kernels are among the others."""
    schema["required"].remove("kernels")
    least = schema["properties"]["kernels"].pop("minProperties")
    kernels = {"kernels": {"type": "object", "minProperties": least}}
    matrix = {"matrix": {"type": "object"}}
    schema["anyOf"] = [{"required": [*one], "properties": one} for one in (kernels, matrix)]


class ScenarioFile(Entry):
    """A question about kernels: which kernels, devices and workloads answer it, and what is expected of each."""

    model_config = ConfigDict(json_schema_extra=_kernels_or_matrix)

    name: ScenarioName | None = Field(
        None, description="Name of the scenario and of its results; the file's name without .yaml where left out."
    )
    description: Text = Field(description="The question that the scenario answers, in one or more sentences.")
    base: Text | None = Field(
        None, description="The kernel that the others are compared with; the first one where left out."
    )
    machine: MachineEntry | None = Field(None, description="The virtual machine that every kernel boots on.")
    host: Annotated[HostEntry, OrText()] | None = Field(
        None, description="Where the guests boot: a host of the inventory, by name or tag; this machine where left out."
    )
    build_host: Annotated[HostEntry, OrText()] | None = Field(
        None, description="Where the kernels are built: likewise; this machine where left out."
    )
    devices: dict[Name, DeviceEntry] = Field({}, description="The PCI functions to test with, by name.")
    kernels: dict[Name, KernelEntry] = Field(min_length=1, description="The kernels to build and to compare, by name.")
    matrix: MatrixEntry | None = Field(
        None, description="More kernels, made as a product of axes such as versions and patches."
    )
    workloads: dict[Name, WorkloadEntry] = Field(min_length=1, description="What runs on every kernel, by name.")
