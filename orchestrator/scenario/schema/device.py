# SPDX-License-Identifier: GPL-2.0-only
"""The keys of a device, which is emulated by QEMU or passed through from the host."""

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
    """Selects a PCI function of the host: by its address, or by its properties."""

    model_config = ConfigDict(json_schema_extra={"minProperties": 1})

    address: PciAddress | None = Field(
        None, description="PCI address of the function, such as 0000:3b:00.0. No other property is then checked."
    )
    device: DeviceIds | None = Field(
        None,
        description="Vendor and device ID, as lspci -n shows them: 10de:2330, or 10de:* for any device of the vendor.",
    )
    of_class: PciClass | None = Field(
        None,
        alias="class",
        description="PCI class: two, four or six hexadecimal digits such as 0302, or display, network, storage.",
    )
    min_bar: Size | None = Field(None, description="Minimum size of its largest BAR, such as 16G.")
    host: Name | None = Field(None, description="The inventory host that has the function. Default: any host.")

    @model_validator(mode="before")
    @classmethod
    def _text_is_an_address(cls, value: object) -> object:
        return {"address": value} if isinstance(value, str) else value


class EmulatedEntry(Entry):
    """A PCI function that QEMU emulates."""

    model_config = ConfigDict(json_schema_extra=_BAR)

    emulated: Model = Field(
        description="Name of the QEMU device: pci-testdev (a BAR of any size), ivshmem-plain (the same, but the BAR is "
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
"""The kinds of device, and the further keys that each kind can have."""


def _kinds(schema: dict[str, Any]) -> None:
    """Restrict the JSON Schema to devices of one kind, without the keys of the other kind."""
    foreign = {kind: [key for other in KINDS if other != kind for key in (other, *KINDS[other])] for kind in KINDS}
    schema["oneOf"] = [
        {"required": [kind], "properties": {kind: _ANY} | dict.fromkeys(foreign[kind], _NONE)} for kind in KINDS
    ]
    schema.update(_BAR)


class DeviceEntry(Entry):
    """A PCI function for the workload: emulated by QEMU, or passed through from the host."""

    model_config = ConfigDict(json_schema_extra=_kinds)

    emulated: Model | None = Field(
        None,
        description="Name of the QEMU device: pci-testdev (a BAR of any size), ivshmem-plain (the same, but the BAR is "
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
        description="A PCI function of the host to pass through to the guest: its address, or the properties it must "
        "have. The host cannot use it during the run. `orch devices` lists the available functions.",
    )
    resize: dict[BarKey, PowerOfTwo] = Field(
        {}, description="Sizes to set for resizable BARs during the run, by BAR number, such as 1: 64G."
    )
    fallback: EmulatedEntry | None = Field(
        None, description="The device that QEMU emulates instead if the host has no such function available."
    )
