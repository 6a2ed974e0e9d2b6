# SPDX-License-Identifier: GPL-2.0-only
"""Checks of sources and patches that a schema cannot express.

They check the kind, keys of another kind, and missing files.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path

from orchestrator.scenario.expand.inherit import lineage
from orchestrator.scenario.resolve.files import is_address, place
from orchestrator.scenario.schema.parts import Parts
from orchestrator.scenario.schema.source import PATCHES, PREBUILT, SOURCES, kind_of, needed
from orchestrator.yamlfile.messages import quoted, shown
from orchestrator.yamlfile.nodes import Loc

Complaint = tuple[Loc, str]
_Kinds = Mapping[str, tuple[str, ...]]

_NOT_BUILT = ("patches", "config", "options", "compiler", "modules")
"""The keys of a kernel that describe its build."""


def source_complaints(parts: Parts) -> Iterator[Complaint]:
    """Yield the location of every such mistake and a sentence about it."""
    for name in parts.document.names("kernels"):
        loc = ("kernels", name, "source")
        given = parts.document.get(loc)
        if isinstance(given, dict):
            yield from _of_kind(loc, given, SOURCES, f"the source of kernel {quoted(name)}")
            yield from _places(loc, given, kind_of(given, SOURCES), parts.document.path.parent)
        yield from _patches(name, parts)
        yield from _inherited(name, parts)
        yield from _built_already(name, parts)
    yield from _selftests(parts)


def _of_kind(
    loc: Loc, given: dict[str, object], kinds: Mapping[str, tuple[str, ...]], what: str
) -> Iterator[Complaint]:
    """Check that an entry has one kind, its required keys, and no keys of other kinds."""
    kind = kind_of(given, kinds)
    if not kind:
        if any(key not in kinds and not any(key in keys for keys in kinds.values()) for key in given):
            return  # the kind is probably the unknown key, which the schema check reports
        names = list(map(quoted, kinds))
        yield loc, f"{what} has none of {', '.join(names[:-1])} and {names[-1]}; add one of them"
        return
    for key, value in given.items():
        if value is None or key in (kind, *kinds[kind]):
            continue
        if key in kinds:
            yield (*loc, key), f"{what} has both {quoted(kind)} and {quoted(key)}; remove one of them"
        elif owners := [quoted(owner) for owner, keys in kinds.items() if key in keys]:
            yield (*loc, key), f"{quoted(key)} is for {' and '.join(owners)}; remove it"
    for key in needed(kind):
        if given.get(key) is None:
            yield loc, f"{what} has no {quoted(key)}; add it"


def _places(loc: Loc, given: dict[str, object], kind: str, beside: Path) -> Iterator[Complaint]:
    """Check that paths exist, and that addresses are only used if they can be fetched from."""
    text = given.get(kind)
    if not isinstance(text, str) or kind in ("", "debian", "debian-image"):
        return
    if is_address(text):
        if kind not in ("git", "tarball"):
            yield (*loc, kind), f"{quoted(text)} is an address, and {quoted(kind)} needs a path"
        elif kind == "tarball" and given.get("sha256") is None:
            yield loc, f"the tarball {quoted(text)} has no 'sha256'; add it, so that the download can be verified"
        return
    yield from _missing((*loc, kind), text, beside, directory=kind in ("git", "tree"), file=kind == "tarball")
    for key, file in (("modules", False), ("config", True)):
        value = given.get(key)
        if isinstance(value, str):
            yield from _missing((*loc, key), value, beside, directory=not file, file=file)


def _missing(loc: Loc, text: str, beside: Path, *, directory: bool = False, file: bool = False) -> Iterator[Complaint]:
    path, what = Path(os.path.normpath(place(text, beside))), "directory" if directory else "file"
    # os.path, because Path.exists() raises for a name that is too long
    if not os.path.exists(path):  # noqa: PTH110
        yield loc, f"no {what} {quoted(shown(path))}; paths go from the scenario's directory"
    elif (directory and not path.is_dir()) or (file and not path.is_file()):
        yield loc, f"{quoted(shown(path))} is no {what}; give it the path of one"


def _patches(name: str, parts: Parts) -> Iterator[Complaint]:
    for loc, patch in _given(name, parts):
        yield from _of_kind(loc, patch, PATCHES, f"a patch of kernel {quoted(name)}")
        for key in ("git", "mbox"):
            text = patch.get(key)
            if not isinstance(text, str):
                continue
            if key == "mbox" and is_address(text):
                yield (*loc, key), f"{quoted(text)} is an address, and {quoted(key)} needs a path"
            elif not is_address(text):
                yield from _missing((*loc, key), text, parts.document.path.parent, directory=key == "git")
        if key := _of_own_history(patch):
            yield from _no_history(loc, name, key, parts)


def _given(name: str, parts: Parts) -> Iterator[tuple[Loc, dict[str, object]]]:
    """Yield the patches of a kernel that are mappings, with their locations.

    A single one needs no list.
    """
    loc: Loc = ("kernels", name, "patches")
    given = parts.document.get(loc)
    found = [((*loc, at), patch) for at, patch in enumerate(given)] if isinstance(given, list) else [(loc, given)]
    for place_of, patch in found:
        if isinstance(patch, dict):
            yield place_of, patch


def _of_own_history(patch: dict[str, object]) -> str:
    """Return the kind of a patch that needs the kernel's own source.

    Returns "" for other patches.
    """
    kind = kind_of(patch, PATCHES)
    return kind if kind in ("range", "revert") and patch.get("git") is None else ""


def _inherited(name: str, parts: Parts) -> Iterator[Complaint]:
    """Check a kernel with its own source that inherits patches which only its own history can provide."""
    if parts.document.get(("kernels", name, "source")) is None or _source_kind(name, parts) in PREBUILT:
        return
    for step in lineage(name, parts.kernels)[1:]:
        for _, patch in _given(step, parts):
            if key := _of_own_history(patch):
                yield from _no_history(("kernels", name, "source"), name, key, parts)
                return


def _no_history(loc: Loc, name: str, key: str, parts: Parts) -> Iterator[Complaint]:
    """Check that the kernel's own source has a history, as a patch of kind `key` needs one."""
    kind = _source_kind(name, parts)
    if kind and kind not in ("git", "tree"):
        fix = ", or name another repository with 'git'" if key == "range" else ""
        yield (
            loc,
            f"{quoted(key)} needs a source with a history, and that of kernel {quoted(name)} is {quoted(kind)}"
            + (f"; take it from 'git' or 'tree'{fix}"),
        )


def _source_kind(name: str, parts: Parts) -> str:
    """Return the kind of source that a kernel has or inherits.

    Returns "" if it has none that can be read.
    """
    for step in lineage(name, parts.kernels):
        given = parts.document.get(("kernels", step, "source"))
        if given is not None:
            return kind_of(given, SOURCES)
    return ""


def _built_already(name: str, parts: Parts) -> Iterator[Complaint]:
    """Check that a prebuilt kernel has no keys that describe a build."""
    kind = _source_kind(name, parts)
    if kind not in PREBUILT:
        return
    for key in _NOT_BUILT:
        if parts.document.get(("kernels", name, key)) is not None:
            what = f"{quoted(key)} is for kernels that are built, and {quoted(name)} is booted as its {quoted(kind)} is"
            fix = "exclude the combination" if name in parts.document.generated else "remove it"
            yield ("kernels", name, key), f"{what}; {fix}"


def _selftests(parts: Parts) -> Iterator[Complaint]:
    """Check that no kernel is prebuilt if there are selftests.

    Selftests are built from each kernel's source.
    """
    without = [quoted(name) for name in parts.kernels if _source_kind(name, parts) in PREBUILT]
    for name in parts.document.names("workloads") if without else ():
        if parts.document.get(("workloads", name, "selftests")) is not None:
            what = f"workload {quoted(name)} builds the selftests from each kernel's source"
            fix = "remove one of them" if len(without) == 1 else "remove it, or them"
            yield ("workloads", name, "selftests"), f"{what}, and there is none of {', '.join(without)}; {fix}"
