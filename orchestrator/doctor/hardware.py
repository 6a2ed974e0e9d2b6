# SPDX-License-Identifier: GPL-2.0-only
"""Check cores, memory, disks and limits.

Pure.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator

from orchestrator.doctor.fixes import as_root, raise_limit
from orchestrator.doctor.model import Disk, Facts, HostFinding, State, Where
from orchestrator.scenario.model import Machine

CACHE, TEMPORARY = "cache", "temporary files"
"""The uses of the directories that a run writes to."""
GUEST_BYTES = Machine().memory + (512 << 20)
"""The default memory of a guest, and the memory that QEMU needs in addition."""
_LEAST_MEMORY = 1 << 30
_WANTED = {CACHE: 4 << 30, TEMPORARY: 1 << 30}
"""A first kernel: 1.8 GiB of source, 0.2 of tree, 0.2 of package, and the same again while it is built."""
_LEAST = {CACHE: 512 << 20, TEMPORARY: 128 << 20}
"""A guest's root, its programs, a prebuilt kernel."""
OPEN_FILES = 1024
"""Linux's default for each process; QEMU with its shares was never observed to exceed it."""


def hardware(facts: Facts, where: Where) -> Iterator[HostFinding]:
    """Yield a finding for each item."""
    yield HostFinding("cores", State.OK, str(facts.cores))
    yield _memory(facts)
    yield from (_disk(facts, where, name, disk) for name, disk in facts.disks.items())
    yield _open_files(facts)


def gib(size: int) -> str:
    """Return bytes in GiB, with one decimal place below 10 GiB."""
    return f"{size / (1 << 30):.{0 if size >= 10 << 30 else 1}f} GiB"


def _memory(facts: Facts) -> HostFinding:
    text = f"{gib(facts.memory)}, {gib(facts.available)} available"
    if facts.memory < _LEAST_MEMORY:
        return HostFinding("memory", State.MISSING, f"{text}; no guest fits, which takes up to {gib(GUEST_BYTES)}")
    if facts.available < GUEST_BYTES:
        return HostFinding("memory", State.WARNING, f"{text}; a guest takes up to {gib(GUEST_BYTES)}")
    return HostFinding("memory", State.OK, text)


def _disk(facts: Facts, where: Where, name: str, disk: Disk) -> HostFinding:
    what, text = f"disk of {name}", f"{gib(disk.free)} free at {disk.path}"
    if disk.foreign and name == CACHE and where.entry:
        fix = f"give the host another 'directory' in {where.entry.where}"
        return HostFinding(
            what, State.MISSING, f"{disk.path} belongs to another user, who could put other kernels there; {fix}"
        )
    if not disk.writable:
        whose = f"mkdir -p {shlex.quote(str(disk.path))} && chown {facts.user.name} {shlex.quote(str(disk.path))}"
        return HostFinding(what, State.MISSING, f"{disk.path} cannot be written to", as_root(facts, whose))
    least, wanted = _LEAST.get(name, 0), _WANTED.get(name, 0)
    if disk.free >= wanted:
        return HostFinding(what, State.OK, text)
    state = State.MISSING if disk.free < least else State.WARNING
    text += f"; {gib(wanted)} are enough for a first kernel" + (
        ", and no run fits in this" if disk.free < least else ""
    )
    if name == CACHE and where.home:
        return HostFinding(what, state, text, f"orch cache gc --keep 10G --cache {shlex.quote(str(disk.path))}")
    return HostFinding(what, state, text, "export TMPDIR=/var/tmp" if name == TEMPORARY and where.home else "")


def _open_files(facts: Facts) -> HostFinding:
    soft, hard = facts.open_files
    if soft < 0 or soft >= OPEN_FILES:
        return HostFinding("open files", State.OK, f"up to {'any number' if soft < 0 else soft}")
    detail = f"up to {soft} at once; QEMU and make may need {OPEN_FILES}"
    able = hard < 0 or hard >= OPEN_FILES
    fix = f"ulimit -n {OPEN_FILES}" if able else raise_limit(facts, "nofile", str(OPEN_FILES))
    return HostFinding("open files", State.WARNING, detail, fix)
