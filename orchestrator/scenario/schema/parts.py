# SPDX-License-Identifier: GPL-2.0-only
"""Read a document as entries.

These are all entries if the document is valid, otherwise those that can still be checked.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

from pydantic import ValidationError

from orchestrator.scenario.schema.device import DeviceEntry
from orchestrator.scenario.schema.errors import findings
from orchestrator.scenario.schema.scenario import KernelEntry, MachineEntry, ScenarioFile
from orchestrator.scenario.schema.workload import WorkloadEntry
from orchestrator.yamlfile.document import Document
from orchestrator.yamlfile.entry import Entry
from orchestrator.yamlfile.nodes import SourceProblem

_E = TypeVar("_E", bound=Entry)


@dataclass(frozen=True)
class Parts:
    """The entries of a scenario that can be read, so that one mistake does not hide another.

    An entry with mistakes is included without the invalid keys.  `file` is None if there is any mistake.  A mistake in
    a kernel that the matrix made is a mistake in the matrix, and reported there.
    """

    document: Document
    file: ScenarioFile | None
    findings: tuple[SourceProblem, ...]
    kernels: dict[str, KernelEntry]
    devices: dict[str, DeviceEntry]
    workloads: dict[str, WorkloadEntry]
    machine: MachineEntry


def read_parts(document: Document) -> Parts:
    """Check `document` against the schema; mistakes are in `findings`."""
    file, found = None, []
    try:
        file = ScenarioFile.model_validate(document.value)
    except ValidationError as error:
        found = findings(error, document)
    return Parts(
        document,
        file,
        tuple(found),
        _entries(document, "kernels", KernelEntry),
        _entries(document, "devices", DeviceEntry),
        _entries(document, "workloads", WorkloadEntry),
        _salvaged(MachineEntry, document.get(("machine",))) or MachineEntry.model_validate({}),
    )


def _entries(document: Document, key: str, model: type[_E]) -> dict[str, _E]:
    found = {name: _salvaged(model, document.get((key, name))) for name in document.names(key)}
    return {name: entry for name, entry in found.items() if entry is not None}


def _salvaged(model: type[_E], value: object) -> _E | None:
    """Return `value` as an entry without the invalid keys.

    Returns None if it is not valid without them either.
    """
    try:
        return model.model_validate(value)
    except ValidationError as error:
        wrong = {step for details in error.errors() for step in details["loc"][:1]}
    if not isinstance(value, dict):
        return None
    try:
        return model.model_validate({key: item for key, item in value.items() if key not in wrong})
    except ValidationError:
        return None
