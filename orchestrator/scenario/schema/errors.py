# SPDX-License-Identifier: GPL-2.0-only
"""Convert pydantic's errors to sentences that can be understood without pydantic."""

from __future__ import annotations

from typing import NamedTuple

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from orchestrator.scenario.schema.device import DeviceEntry, EmulatedEntry, SelectorEntry
from orchestrator.scenario.schema.scenario import (
    CanEntry,
    ExpectEntry,
    ExpectVmmEntry,
    HostEntry,
    IncludeEntry,
    KernelEntry,
    MachineEntry,
    MatrixEntry,
    RecipeEntry,
    ScenarioFile,
)
from orchestrator.scenario.schema.source import PatchEntry, SourceEntry
from orchestrator.scenario.schema.workload import VmmEntry, WorkloadEntry
from orchestrator.yamlfile.document import Document
from orchestrator.yamlfile.entry import Entry
from orchestrator.yamlfile.messages import hint, quoted
from orchestrator.yamlfile.nodes import Loc, SourceProblem


class MappingKind(NamedTuple):
    """A kind of mapping in a scenario: its name in messages, and the model with its keys."""

    name: str
    entry: type[Entry]


_RECIPES: tuple[tuple[Loc, str, type[Entry]], ...] = (
    (("kernels", "*"), "kernel {1}", KernelEntry),
    (("matrix", "axes", "*", "*"), "value {3} of axis {2}", RecipeEntry),
    (("matrix", "include", "*"), "an include of the matrix", IncludeEntry),
)
"""The mappings that are recipes or parts of recipes."""

_MAPPINGS: tuple[tuple[Loc, str, type[Entry]], ...] = (
    ((), "the scenario", ScenarioFile),
    (("machine",), "the machine", MachineEntry),
    (("host",), "'host'", HostEntry),
    (("build-host",), "'build-host'", HostEntry),
    (("devices", "*"), "device {1}", DeviceEntry),
    (("devices", "*", "passthrough"), "'passthrough' of device {1}", SelectorEntry),
    (("devices", "*", "fallback"), "the fallback of device {1}", EmulatedEntry),
    (("workloads", "*"), "workload {1}", WorkloadEntry),
    (("workloads", "*", "vmm"), "'vmm' of workload {1}", VmmEntry),
    (("matrix",), "the matrix", MatrixEntry),
    *_RECIPES,
    *(((*loc, "source"), f"the source of {name}", SourceEntry) for loc, name, _ in _RECIPES),
    *(((*loc, "patches", "*"), f"a patch of {name}", PatchEntry) for loc, name, _ in _RECIPES),
    *(((*loc, "can"), f"'can' of {name}", CanEntry) for loc, name, _ in _RECIPES),
    *(((*loc, "expect", "*"), f"expectation {{{len(loc) + 1}}} of {name}", ExpectEntry) for loc, name, _ in _RECIPES),
    *(
        ((*loc, "expect-vmm", "*"), f"expectation {{{len(loc) + 1}}} of {name}", ExpectVmmEntry)
        for loc, name, _ in _RECIPES
    ),
)


def mapping_kind(loc: Loc) -> MappingKind | None:
    """Return the kind of the mapping at `loc`, or None if no mapping belongs there."""
    for pattern, name, entry in _MAPPINGS:
        if len(pattern) == len(loc) and all(want in ("*", step) for want, step in zip(pattern, loc, strict=True)):
            return MappingKind(name.format(*map(quoted, loc)), entry)
    return None


def findings(error: ValidationError, document: Document) -> list[SourceProblem]:
    """Return every mistake that pydantic found in `document`."""
    found = []
    for details in error.errors(include_url=False):
        loc = details["loc"]
        if details["type"] == "too_short" and details["input"]:
            continue  # pydantic does not count invalid items, which have errors of their own
        if _of_the_matrix(loc, document):
            continue
        if loc[-1:] == ("[key]",):
            loc = loc[:-1]
        found.append(SourceProblem(document.line(loc), _sentence(details, document)))
    return found


def _of_the_matrix(loc: Loc, document: Document) -> bool:
    """Return whether a mistake is a mistake of the matrix, which has an error of its own.

    It is if it is in a kernel that the matrix made, or if kernels are missing because the matrix could make none.
    """
    kernel = loc[1] if loc[:1] == ("kernels",) and len(loc) > 1 else None
    return kernel in document.generated or (loc == ("kernels",) and document.unexpanded and not document.get(loc))


def _sentence(details: ErrorDetails, document: Document) -> str:
    loc, value = details["loc"], details["input"]
    match details["type"]:
        case "extra_forbidden":
            return _unknown(loc)
        case "missing":
            return _missing(loc, document)
        case "too_short":
            return f"{_key(loc)} is empty; at least one is needed"
        case "model_type" | "dict_type":
            return f"{_subject(loc)} must be a mapping{_of_keys(loc)}, not {quoted(value)}"
        case "value_error":
            return f"{_subject(loc)} {details['ctx']['error']}"
    return f"{_subject(loc)}: {details['msg']}"


def _of_keys(loc: Loc) -> str:
    here = mapping_kind(loc)
    return f" with the keys {', '.join(here.entry.known_keys())}" if here else " of names to values"


def _unknown(loc: Loc) -> str:
    around = mapping_kind(loc[:-1]) or MappingKind("the scenario", ScenarioFile)
    return f"unknown key {quoted(loc[-1])} in {around.name}{hint(loc[-1], around.entry.known_keys(), 'keys')}"


def _missing(loc: Loc, document: Document) -> str:
    if loc in document.lines:
        return f"{_key(loc)} is empty; give it a value"
    around = mapping_kind(loc[:-1])
    return f"{around.name if around else 'the scenario'} has no {_key(loc)}; add it"


def _subject(loc: Loc) -> str:
    """Return the subject of the sentence about an error at `loc`."""
    if loc[-1:] == ("[key]",):
        return _named(loc)
    here = mapping_kind(loc)
    return here.name if here else _key(loc)


def _named(loc: Loc) -> str:
    """Return the subject of the sentence about an invalid name."""
    if loc[:1] == ("matrix",) and loc[1] != "include":
        return "the value's name" if len(loc) == 5 and loc[1] == "axes" else "the axis's name"
    named = {
        "combination": "the axis's name",
        "options": "an option's name",
        "expect": "the placement",
        "expect-vmm": "the workload's name",
        "environment": "a variable's name",
        "properties": "a property's name",
        "resize": "a BAR's number",
        "xfail": "a case's name",
    }
    return named.get(str(loc[-3]), f"the {_single(loc)}'s name")


def _single(loc: Loc) -> str:
    return str(loc[0]).removesuffix("s")


def _key(loc: Loc) -> str:
    """Return the last key in `loc`.

    This is the key of the value, or of the list that the value is in.
    """
    return quoted(next((step for step in reversed(loc) if isinstance(step, str)), ""))
