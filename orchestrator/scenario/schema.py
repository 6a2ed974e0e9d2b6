# SPDX-License-Identifier: GPL-2.0-only
"""The keys of a scenario file.

These models stand at the YAML boundary only: `load` turns them into the values of `model`.  Every key has a
description, which is what editors show and `orch schema` prints.
"""

from __future__ import annotations

from typing import Annotated, Any, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    GetJsonSchemaHandler,
    model_validator,
)
from pydantic_core import CoreSchema

from orchestrator.scenario.fields import (
    BarNumber,
    Count,
    Cpus,
    Distinct,
    Length,
    LevelName,
    Many,
    Memory,
    Name,
    Offset,
    OptionName,
    OptionValue,
    Package,
    PlacementName,
    PowerOfTwo,
    ScenarioName,
    Seconds,
    Suite,
    Text,
    Version,
)
from orchestrator.scenario.kinds import choice, one_of
from orchestrator.scenario.model import Placement

ACCELERATORS = ("auto", "kvm", "tcg")

CHECKS = ("alignment", "level", "entries", "faults", "dma_faults")
"""The fields of an expectation that judge something."""


def _spelt(field: str) -> str:
    """A key as it is spelt in YAML."""
    return field.replace("_", "-")


def _title(model: str) -> str:
    return model.removesuffix("Entry").lower()


class Entry(BaseModel):
    """What all mappings of a scenario share: no unknown keys, and a key left empty is a key left out."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", alias_generator=_spelt, model_title_generator=lambda model: _title(model.__name__)
    )

    @model_validator(mode="before")
    @classmethod
    def _empty_is_left_out(cls, value: object) -> object:
        if not isinstance(value, dict):
            return value
        return {key: item for key, item in value.items() if item is not None or key not in cls.known_keys()}

    @classmethod
    def known_keys(cls) -> list[str]:
        """The keys as they are spelt in YAML."""
        return [field.alias or name for name, field in cls.model_fields.items()]

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        json = handler.resolve_ref_schema(handler(schema))
        for key in set(json["properties"]) - set(json.get("required", ())):
            json["properties"][key] = _or_empty(json["properties"][key])
        return json


def _or_empty(schema: dict[str, Any]) -> dict[str, Any]:
    """The JSON Schema of a key that can be left empty."""
    about = {key: schema.pop(key) for key in ("default", "description") if key in schema}
    if about.get("default") is None:
        about.pop("default", None)
    kinds = schema["anyOf"] if set(schema) == {"anyOf"} else [schema]
    empty = {"type": "null"}
    return about | {"anyOf": [kind for kind in kinds if kind != empty] + [empty]}


class MachineEntry(Entry):
    """The virtual machine that every kernel boots on."""

    cpus: Cpus = Field(1, description="Number of CPUs; 1 where left out.")
    memory: Memory = Field(2 << 30, description="Memory, such as 2G, which is the default.")
    iommu: Annotated[str, one_of("intel"), choice("intel")] = Field(
        "intel", description="Model of the IOMMU behind which VFIO has the devices; intel is the only one so far."
    )
    accelerator: Annotated[str, one_of(*ACCELERATORS), choice(*ACCELERATORS)] = Field(
        "auto",
        description="kvm, tcg (emulation, slow but everywhere), or auto: kvm where it really boots a guest, else tcg.",
    )


class DeviceEntry(Entry):
    """A PCI function given to the workload."""

    emulated: Annotated[str, one_of("pci-testdev"), choice("pci-testdev")] = Field(
        description="The QEMU device that emulates it; pci-testdev is the only one so far."
    )
    bar: PowerOfTwo = Field(
        description="Size of its memory BAR, which is BAR 2: a power of two, at least 4K, such as 4G."
    )


class SourceEntry(Entry):
    """Where the source of a kernel comes from."""

    debian: Package = Field(description="Name of a Debian source package, such as linux-source-6.12.")
    suite: Suite = Field(description="The Debian suite that has it, such as trixie-backports.")
    version: Version | None = Field(None, description="The package's exact version; the suite's newest where left out.")


class ExpectEntry(Entry):
    """What a kernel is supposed to do with one placement; what is left out is recorded, but not judged."""

    model_config = ConfigDict(json_schema_extra={"anyOf": [{"required": [_spelt(check)]} for check in CHECKS]})

    alignment: PowerOfTwo | None = Field(None, description="Least alignment of the address of the mapping: 4K, 2M, 1G.")
    level: LevelName | None = Field(None, description="Page-table level of every entry: PTE, PMD or PUD.")
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
            names = [_spelt(check) for check in CHECKS]
            raise ValueError(f"checks nothing; give it {', '.join(names[:-1])} or {names[-1]}, or remove it")
        return self


def _bare(options: dict[str, str]) -> dict[str, str]:
    """The options without CONFIG_."""
    bare = {name.removeprefix("CONFIG_"): value for name, value in options.items()}
    twice = [name for name in bare if name in options and f"CONFIG_{name}" in options]
    if twice:
        raise ValueError(f"has {twice[0]!r} with and without CONFIG_; remove one of them")
    return bare


class KernelEntry(Entry):
    """The recipe of a kernel: source, then patches in order, then config fragments and single options."""

    extends: Text | None = Field(
        None, description="Another kernel of this file, of which this one is a variant: it has all of that recipe."
    )
    source: SourceEntry | None = Field(None, description="Where its source comes from; that of `extends` by default.")
    config: Many[Text] = Field(
        (),
        description="Config fragments, added to those of `extends`; later ones win. A name is a fragment of orch's own "
        "kernels/configs; what has a '/' or ends in .config is a path from the scenario's directory.",
    )
    patches: Many[Text] = Field(
        (),
        description="Patches in order, added to those of `extends`. A name is a series of orch's own kernels/patches; "
        "what has a '/' or ends in .patch or .mbox is a path from the scenario's directory.",
    )
    options: Annotated[dict[OptionName, OptionValue], AfterValidator(_bare)] = Field(
        {},
        description="Single kernel options, which win over every fragment and over those of `extends`: the name, with "
        "or without CONFIG_, and y, n (not set), m, a number or a text.",
    )
    expect: dict[PlacementName, ExpectEntry] = Field(
        {},
        description="What is expected of each placement: kernel, qemu, offset, misaligned. An entry here replaces the "
        "whole entry of `extends` for that placement.",
    )


class WorkloadEntry(Entry):
    """What runs in the guest, and on which device."""

    run: Annotated[str, one_of("alignment"), choice("alignment")] = Field(
        description="The program: alignment, which maps a BAR and counts faults and page-table entries."
    )
    device: Text = Field(description="The device to run it on, one of `devices`.")
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
        "(congruent to the region offset), misaligned (negative control); all of them where left out.",
    )
    timeout: Seconds = Field(300.0, description="Time for the whole boot, such as 300s, which is the default, or 5m.")


class ScenarioFile(Entry):
    """A question about kernels: which kernels, devices and workloads answer it, and what is expected of each."""

    name: ScenarioName | None = Field(
        None, description="Name of the scenario and of its results; the file's name without .yaml where left out."
    )
    description: Text = Field(description="The question that the scenario answers, in one or more sentences.")
    base: Text | None = Field(
        None, description="The kernel that the others are compared with; the first one where left out."
    )
    machine: MachineEntry | None = Field(None, description="The virtual machine that every kernel boots on.")
    devices: dict[Name, DeviceEntry] = Field(min_length=1, description="The PCI functions to test with, by name.")
    kernels: dict[Name, KernelEntry] = Field(min_length=1, description="The kernels to build and to compare, by name.")
    workloads: dict[Name, WorkloadEntry] = Field(min_length=1, description="What runs on every kernel, by name.")
