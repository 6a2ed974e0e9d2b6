# SPDX-License-Identifier: GPL-2.0-only
"""Checks of a workload that a schema cannot express: its kind, keys of another kind, missing files."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from orchestrator.scenario.schema.parts import Parts
from orchestrator.scenario.schema.workload import KINDS, NEED_DEVICE
from orchestrator.yamlfile.messages import quoted, shown
from orchestrator.yamlfile.nodes import Loc

_CALLED = {"run": "'run: alignment'", "selftests": "'selftests'", "command": "'command'", "vmm": "'vmm'"}


def workload_complaints(parts: Parts) -> Iterator[tuple[Loc, str]]:
    """Yield the location of every such mistake and a sentence about it."""
    for name in parts.document.names("workloads"):
        given = parts.document.get(("workloads", name))
        if isinstance(given, dict):
            keys = [key for key, value in given.items() if value is not None]
            yield from _of_workload(name, keys, parts)


def kind_of(keys: list[str]) -> str:
    """Return the kind of a workload with `keys`.

    This is the first of run, selftests, command and vmm that is in `keys`.  Returns "" if none is.
    """
    return next((kind for kind in KINDS if kind in keys), "")


def _of_workload(name: str, keys: list[str], parts: Parts) -> Iterator[tuple[Loc, str]]:
    loc, kind = ("workloads", name), kind_of(keys)
    if not kind:
        yield loc, f"workload {quoted(name)} has none of 'run', 'selftests', 'command' and 'vmm'; add one of them"
        return
    for key in keys:
        if key in KINDS and key != kind:
            yield (*loc, key), f"workload {quoted(name)} has both {quoted(kind)} and {quoted(key)}; split it in two"
        elif key not in (kind, *KINDS[kind]):
            yield from _foreign(loc, key)
    if kind in NEED_DEVICE and "device" not in keys:
        yield loc, f"workload {quoted(name)} has no 'device'; add it"
    yield from _environment(name, parts)
    yield from _files(name, parts)
    yield from _program(name, parts)


def _foreign(loc: Loc, key: str) -> Iterator[tuple[Loc, str]]:
    """Report a key that belongs to other kinds only; the schema check reports unknown keys."""
    owners = [_CALLED[kind] for kind, keys in KINDS.items() if key in keys]
    if owners:
        yield (*loc, key), f"{quoted(key)} is for {' and '.join(owners)}; remove it"


def _environment(name: str, parts: Parts) -> Iterator[tuple[Loc, str]]:
    workload = parts.workloads.get(name)
    for variable in workload.environment if workload else ():
        if variable.startswith("ORCH_"):
            yield ("workloads", name, "environment", variable), f"{quoted(variable)} is reserved for orch; rename it"


def _files(name: str, parts: Parts) -> Iterator[tuple[Loc, str]]:
    workload = parts.workloads.get(name)
    seen: dict[str, str] = {}
    for index, file in enumerate(workload.files if workload else ()):
        loc, path = ("workloads", name, "files", index), parts.document.path.parent / file
        if not path.exists():
            yield loc, f"no file {quoted(file)} in {shown(path.parent)}; the path goes from the scenario's directory"
        elif path.resolve().name in seen:
            yield loc, f"{quoted(file)} and {quoted(seen[path.resolve().name])} have one name in the guest; rename one"
        seen[path.resolve().name] = file


def _program(name: str, parts: Parts) -> Iterator[tuple[Loc, str]]:
    """Check that the program of a VMM exists."""
    workload = parts.workloads.get(name)
    given = workload.vmm.path if workload and workload.vmm else None
    if given is not None and not (parts.document.path.parent / given).is_file():
        path = (parts.document.path.parent / given).parent
        loc = ("workloads", name, "vmm", "path")
        yield loc, f"no file {quoted(given)} in {shown(path)}; the path goes from the scenario's directory"


def absolute(files: tuple[str, ...], beside: Path) -> tuple[Path, ...]:
    """Return the absolute paths of a workload's files, which are relative to the directory `beside`."""
    return tuple((beside / file).resolve() for file in files)
