# SPDX-License-Identifier: GPL-2.0-only
"""The keys of a device: emulated by QEMU, or passed through from the host."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import ConfigDict, Field, model_validator
from pydantic.config import JsonDict

from orchestrator.scenario.devices import SIZED_BAR
from orchestrator.scenario.schema.fields import (
    BarKey,
    DeviceIds,
    Model,
    Name,
    PciAddress,
    PciClass,
    PowerOfTwo,
    PropertyName,
    PropertyValue,
    Size,
)
from orchestrator.yamlfile.entry import Entry
from orchestrator.yamlfile.fields import OrText

_ANY: JsonDict = {"not": {"type": "null"}}
_NONE: JsonDict = {"type": "null"}
_SIZED: JsonDict = {"required": ["emulated"], "properties": {"emulated": {"enum": [*SIZED_BAR]}}}
_GIVEN: JsonDict = {"required": ["bar"], "properties": {"bar": _ANY}}
_LEFT_OUT: JsonDict = {"properties": {"bar": _NONE}}
_BAR: JsonDict = {"if": _SIZED, "then": _GIVEN, "else": _LEFT_OUT}


class SelectorEntry(Entry):
    """Which of the host's PCI functions: an address alone, or what it must be like."""

    model_config = ConfigDict(json_schema_extra={"minProperties": 1})

    address: PciAddress | None = Field(None, description="Its address, such as 0000:3b:00.0, whatever it is.")
    device: DeviceIds | None = Field(
        None, description="Vendor and device, as lspci -n shows them: 10de:2330, or 10de:* for any of the vendor."
    )
    of_class: PciClass | None = Field(
        None,
        alias="class",
        description="Its class: two, four or six hexadecimal digits such as 0302, or display, network, storage.",
    )
    min_bar: Size | None = Field(None, description="Least size of its largest BAR, such as 16G.")
    host: Name | None = Field(None, description="The host of the inventory that has it; any where left out.")

    @model_validator(mode="before")
    @classmethod
    def _text_is_an_address(cls, value: object) -> object:
        return {"address": value} if isinstance(value, str) else value


class EmulatedEntry(Entry):
    """A PCI function that QEMU emulates."""

    model_config = ConfigDict(json_schema_extra=_BAR)

    emulated: Model = Field(
        description="The QEMU device that emulates it: pci-testdev (a BAR of any size), ivshmem-plain (the same, but "
        "RAM), or any other PCI device of QEMU, such as sdhci-pci."
    )
    bar: PowerOfTwo | None = Field(
        None,
        description="Size of BAR 2, for pci-testdev and ivshmem-plain only: a power of two, at least 4K, such as 4G.",
    )
    properties: dict[PropertyName, PropertyValue] = Field(
        {}, description="Properties of the QEMU device, by name, as `qemu-system-x86_64 -device MODEL,help` lists them."
    )


KINDS = {"emulated": ("bar", "properties"), "passthrough": ("resize", "fallback")}
"""The kinds of device, and the keys that each may have beside its own."""


def _kinds(schema: dict[str, Any]) -> None:
    """Tell editors that a device is of one kind, and has the keys of no other."""
    strange = {kind: [key for other in KINDS if other != kind for key in (other, *KINDS[other])] for kind in KINDS}
    schema["oneOf"] = [
        {"required": [kind], "properties": {kind: _ANY} | dict.fromkeys(strange[kind], _NONE)} for kind in KINDS
    ]
    schema.update(_BAR)


class DeviceEntry(Entry):
    """A PCI function given to the workload: emulated, or passed through from the host."""

    model_config = ConfigDict(json_schema_extra=_kinds)

    emulated: Model | None = Field(
        None,
        description="The QEMU device that emulates it: pci-testdev (a BAR of any size), ivshmem-plain (the same, but "
        "RAM), or any other PCI device of QEMU, such as sdhci-pci.",
    )
    bar: PowerOfTwo | None = Field(
        None,
        description="Size of BAR 2, for pci-testdev and ivshmem-plain only: a power of two, at least 4K, such as 4G.",
    )
    properties: dict[PropertyName, PropertyValue] = Field(
        {}, description="Properties of the QEMU device, by name, as `qemu-system-x86_64 -device MODEL,help` lists them."
    )
    passthrough: Annotated[SelectorEntry, OrText()] | None = Field(
        None,
        description="A PCI function of the host, which the guest gets: its address, or what it must be like. The host "
        "loses it for the time of the run; `orch devices` lists what there is.",
    )
    resize: dict[BarKey, PowerOfTwo] = Field(
        {}, description="Sizes for resizable BARs, by number, for the time of the run, such as 1: 64G."
    )
    fallback: EmulatedEntry | None = Field(
        None, description="The device that QEMU emulates instead where the host has no such function to give."
    )
