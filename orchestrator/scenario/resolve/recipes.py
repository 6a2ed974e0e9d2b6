# SPDX-License-Identifier: GPL-2.0-only
"""Find the files that each kernel's own recipe names, without the inherited ones."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from orchestrator.scenario.expand.inherit import lineage
from orchestrator.scenario.resolve.library import Library
from orchestrator.scenario.resolve.source import patch
from orchestrator.scenario.schema.parts import Parts
from orchestrator.scenario.schema.source import PatchEntry
from orchestrator.scenario.sources import PatchSource
from orchestrator.yamlfile.document import Document
from orchestrator.yamlfile.messages import quoted
from orchestrator.yamlfile.nodes import Loc, SourceProblem

_Name = TypeVar("_Name")
_Value = TypeVar("_Value")

Found = dict[int, Path]
"""The files found, by their index in the list that names them."""

FoundPatches = dict[int, PatchSource]
"""The patches found, by their index in the list that names them."""


@dataclass(frozen=True)
class Recipes:
    """Config fragments and patches by kernel, and the problems with them."""

    config: dict[str, Found]
    patches: dict[str, FoundPatches]
    findings: tuple[SourceProblem, ...]


def resolve(parts: Parts, library: Library) -> Recipes:
    """Look up the files that every kernel names.

    Those missing or applied twice are reported in `findings`.
    """
    search, beside = _Search(parts.document, []), parts.document.path.parent
    kernels = parts.kernels.items()
    config = {name: search.all(kernel.config, library.config, name, "config") for name, kernel in kernels}

    def find(entry: PatchEntry) -> PatchSource | None:
        return patch(entry, beside, library.patches) if _called(entry) else None  # has no kind; reported elsewhere

    patches: dict[str, FoundPatches] = {
        name: search.all(kernel.patches, find, name, "patches") for name, kernel in kernels
    }
    again = [finding for name in parts.kernels for finding in _twice(name, parts, patches)]
    return Recipes(config, patches, (*search.findings, *again))


@dataclass(frozen=True)
class _Search:
    document: Document
    findings: list[SourceProblem]

    def all(
        self, names: tuple[_Name, ...], find: Callable[[_Name], _Value | None], kernel: str, key: str
    ) -> dict[int, _Value]:
        found: dict[int, _Value] = {}
        for index, name in enumerate(names):
            try:
                value = find(name)
                if value is not None:
                    found[index] = value
            except LookupError as error:
                loc: Loc = ("kernels", kernel, key, index)
                self.findings.append(SourceProblem(self.document.line(loc), str(error)))
        return found


def _called(entry: PatchEntry) -> str:
    return entry.file or entry.range or entry.revert or entry.message or ""


def _twice(name: str, parts: Parts, patches: dict[str, FoundPatches]) -> list[SourceProblem]:
    """Return problems of patches that the kernel, or one that it extends, already applies.

    Such a patch would not apply a second time.
    """
    before = {path: kernel for kernel in lineage(name, parts.kernels)[1:] for path in patches[kernel].values()}
    found = []
    for index, path in patches[name].items():
        if path in before:
            given = quoted(_called(parts.kernels[name].patches[index]))
            what = (
                f"kernel {quoted(before[path])} applies {given} already, and {quoted(name)} has its patches; remove it"
            )
            if before[path] == name:
                what = f"kernel {quoted(name)} applies {given} twice; remove one of them"
            found.append(SourceProblem(parts.document.line(("kernels", name, "patches", index)), what))
        before.setdefault(path, name)
    return found
