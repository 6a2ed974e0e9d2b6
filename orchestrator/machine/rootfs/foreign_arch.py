# SPDX-License-Identifier: GPL-2.0-only
"""Fetch static programs of another architecture, for the root of a foreign guest.

Debian builds them for every architecture.  apt verifies them with the signed index, as for the kernels' sources.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from orchestrator.host.base import Command, Host, check
from orchestrator.host.lock import locked
from orchestrator.kernel.apt import Apt, choose
from orchestrator.kernel.cache.sealed import broken_seal, seal
from orchestrator.kernel.cache.store import KernelCache, mark_used

SUITE = "trixie"
"""The Debian suite of the programs.  No scenario can change it, because no measurement depends on it."""

_PACKAGES = {"busybox": "busybox-static", "bash": "bash-static"}
"""Package of each program.  bash is needed because virtme-ng has its fast init for one architecture only; its other
init is a script for bash."""


def fetch_programs(host: Host, cache: Path, arch: str) -> dict[str, Path]:
    """Return the paths of busybox and bash for Debian's architecture `arch`, by name.

    They are fetched once, and again if damaged.  Raises InfrastructureError if they cannot be fetched.
    """
    place = cache / "guest-programs" / f"{SUITE}-{arch}"
    with locked(host, place.with_suffix(".lock")):
        if broken_seal(place):
            _fetch(host, cache, arch, place)
        mark_used(place)
    return {name: place / name for name in _PACKAGES}


def _fetch(host: Host, cache: Path, arch: str, place: Path) -> None:
    partial = place.with_suffix(".partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    apt = Apt(host, cache / "apt" / f"{SUITE}-{arch}", SUITE, arch)
    for name, package in _PACKAGES.items():
        deb = apt.download(choose(apt, package, None, f"the root of {arch} guests"))
        check(host.run(Command(("dpkg-deb", "-x", str(deb), str(partial / package)))), f"unpacking {deb.name}")
        shutil.copy2(_program(partial / package, name), partial / name)
        shutil.rmtree(partial / package)
        deb.unlink()
        deb.parent.rmdir()
    KernelCache(cache).discard(place)
    partial.rename(place)
    seal(place)


def _program(unpacked: Path, name: str) -> Path:
    """Return the path of the program in its package: in /bin or /usr/bin.

    The program of bash has the suffix -static.
    """
    return next(path for path in sorted(unpacked.rglob(f"bin/{name}*")) if path.is_file() and not path.is_symlink())
