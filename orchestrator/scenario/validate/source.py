# SPDX-License-Identifier: GPL-2.0-only
"""What a schema cannot see of sources and patches: of which kind they are, keys of another kind, what is not there."""

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
"""The keys of a kernel that say how to build it."""


def source_complaints(parts: Parts) -> Iterator[Complaint]:
    """The place of every mistake of these kinds, and the sentence about it."""
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
    """An entry is of one kind, has all that this kind needs, and nothing of another."""
    kind = kind_of(given, kinds)
    if not kind:
        if any(key not in kinds and not any(key in keys for keys in kinds.values()) for key in given):
            return  # an unknown key, which the schema reports, is likely to be the kind
        names = list(map(quoted, kinds))
        yield loc, f"{what} has none of {', '.join(names[:-1])} and {names[-1]}; add the one that says what it is"
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
    """Paths that lead nowhere, and addresses that are none."""
    text = given.get(kind)
    if not isinstance(text, str) or kind in ("", "debian", "debian-image"):
        return
    if is_address(text):
        if kind not in ("git", "tarball"):
            yield (*loc, kind), f"{quoted(text)} is an address, and {quoted(kind)} needs a path"
        elif kind == "tarball" and given.get("sha256") is None:
            yield loc, f"the tarball {quoted(text)} has no 'sha256'; add it, or what is fetched could be anything"
        return
    yield from _missing((*loc, kind), text, beside, directory=kind in ("git", "tree"), file=kind == "tarball")
    for key, file in (("modules", False), ("config", True)):
        value = given.get(key)
        if isinstance(value, str):
            yield from _missing((*loc, key), value, beside, directory=not file, file=file)


def _missing(loc: Loc, text: str, beside: Path, *, directory: bool = False, file: bool = False) -> Iterator[Complaint]:
    path, what = Path(os.path.normpath(place(text, beside))), "directory" if directory else "file"
    # os.path, because Path's own raise for a name that is too long
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
    """The patches of a kernel that are mappings, and where they lie; one alone needs no list."""
    loc: Loc = ("kernels", name, "patches")
    given = parts.document.get(loc)
    found = [((*loc, at), patch) for at, patch in enumerate(given)] if isinstance(given, list) else [(loc, given)]
    for place_of, patch in found:
        if isinstance(patch, dict):
            yield place_of, patch


def _of_own_history(patch: dict[str, object]) -> str:
    """The kind of a patch that is to be had from the kernel's own source only; "" for others."""
    kind = kind_of(patch, PATCHES)
    return kind if kind in ("range", "revert") and patch.get("git") is None else ""


def _inherited(name: str, parts: Parts) -> Iterator[Complaint]:
    """A source of its own, and patches of kernels that it extends which are to be had from their source only."""
    if parts.document.get(("kernels", name, "source")) is None or _source_kind(name, parts) in PREBUILT:
        return
    for step in lineage(name, parts.kernels)[1:]:
        for _, patch in _given(step, parts):
            if key := _of_own_history(patch):
                yield from _no_history(("kernels", name, "source"), name, key, parts)
                return


def _no_history(loc: Loc, name: str, key: str, parts: Parts) -> Iterator[Complaint]:
    """Commits of the kernel's own source, which has none."""
    kind = _source_kind(name, parts)
    if kind and kind not in ("git", "tree"):
        mend = ", or name another repository with 'git'" if key == "range" else ""
        yield (
            loc,
            f"{quoted(key)} needs a source with a history, and that of kernel {quoted(name)} is {quoted(kind)}"
            + (f"; take it from 'git' or 'tree'{mend}"),
        )


def _source_kind(name: str, parts: Parts) -> str:
    """The kind of source that a kernel has or inherits; "" where it has none that can be read."""
    for step in lineage(name, parts.kernels):
        given = parts.document.get(("kernels", step, "source"))
        if given is not None:
            return kind_of(given, SOURCES)
    return ""


def _built_already(name: str, parts: Parts) -> Iterator[Complaint]:
    """Keys that say how to build a kernel that is built already."""
    kind = _source_kind(name, parts)
    if kind not in PREBUILT:
        return
    for key in _NOT_BUILT:
        if parts.document.get(("kernels", name, key)) is not None:
            what = f"{quoted(key)} is for kernels that are built, and {quoted(name)} is booted as its {quoted(kind)} is"
            mend = "exclude the combination" if name in parts.document.generated else "remove it"
            yield ("kernels", name, key), f"{what}; {mend}"


def _selftests(parts: Parts) -> Iterator[Complaint]:
    """Selftests are built from the source of the kernel that boots."""
    without = [quoted(name) for name in parts.kernels if _source_kind(name, parts) in PREBUILT]
    for name in parts.document.names("workloads") if without else ():
        if parts.document.get(("workloads", name, "selftests")) is not None:
            what = f"workload {quoted(name)} builds the selftests from each kernel's source"
            mend = "remove one of them" if len(without) == 1 else "remove it, or them"
            yield ("workloads", name, "selftests"), f"{what}, and there is none of {', '.join(without)}; {mend}"
