# SPDX-License-Identifier: GPL-2.0-only
"""The keys of a scenario file.

These models are used only to read YAML: `load` converts them to the values in `model`.  Every key has a description,
which editors show and `orch schema` prints.
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
    Rounds,
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

CHECKS = ("alignment", "level", "entries", "faults", "dma_faults", "stage2")
"""The fields of an expectation that judge something."""

VMM_CHECKS = ("alignment", "level", "entries", "stage2")
"""The same of an expectation of a VMM."""


class MachineEntry(Entry):
    """The virtual machine that every kernel boots on."""

    cpus: Cpus = Field(1, description="Number of CPUs. Default: 1.")
    memory: Memory = Field(2 << 30, description="Size of the memory, such as 4G. Default: 2G.")
    iommu: Annotated[str, one_of(*IOMMUS), choice(*IOMMUS)] = Field(
        "auto",
        description="IOMMU model for the devices that VFIO uses: intel (x86_64), smmuv3 (arm64), or auto (the model of "
        "the kernel's architecture). With none, VFIO is in no-IOMMU mode: the kernels need CONFIG_VFIO_NOIOMMU, and no "
        "DMA is tested. Default: auto.",
    )
    accelerator: Annotated[str, one_of(*ACCELERATORS), choice(*ACCELERATORS)] = Field(
        "auto",
        description="kvm, tcg (emulation: slow, but available everywhere), or auto (kvm if a guest boots with it, "
        "otherwise tcg). Default: auto.",
    )
    virtualization: Flag = Field(
        False,
        description="Whether the CPUs can run virtual machines themselves, for the tests stage2: AMD's SVM with tcg, "
        "what the host's KVM gives with kvm. The kernels need the configuration kvm-host. Default: false.",
    )


class HostEntry(Entry):
    """A host of the inventory, selected by name or by tag."""

    model_config = ConfigDict(json_schema_extra={"minProperties": 1, "maxProperties": 1})

    name: Name | None = Field(None, description="Name of the host.")
    tag: Name | None = Field(None, description="A tag of the host: the first suitable host with it is used.")

    @model_validator(mode="before")
    @classmethod
    def _text_is_a_name(cls, value: object) -> object:
        return {"name": value} if isinstance(value, str) else value

    @model_validator(mode="after")
    def _one_of_them(self) -> Self:
        if (self.name is None) == (self.tag is None):
            raise ValueError("must be the name of a host, or have a 'tag'")
        return self


def _refuse_empty(entry: Entry, checks: tuple[str, ...]) -> None:
    """Raise ValueError for an expectation without any of `checks`."""
    if all(getattr(entry, check) is None for check in checks):
        names = [spelt(check) for check in checks]
        raise ValueError(f"checks nothing; give it {', '.join(names[:-1])} or {names[-1]}, or remove it")


class ExpectEntry(Entry):
    """What a kernel is expected to do with one placement. Values left out are recorded, but not judged."""

    model_config = ConfigDict(json_schema_extra={"anyOf": [{"required": [spelt(check)]} for check in CHECKS]})

    alignment: PowerOfTwo | None = Field(
        None, description="Minimum alignment of the address of the mapping, such as 4K, 2M or 1G."
    )
    level: LevelName | None = Field(
        None,
        description="Largest page-table level in use, wherever the range allows it: PTE (nothing larger), PMD or PUD.",
    )
    entries: Count | None = Field(
        None, description="Exact number of page-table entries after every page was touched once."
    )
    faults: Count | None = Field(None, description="Number of page faults when every page of the mapping is touched.")
    dma_faults: Count | None = Field(
        None,
        description="Number of page faults when the range is mapped for DMA by VFIO's type1 IOMMU driver.",
    )
    stage2: LevelName | None = Field(
        None,
        description="Largest level of the entries with which KVM maps the range into a virtual machine, wherever the "
        "range allows it: PTE, PMD or PUD. For the tests stage2.",
    )
    xfail: Text | None = Field(
        None, description="Why the kernel is known not to do this yet. A failed case is then XFAIL, not FAIL."
    )

    @model_validator(mode="after")
    def _checks_something(self) -> Self:
        _refuse_empty(self, CHECKS)
        return self


class ExpectVmmEntry(Entry):
    """How a VMM is expected to map a BAR. Values left out are recorded, but not judged."""

    model_config = ConfigDict(json_schema_extra={"anyOf": [{"required": [spelt(check)]} for check in VMM_CHECKS]})

    alignment: PowerOfTwo | None = Field(
        None, description="Minimum alignment of the address of the mapping, such as 4K, 2M or 1G."
    )
    level: LevelName | None = Field(
        None, description="Largest page-table level of the VMM, wherever the BAR allows it: PTE, PMD or PUD."
    )
    entries: Count | None = Field(None, description="Exact number of page-table entries of the VMM for the BAR.")
    stage2: LevelName | None = Field(
        None,
        description="Largest level of the entries with which KVM maps the BAR into the VMM's guest, wherever the BAR "
        "allows it: PTE, PMD or PUD.",
    )
    xfail: Text | None = Field(
        None, description="Why this is known not to be so yet. A failed case is then XFAIL, not FAIL."
    )

    @model_validator(mode="after")
    def _checks_something(self) -> Self:
        _refuse_empty(self, VMM_CHECKS)
        return self


class CanEntry(Entry):
    """What a kernel can do when it maps a BAR, if its patches change what its version and configuration imply."""

    levels: Distinct[LevelName] | None = Field(
        None,
        description="Page-table levels with which its vfio-pci can map a BAR: PMD, PUD, and always PTE. Default: the "
        "levels that its configuration enables.",
    )
    faults: FaultMapsName | None = Field(
        None,
        description="What one page fault maps: entry (the touched entry) or mapping (the whole mapping, as before "
        "Linux 6.12). Default: what its version does.",
    )


def _bare(options: dict[str, str]) -> dict[str, str]:
    """Return the options without the prefix CONFIG_.  Raises ValueError if an option is present twice."""
    bare = {name.removeprefix("CONFIG_"): value for name, value in options.items()}
    twice = [name for name in bare if name in options and f"CONFIG_{name}" in options]
    if twice:
        raise ValueError(f"has {twice[0]!r} with and without CONFIG_; remove one of them")
    return bare


class RecipeEntry(Entry):
    """A recipe, or a part of one: source, then patches in order, then config fragments and single options."""

    source: SourceEntry | None = Field(
        None, description="Source of the kernel. Default: the source of the kernel in `extends`."
    )
    config: Many[Text] = Field(
        (),
        description="Config fragments, added to those of the kernel in `extends`. Later fragments override earlier "
        "ones. A name is a fragment in orch's kernels/configs. A text with a '/' or that ends in .config is a path, "
        "relative to the scenario's directory.",
    )
    patches: Annotated[tuple[Annotated[PatchEntry, OrText()], ...], OneOrMany(mappings=True)] = Field(
        (),
        description="Patches in order, added to those of the kernel in `extends`. A name is a series in orch's "
        "kernels/patches. A text with a '/' or that ends in .patch or .mbox is a path, relative to the scenario's "
        "directory. A mapping with range, revert or message is another kind of patch.",
    )
    options: Annotated[dict[OptionName, OptionValue], AfterValidator(_bare)] = Field(
        {},
        description="Single kernel options, which override every fragment and the options of the kernel in `extends`: "
        "the name, with or without CONFIG_, and y, n (not set), m, a number or a text.",
    )
    arch: Arch | None = Field(
        None, description="Architecture of the kernel and the guest: x86_64, or arm64 (emulated). Default: x86_64."
    )
    compiler: Compiler | None = Field(
        None,
        description="Compiler: gcc, clang (with all of LLVM's tools), or a version of clang such as clang-16. "
        "Default: gcc.",
    )
    modules: Flag | None = Field(
        None, description="Whether to build the modules and make them available in the guest. Default: no."
    )
    can: CanEntry | None = Field(
        None,
        description="What the kernel can do, if patches change what its version and configuration imply. Each key "
        "replaces the same key of the kernel in `extends`.",
    )
    expect: dict[PlacementName, ExpectEntry] = Field(
        {},
        description="What is expected for each placement: kernel, qemu, qemu-v4, cloud-hypervisor, offset, pmd, "
        "misaligned. An entry replaces the whole entry for that placement of the kernel in `extends`.",
    )
    expect_vmm: dict[Name, ExpectVmmEntry] = Field(
        {},
        description="What is expected of each workload with a VMM, by the workload's name. An entry replaces the whole "
        "entry for that workload of the kernel in `extends`.",
    )
    xfail: dict[CasePattern, Text] | None = Field(
        None,
        description="Tests of `run: alignment` that are known to fail on this kernel, each with a reason: names, or "
        "patterns such as 'life.mremap*'. Replaces the whole `xfail` of the kernel in `extends`.",
    )


class KernelEntry(RecipeEntry):
    """The recipe of a kernel: source, then patches in order, then config fragments and single options."""

    extends: Text | None = Field(
        None, description="Another kernel of this file. This kernel inherits its whole recipe and changes it."
    )


Combination = Annotated[dict[Name, Distinct[ValueName]], Field(min_length=1)]
"""Values by axis; selects the combinations that have one of these values on each axis listed."""


class IncludeEntry(RecipeEntry):
    """A part of a recipe that is added to some combinations of a matrix."""

    combination: Combination = Field(
        description="The combinations: one or more values by axis. If every axis is listed, a combination that "
        "'exclude' left out is added again."
    )
    name: Name | None = Field(None, description="Name of the kernel; for an include of one combination only.")


Axis = Annotated[dict[Name, Annotated[RecipeEntry, OrEmpty()]], Field(min_length=1)]
"""The values of an axis, by name."""


class MatrixEntry(Entry):
    """Kernels made as a product of axes: each combination of one value of every axis is a kernel."""

    axes: Annotated[dict[Name, Axis], Field(min_length=1)] = Field(
        description="Axes, such as version, patch and config, each with its values by name. A value is a part of a "
        "recipe, with the keys of a kernel. In a combination, each part adds to the parts of the axes before it, as "
        "with 'extends'. The kernel's name is made of the names of its values; values with an empty recipe are left "
        "out of it."
    )
    exclude: Annotated[tuple[Combination, ...], OneOrMany(mappings=True)] = Field(
        (),
        description="Combinations to leave out: one or more values by axis. An axis not listed matches all its values.",
    )
    include: Annotated[tuple[IncludeEntry, ...], OneOrMany(mappings=True)] = Field(
        (), description="Further parts of the recipe for some combinations, such as their expectations."
    )


def _kernels_or_matrix(schema: dict[str, Any]) -> None:
    """Allow a matrix instead of kernels in the JSON Schema.

    The loader adds the kernels of the matrix to the others.
    """
    schema["required"].remove("kernels")
    minimum = schema["properties"]["kernels"].pop("minProperties")
    kernels = {"kernels": {"type": "object", "minProperties": minimum}}
    matrix = {"matrix": {"type": "object"}}
    schema["anyOf"] = [{"required": [*properties], "properties": properties} for properties in (kernels, matrix)]


class ScenarioFile(Entry):
    """A question about kernels: which kernels, devices and workloads answer it, and what is expected of each."""

    model_config = ConfigDict(json_schema_extra=_kernels_or_matrix)

    name: ScenarioName | None = Field(
        None, description="Name of the scenario and its results. Default: the file's name without .yaml."
    )
    description: Text = Field(description="The question that the scenario answers, in one or more sentences.")
    base: Text | None = Field(
        None, description="Name of the kernel that the others are compared with. Default: the first one."
    )
    machine: MachineEntry | None = Field(None, description="The virtual machine that every kernel boots on.")
    host: Annotated[HostEntry, OrText()] | None = Field(
        None, description="Inventory host that boots the guests, by name or tag. Default: the local machine."
    )
    build_host: Annotated[HostEntry, OrText()] | None = Field(
        None, description="Inventory host that builds the kernels, by name or tag. Default: the local machine."
    )
    repeat: Rounds = Field(
        1,
        description="How many times each kernel is booted for each workload, 1 to 100. The boots are interleaved: "
        "every kernel once, then every kernel again. Times are compared only if there are several. Default: 1.",
    )
    devices: dict[Name, DeviceEntry] = Field({}, description="The PCI functions to test with, by name.")
    kernels: dict[Name, KernelEntry] = Field(min_length=1, description="The kernels to build and to compare, by name.")
    matrix: MatrixEntry | None = Field(
        None, description="Further kernels, made as a product of axes such as versions and patches."
    )
    workloads: dict[Name, WorkloadEntry] = Field(
        min_length=1, description="The programs that run on every kernel, by name."
    )
